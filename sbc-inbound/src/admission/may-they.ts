import { type CallLimits, limitRefusal } from '@ringwire/common';
import { type Admitted, type Destination, type Invite, refuse, type StepResult } from './types.js';

/**
 * Step 4, may they: the account is active, the call does not go in circles, and there is room for one more. The last step, so that
 * nobody takes a place who is not known.
 */
export async function mayCall(
  invite: Invite,
  callSid: string,
  destination: Destination,
  limits: Pick<CallLimits, 'take'>,
): Promise<StepResult<Admitted>> {
  const { account, application, carrier, user, tenant } = destination;
  const known = {
    account,
    ...(application ? { application } : {}),
    ...(carrier ? { carrier } : {}),
    ...(user ? { user } : {}),
    ...(tenant ? { tenant } : {}),
  };
  if (!account.isActive) {
    return refuse({ status: 503, reason: 'Account is not active', metric: 'inactive-account', ...known });
  }
  if (application && invite.claimedApplicationSid === application.applicationSid) {
    return refuse({ status: 482, reason: 'Loop Detected: the application calls itself', metric: 'loop', ...known });
  }
  const { accountSid, serviceProviderSid } = account;
  const applicationSid = application?.applicationSid ?? null;
  const taken = await limits.take({
    callSid,
    accountSid,
    serviceProviderSid,
    applicationSid,
    ...(user ? { user: { aor: user.aor, limit: user.callLimit } } : {}),
  });
  if (taken.ok) return { ok: true, value: { destination, place: taken.place } };
  const { status, reason, metric, alert } = limitRefusal(taken.reached);
  // Without the headers that name the account and its limit: they are nobody's business outside.
  return refuse({ status, reason, phrase: reason, metric, alert, ...known });
}

/** No limits. */
export const unlimited: Pick<CallLimits, 'take'> = {
  take: async () => ({ ok: true, place: { release: () => {}, forward: async () => null } }),
};
