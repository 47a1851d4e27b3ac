import { type Account, type PhoneNumber, servesAccount, type VoipCarrier } from '@ringwire/common';
import { toE164 } from './e164.js';
import { type CarrierCaller, type Destination, type Invite, refuse, type Snapshot, type StepResult } from './types.js';

/** Who gets the call, before accounts and applications are looked up. */
interface Choice {
  carrier: VoipCarrier;
  accountSid: string;
  applicationSid: string | null;
  phoneNumber: PhoneNumber | null;
  why: string;
}

/** Step 3, what: the dialled number's account and application, else those of the carrier. */
export function findDestination(invite: Invite, caller: CarrierCaller, snapshot: Snapshot): StepResult<Destination> {
  const chosen = byNumber(invite, caller, snapshot) ?? byCarrier(invite, caller, snapshot);
  if (!chosen.ok) return chosen;
  const { carrier, accountSid, applicationSid, phoneNumber, why } = chosen.value;
  const account = snapshot.accountsBySid.get(accountSid);
  if (!account) return notProvisioned(invite, carrier, 'its account does not exist');
  if (applicationSid === null) return notProvisioned(invite, carrier, 'it has no application', account);
  const application = snapshot.applicationsBySid.get(applicationSid);
  // The default application of a shared carrier is that of one account: it never runs for another.
  if (!application || !servesAccount(application, account))
    return notProvisioned(invite, carrier, 'its application does not exist or cannot be used', account);
  return {
    ok: true,
    value: {
      carrier,
      user: null,
      account,
      application,
      calledUser: null,
      called: toE164(invite.number, carrier.inboundRules),
      phoneNumber,
    },
    decision: {
      kind: 'routing',
      text: `${why} leads to application ${application.name} of account ${account.name}`,
      data: {
        accountSid,
        applicationSid,
        voipCarrierSid: carrier.voipCarrierSid,
        phoneNumberSid: phoneNumber?.phoneNumberSid ?? null,
      },
    },
  };
}

function notProvisioned<T>(invite: Invite, carrier: VoipCarrier, detail: string, account?: Account): StepResult<T> {
  return refuse({
    status: 404,
    reason: `Number Not Provisioned: ${invite.number}, ${detail}`,
    metric: 'unknown-number',
    carrier,
    ...(account ? { account } : {}),
  });
}

function ambiguous<T>(what: string, carrier: VoipCarrier): StepResult<T> {
  return refuse({ status: 503, reason: what, metric: 'ambiguous', carrier });
}

/** A number, and the carriers of which it was read in that way. */
interface Reading {
  number: string;
  carriers: ReadonlySet<string>;
}

/** The dialled number as each carrier's rules read it, then as it was sent: numbers may have been stored like that. */
function readingsOf({ number }: Invite, { carriers }: CarrierCaller): { read: Reading[]; sent: Reading } {
  const byNumber = new Map<string, Set<string>>();
  for (const { voipCarrierSid, inboundRules } of carriers) {
    const read = toE164(number, inboundRules);
    byNumber.set(read, (byNumber.get(read) ?? new Set()).add(voipCarrierSid));
  }
  return {
    read: [...byNumber].map(([text, sids]) => ({ number: text, carriers: sids })),
    sent: { number, carriers: new Set(carriers.map(({ voipCarrierSid }) => voipCarrierSid)) },
  };
}

/** Exact number first, then the longest pattern. Null when no number of these carriers matches. */
function byNumber(invite: Invite, caller: CarrierCaller, snapshot: Snapshot): StepResult<Choice> | null {
  const { realmAccount } = caller;
  const usable = (row: PhoneNumber): boolean =>
    row.accountSid !== null && (realmAccount === null || row.accountSid === realmAccount.accountSid);
  const { read, sent } = readingsOf(invite, caller);
  const exactOf = ({ number, carriers }: Reading) => snapshot.findNumbers(number, carriers).filter(usable);
  const patternOf = ({ number, carriers }: Reading) => {
    const pattern = snapshot.findNumberPattern(number, carriers);
    return pattern && usable(pattern) ? [pattern] : [];
  };
  const inRead = read.flatMap(exactOf);
  const exact = inRead.length > 0 ? inRead : exactOf(sent);
  if (exact.length > 1) {
    return ambiguous(`number ${invite.number} exists ${exact.length} times at this address`, caller.carriers[0]!);
  }
  const patterns = exact.length > 0 ? [] : read.flatMap(patternOf).sort((a, b) => b.number.length - a.number.length);
  const phoneNumber = exact[0] ?? patterns[0] ?? (exact.length === 0 ? patternOf(sent)[0] : undefined);
  const carrier = snapshot.carriersBySid.get(phoneNumber?.voipCarrierSid ?? '');
  if (!phoneNumber?.accountSid || !carrier) return null;
  const what = exact.length === 1 ? `number ${phoneNumber.number}` : `pattern ${phoneNumber.number}`;
  return {
    ok: true,
    value: {
      carrier,
      accountSid: phoneNumber.accountSid,
      applicationSid: phoneNumber.applicationSid ?? carrier.applicationSid,
      phoneNumber,
      why: phoneNumber.applicationSid ? what : `${what} has no application: carrier ${carrier.name}'s default`,
    },
  };
}

/** The application that a carrier's calls to unknown numbers go to. */
function byCarrier(invite: Invite, caller: CarrierCaller, snapshot: Snapshot): StepResult<Choice> {
  const first = caller.carriers[0]!;
  const choose = (carrier: VoipCarrier, accountSid: string): StepResult<Choice> => {
    const why = `number ${invite.number} is not provisioned: carrier ${carrier.name}'s default`;
    const { applicationSid } = carrier;
    if (applicationSid === null) {
      // Whose call it would have been is known: the refusal goes to that account's records.
      const account = snapshot.accountsBySid.get(accountSid);
      return notProvisioned(invite, carrier, 'and the carrier has no default application', account);
    }
    return { ok: true, value: { carrier, accountSid, applicationSid, phoneNumber: null, why } };
  };
  if (caller.realmAccount) return choose(first, caller.realmAccount.accountSid);
  const owned = caller.carriers.filter((carrier) => carrier.accountSid !== null && carrier.applicationSid !== null);
  if (owned.length > 1) return ambiguous('several carriers at this address have a default application', first);
  const only = owned[0];
  if (only?.accountSid) return choose(only, only.accountSid);
  // A service provider with one account shares its carriers with nobody else.
  const accounts = [...snapshot.accountsBySid.values()].filter(
    (account) => account.serviceProviderSid === first.serviceProviderSid,
  );
  if (accounts.length === 1) return choose(first, accounts[0]!.accountSid);
  return notProvisioned(invite, first, 'and the carrier has no default application');
}
