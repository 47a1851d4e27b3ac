import {
  type FraudGuard,
  type FraudRefusal,
  type FraudVerdict,
  type ProvisioningSnapshot,
  type RateBook,
  type RoutedGateway,
  SIP_HEADERS,
  type VoipCarrier,
} from '@ringwire/common';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import type { SipHeaders } from '@ringwire/common/sip/stack.js';
import { unescaped, withoutSeparators } from '@ringwire/common/sip/uri.js';
import { dialledNumber, numberOf } from './dialled-number.js';
import type { OutboundCall } from './guard.js';

/** Shorter users of SIP URIs are extensions of somebody's telephone system. */
const SHORTEST_NUMBER = 7;

const withoutPlus = (number: string): string => number.replace(/^\+/, '');

/** The number that the far end reads in a user part: without escapes, parameters and separators. Null when an escape cannot be read. */
function dialledIn(user: string): string | null {
  const text = unescaped(user);
  return text === null ? null : withoutSeparators((text.split(/[;:]/, 1)[0] ?? '').trim());
}

/**
 * The number by which a call is judged, null when there is none. A SIP URI counts too when its user is a telephone number: its host may be a carrier that
 * knows us by our address.
 */
export function judgedNumber({ routing, target }: OutboundCall): string | null {
  const user = target.user ?? '';
  if (user === '') return null;
  if (routing === 'phone') return withoutPlus(user);
  const number = withoutPlus(dialledIn(user) ?? '');
  return routing === 'sip' && number.length >= SHORTEST_NUMBER && /^\d+$/.test(number) ? number : null;
}

/**
 * Asks the toll-fraud guard for a call. What it costs is what the service provider's rate deck says: with a deck of its own an account could make
 * everything cheap.
 *
 * @param rates - the prices as they are now
 * @param first - the gateway that would be tried first
 */
export async function checkForFraud(
  guard: FraudGuard,
  snapshot: ProvisioningSnapshot,
  rates: RateBook,
  call: OutboundCall,
  first: RoutedGateway | undefined,
): Promise<FraudVerdict> {
  const number = judgedNumber(call);
  if (number === null) return { ok: true };
  const { accountSid, serviceProviderSid } = call.account;
  const policy = snapshot.fraudPolicies.of(accountSid, serviceProviderSid);
  const deck = first && rates.sharedDecksOf(serviceProviderSid).get(first.carrier.voipCarrierSid);
  return guard.check({
    callSid: call.callSid,
    accountSid,
    serviceProviderSid,
    number,
    policy,
    price: deck?.trie.find(number, Math.floor(Date.now() / 1000)) ?? null,
    usedPrice: first?.price?.rate ?? null,
  });
}

/** Why a carrier's redirect to another number is not followed; null when it may be. */
export function redirectRefusal(
  snapshot: ProvisioningSnapshot,
  { account, target }: OutboundCall,
  user: string,
  carrier: VoipCarrier,
): string | null {
  const policy = snapshot.fraudPolicies.of(account.accountSid, account.serviceProviderSid);
  const dialled = dialledIn(user);
  if (dialled === null) return 'it has an escape that cannot be read';
  if (withoutPlus(dialled) === withoutPlus(dialledNumber(target.user ?? '', carrier))) return null;
  const number = withoutPlus(numberOf(dialled, carrier));
  const verdict = policy.verdict(number);
  return verdict.allowed ? null : `${number} may not be called: ${verdict.why}`;
}

/** What a feature server is told of a call that the guard refused. */
export function refusalHeaders({ reason, detail, retryAfterSec }: FraudRefusal): SipHeaders {
  return {
    ...reasonHeader(detail),
    [SIP_HEADERS.fraudGuard]: reason,
    ...(retryAfterSec === null ? {} : { 'Retry-After': `${retryAfterSec}` }),
  };
}
