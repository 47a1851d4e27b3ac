import { HttpError, type Queryable } from '@ringwire/common';
import type { Principal } from '../auth/principal.js';

/** Rows of which an account's key may make so many. */
export type CappedRows =
  | 'applications'
  | 'phone numbers'
  | 'carriers'
  | 'gateways'
  | 'SMPP gateways'
  | 'HTTP gateways'
  | 'clients'
  | 'LCR routes'
  | 'LCR entries';

const OF_CARRIERS = 'JOIN voip_carriers USING (voip_carrier_sid) WHERE voip_carriers.account_sid = ?';

/**
 * How many rows an account may make, and where they are counted. Every process that carries calls holds all of them in memory, and has a
 * connection to each SMPP gateway.
 */
const CAPS: Readonly<Record<CappedRows, { most: number; from: string }>> = {
  applications: { most: 1_000, from: 'applications WHERE account_sid = ?' },
  'phone numbers': { most: 10_000, from: 'phone_numbers WHERE account_sid = ?' },
  carriers: { most: 100, from: 'voip_carriers WHERE account_sid = ?' },
  gateways: { most: 1_000, from: `sip_gateways ${OF_CARRIERS}` },
  'SMPP gateways': { most: 100, from: `smpp_gateways ${OF_CARRIERS}` },
  'HTTP gateways': { most: 100, from: `http_message_gateways ${OF_CARRIERS}` },
  clients: { most: 10_000, from: 'clients WHERE account_sid = ?' },
  'LCR routes': { most: 10_000, from: 'lcr_routes JOIN lcr USING (lcr_sid) WHERE lcr.account_sid = ?' },
  'LCR entries': {
    most: 50_000,
    from: 'lcr_carrier_set_entry JOIN lcr_routes USING (lcr_route_sid) JOIN lcr USING (lcr_sid) WHERE lcr.account_sid = ?',
  },
};

/**
 * Checks that an account may have more rows; keys of service providers and the operator may always make them. Requests that come at the same
 * moment may pass it by their own number.
 *
 * @param adding - how many there will be more, at least 1; 0 where they are made already, in the same transaction
 * @throws HttpError 422
 */
export async function requireRoom(db: Queryable, principal: Principal, what: CappedRows, adding = 1): Promise<void> {
  if (principal.scope !== 'account') return;
  const { most, from } = CAPS[what];
  const [row] = await db.query<{ count: number }>(`SELECT COUNT(*) AS count FROM ${from}`, [principal.accountSid]);
  if (Number(row?.count ?? 0) + adding <= most) return;
  throw new HttpError(422, `an account has at most ${most} ${what}: ask the service provider for more`);
}
