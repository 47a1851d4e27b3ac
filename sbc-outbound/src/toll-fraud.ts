import {
  type FraudGuard,
  type FraudRefusal,
  type FraudVerdict,
  type ProvisioningSnapshot,
  type RoutedGateway,
  SIP_HEADERS,
  type VoipCarrier,
} from '@ringwire/common';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import type { SipHeaders } from '@ringwire/common/sip/stack.js';
import { withoutSeparators } from '@ringwire/common/sip/uri.js';
import { dialledNumber, numberOf } from './dialled-number.js';
import type { OutboundCall } from './guard.js';

/** Shorter users of SIP URIs are extensions of somebody's telephone system. */
const SHORTEST_NUMBER = 7;

const withoutPlus = (number: string): string => number.replace(/^\+/, '');

/**
 * The number by which a call is judged, null when there is none. A SIP URI counts too when its user is a telephone number: its host may be a carrier that
 * knows us by our address.
 */
export function judgedNumber({ routing, target }: OutboundCall): string | null {
  const user = target.user ?? '';
  if (user === '') return null;
  if (routing === 'phone') return withoutPlus(user);
  const number = withoutPlus(withoutSeparators(user));
  return routing === 'sip' && number.length >= SHORTEST_NUMBER && /^\d+$/.test(number) ? number : null;
}

/** Asks the toll-fraud guard for a call. @param first - the gateway that would be tried first */
export async function checkForFraud(
  guard: FraudGuard,
  snapshot: ProvisioningSnapshot,
  call: OutboundCall,
  first: RoutedGateway | undefined,
): Promise<FraudVerdict> {
  const number = judgedNumber(call);
  if (number === null) return { ok: true };
  const { accountSid, serviceProviderSid } = call.account;
  return guard.check({
    callSid: call.callSid,
    accountSid,
    serviceProviderSid,
    number,
    policy: snapshot.fraudPolicies.of(accountSid, serviceProviderSid),
    price: first?.price?.rate ?? null,
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
  const dialled = withoutSeparators(user.split(/[;:]/, 1)[0] ?? '');
  if (policy === null || withoutPlus(dialled) === withoutPlus(dialledNumber(target.user ?? '', carrier))) return null;
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
