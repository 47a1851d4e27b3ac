import { compileNumberPattern, HttpError, isNumberPattern, type Queryable } from '@ringwire/common';
import { networkOf, parseIp } from '@ringwire/common/sip/ip-address.js';
import type { Principal } from '../auth/principal.js';

interface Network {
  voip_carrier_sid: string;
  ipv4: string;
  netmask: number;
}

function overlap(a: Network, b: Network): boolean {
  const [one, other] = [parseIp(a.ipv4), parseIp(b.ipv4)];
  if (one === null || one.family !== other?.family) return false;
  const bits = Math.min(a.netmask, b.netmask);
  return networkOf(one, bits) === networkOf(other, bits);
}

/** Carriers that calls may come from at an address of this one, itself among them; none where it has no inbound gateway. */
async function carriersBeside(db: Queryable, voipCarrierSid: string): Promise<string[]> {
  const networks = await db.query<Network>('SELECT voip_carrier_sid, ipv4, netmask FROM sip_gateways WHERE inbound');
  const own = networks.filter((network) => network.voip_carrier_sid === voipCarrierSid);
  const beside = networks.filter((network) => own.some((ours) => overlap(ours, network)));
  return [...new Set(beside.map((network) => network.voip_carrier_sid))];
}

const PREFIX = /^(\d*)\*$/;

/** Whether two entries may match the same dialled number. Of expressions that cannot be told, so it is assumed; numbers are tried. */
function mayMeet(added: string, foreign: string): boolean {
  if (added === foreign) return true;
  const [ours, theirs] = [PREFIX.exec(added)?.[1], PREFIX.exec(foreign)?.[1]];
  if (ours !== undefined && theirs !== undefined) return ours.startsWith(theirs) || theirs.startsWith(ours);
  if (ours !== undefined && !isNumberPattern(foreign)) return foreign.startsWith(ours);
  if (isNumberPattern(added)) return true;
  if (!isNumberPattern(foreign)) return false;
  const row = {
    phoneNumberSid: '',
    number: foreign,
    voipCarrierSid: null,
    accountSid: null,
    applicationSid: null,
    serviceProviderSid: null,
  };
  const compiled = compileNumberPattern(row);
  return compiled.ok && compiled.pattern.matches(added);
}

/**
 * Keeps a key from giving itself calls that others get at an address from which carriers of both call: an account those of other accounts, a
 * service provider those of others' accounts. Judged are numbers that are equal, and patterns as far as they may match the others' numbers or patterns.
 *
 * @param numbers - numbers and patterns of the carrier
 * @throws HttpError 422 that names the field
 */
export async function requireOwnNumbers(
  db: Queryable,
  principal: Principal,
  voipCarrierSid: string,
  numbers: readonly string[],
  field: string,
): Promise<void> {
  if (principal.scope === 'admin' || numbers.length === 0) return;
  const beside = await carriersBeside(db, voipCarrierSid);
  if (beside.length === 0) return;
  const isForeign =
    principal.scope === 'account'
      ? { sql: 'NOT n.account_sid <=> ?', sid: principal.accountSid }
      : {
          sql: 'NOT COALESCE(a.service_provider_sid, n.service_provider_sid, c.service_provider_sid) <=> ?',
          sid: principal.serviceProviderSid,
        };
  // A single number meets its like and patterns only: those who have very many numbers need not all be read for it.
  const [only, ...others] = numbers;
  const isSingle = others.length === 0 && only !== undefined && !isNumberPattern(only);
  const foreign = await db.query<{ number: string }>(
    `SELECT n.number FROM phone_numbers n
     JOIN voip_carriers c ON c.voip_carrier_sid = n.voip_carrier_sid
     LEFT JOIN accounts a ON a.account_sid = n.account_sid
     WHERE n.voip_carrier_sid IN (?) AND ${isForeign.sql}${isSingle ? " AND (n.number = ? OR n.number REGEXP '[^0-9]')" : ''}`,
    [beside, isForeign.sid, ...(isSingle ? [only] : [])],
  );
  const exact = new Set(foreign.map(({ number }) => number));
  const patterns = [...exact].filter(isNumberPattern);
  const taken = numbers.find((number) =>
    exact.has(number)
      ? true
      : (isNumberPattern(number) ? [...exact] : patterns).some((other) => mayMeet(number, other)),
  );
  if (taken === undefined) return;
  const who = principal.scope === 'account' ? 'the service provider' : 'the operator';
  throw new HttpError(
    422,
    `${field}: another has ${taken}, or numbers that it may match, at a carrier with the same address; only ${who} may tell the two apart`,
    { field },
  );
}

/** What decides about the calls that come from an address, beyond the numbers of a carrier. */
const DECIDING = [
  'application_sid',
  'inbound_country_code',
  'inbound_national_prefix',
  'inbound_international_prefix',
  'inbound_national_length',
] as const;

/**
 * Keeps an account from deciding about calls that others' carriers bring: a default application of its own would take those to unknown numbers, or
 * make them nobody's, and its rules would read others' numbers anew. What stands there may stay, and be taken away.
 *
 * @throws HttpError 422 that names the field
 */
export async function requireNoSay(
  db: Queryable,
  principal: Principal,
  voipCarrierSid: string,
  before: Readonly<Record<string, unknown>>,
  columns: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (principal.scope !== 'account') return;
  const field = DECIDING.find((name) => (columns[name] ?? '') !== '' && columns[name] !== before[name]);
  if (field === undefined) return;
  const beside = await carriersBeside(db, voipCarrierSid);
  if (beside.length === 0) return;
  const foreign = await db.query(
    'SELECT 1 FROM voip_carriers WHERE voip_carrier_sid IN (?) AND NOT account_sid <=> ? LIMIT 1',
    [beside, principal.accountSid],
  );
  if (foreign.length === 0) return;
  throw new HttpError(
    422,
    `${field}: a carrier of others calls from the same address: only the service provider may set it here`,
    { field },
  );
}
