import {
  type Account,
  type Application,
  type MessageOwnerSids,
  type PhoneNumber,
  type ProvisioningSnapshot,
  servesAccount,
  type VoipCarrier,
} from '@ringwire/common';

/** Whose message it is, as far as that is known. */
export interface MessageOwner {
  carrier: VoipCarrier | undefined;
  account: Account | undefined;
  application: Application | undefined;
  /** Why nobody can be told of it. */
  trouble: string | undefined;
}

/** The number that a carrier's message is for: exact before patterns, the longest of these first. */
function numberOf(snapshot: ProvisioningSnapshot, carrierSid: string, to: string): PhoneNumber | undefined {
  const carriers = new Set([carrierSid]);
  const exact = snapshot.findNumbers(to, carriers).find((row) => row.accountSid !== null);
  const pattern = exact ?? snapshot.findNumberPattern(to, carriers);
  return pattern?.accountSid ? pattern : undefined;
}

/** Finds the account and application that a message is for: those that it names, else those of its number, else those of the carrier. */
export function findMessageOwner(
  snapshot: ProvisioningSnapshot,
  { voipCarrierSid, to, owner }: { voipCarrierSid: string | null; to: string; owner?: MessageOwnerSids },
): MessageOwner {
  const carrier = snapshot.carriersBySid.get(voipCarrierSid ?? '');
  const found = owner ?? (voipCarrierSid === null ? undefined : numberOf(snapshot, voipCarrierSid, to));
  const account = snapshot.accountsBySid.get(found?.accountSid ?? carrier?.accountSid ?? '');
  const chosen = snapshot.applicationsBySid.get(found?.applicationSid ?? carrier?.applicationSid ?? '');
  // The default application of a shared carrier is that of one account: it never runs for another.
  const application = chosen && account && servesAccount(chosen, account) ? chosen : undefined;
  const trouble =
    account === undefined
      ? `number ${to} belongs to no account`
      : !account.isActive
        ? 'the account is not active'
        : application === undefined
          ? `number ${to} has no application`
          : application.messagingHook === null
            ? `application ${application.name} has no messaging hook`
            : undefined;
  return { carrier, account, application, trouble };
}
