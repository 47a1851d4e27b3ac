import type {
  FraudGuard,
  FraudVerdict,
  MessageFailure,
  OutboundItem,
  OutboundMessage,
  ProvisioningSnapshot,
} from '@ringwire/common';

/** A message that the toll-fraud guard keeps back. */
export interface MessageDenial {
  reason: Extract<MessageFailure, 'destination-denied' | 'account-blocked'>;
  detail: string;
  alert: Extract<FraudVerdict, { ok: false }>['alert'];
}

/** Nobody has been asked to take it yet. */
const isFresh = ({ rounds, progress, refusedBy }: OutboundItem): boolean =>
  rounds === 0 && progress === null && refusedBy.length === 0;

/**
 * Asks the toll-fraud guard for a message. It counts once, when it is first taken out of the queue; while it waits for a carrier only lists may
 * still stop it.
 */
export async function findDenial(
  guard: FraudGuard,
  snapshot: ProvisioningSnapshot,
  item: OutboundItem,
): Promise<MessageDenial | undefined> {
  const { messageSid, accountSid, serviceProviderSid, to: number }: OutboundMessage = item.message;
  const policy = snapshot.fraudPolicies.of(accountSid, serviceProviderSid ?? '');
  if (!isFresh(item)) {
    const verdict = policy.verdict(number);
    return verdict.allowed ? undefined : { reason: 'destination-denied', detail: verdict.why, alert: null };
  }
  const verdict = await guard.checkMessage({
    messageSid,
    accountSid,
    serviceProviderSid: serviceProviderSid ?? '',
    number,
    policy,
  });
  if (verdict.ok) return undefined;
  const { reason, detail, alert } = verdict;
  return { reason: reason === 'destination-denied' ? reason : 'account-blocked', detail, alert };
}
