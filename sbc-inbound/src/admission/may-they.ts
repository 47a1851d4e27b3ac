import { type CallLimits, type Destination, type Invite, refuse, type StepResult } from './types.js';

/** Step 4, may they: the account is active, the call does not go in circles, and there is room for one more. */
export async function mayCall(
  invite: Invite,
  destination: Destination,
  limits: CallLimits,
): Promise<StepResult<Destination>> {
  const { account, application, carrier } = destination;
  const known = { account, application, carrier };
  if (!account.isActive) {
    return refuse({ status: 503, reason: 'Account is not active', metric: 'inactive-account', ...known });
  }
  if (invite.claimedApplicationSid === application.applicationSid) {
    return refuse({ status: 482, reason: 'Loop Detected: the application calls itself', metric: 'loop', ...known });
  }
  const rejection = await limits({ ...destination, invite });
  return rejection ? { ok: false, rejection: { ...known, ...rejection } } : { ok: true, value: destination };
}

/** No limits. */
export const unlimited: CallLimits = async () => null;
