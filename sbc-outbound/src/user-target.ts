import {
  type AddressOfRecord,
  aorText,
  byDevice,
  deviceRoute,
  type KeptBinding,
  type ProvisioningSnapshot,
  type Registrations,
  RegistrationsAwayError,
} from '@ringwire/common';
import { BROWSER } from '@ringwire/common/media-relay/media-profile.js';
import { passableHeaders } from '@ringwire/common/sip/header-policy.js';
import type { LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { nameAddr, splitUri } from '@ringwire/common/sip/uri.js';
import type { OutboundCall, Refusal } from './guard.js';

/**
 * Where a user's devices are, or why the user cannot be called. The first of `legs` rings them all, the others those with further connections, for when the first can
 * reach nobody.
 */
export type UserTarget =
  | { ok: true; aor: AddressOfRecord; mayCallUsers: boolean; legs: [LegTarget, ...LegTarget[]]; host: string }
  | { ok: false; refusal: Refusal };

/** What finding a user looks at. */
export interface UserTargetContext {
  snapshot: Pick<ProvisioningSnapshot, 'findAccountByRealm' | 'findClient' | 'registrationHookOf'>;
  registrations: Pick<Registrations, 'bindingsOf'>;
  /** `ip:port` of our own SIP server. */
  sipAddress: string;
  /** Whether another edge lives: nobody else has the connections of its devices. */
  isAlive(edge: string): boolean;
  /** X-Override-To is not for this user: another one sent the call on to him. */
  isForwarded?: boolean;
}

const refuse = (status: number, reason: string, metric: string): UserTarget => ({
  ok: false,
  refusal: { status, reason, metric },
});

/** The name of a user as the outside may write it. */
const USER = /^[\w\-.!~*'()&=+$,;?/%]{1,64}$/;

/**
 * Routing `user`: all devices of the user at the same time, each where it was heard when it registered last; those of another edge by way of that
 * edge. 404 where nobody has that name, 480 where no device of the user is registered.
 */
export async function userTarget(
  request: SipRequest,
  call: OutboundCall,
  { snapshot, registrations, sipAddress, isAlive, isForwarded = false }: UserTargetContext,
): Promise<UserTarget> {
  const { user, host } = call.target;
  if (call.target.scheme === 'tel' || user === null || host === '')
    return refuse(400, 'invalid request-uri', 'malformed');
  const aor = { user, realm: host };
  // The users of other accounts are none of this call's business.
  const owner = snapshot.findAccountByRealm(host);
  if (owner?.accountSid !== call.account.accountSid) return refuse(404, `no user ${aorText(aor)}`, 'unknown-user');
  // Without a hook the table knows: who was deleted or deactivated meanwhile has devices that are registered still.
  const hasHook = snapshot.registrationHookOf(owner) !== null;
  const client = snapshot.findClient(owner.accountSid, user);
  if (!hasHook && !client) return refuse(404, `no user ${aorText(aor)}`, 'unknown-user');
  let bindings: KeptBinding[];
  try {
    bindings = await registrations.bindingsOf(aor);
  } catch (error) {
    if (error instanceof RegistrationsAwayError)
      return refuse(503, 'registrations are not available now', 'redis-away');
    throw error;
  }
  const reachable = bindings.filter(({ binding: { edge } }) => edge === sipAddress || isAlive(edge));
  const headers = headersOf(request, call, aor);
  const overrideTo = isForwarded ? undefined : request.get('X-Override-To');
  const devices = byDevice(reachable);
  const legOver = (flow: number): LegTarget | undefined => {
    const [first, ...others] = devices.flatMap(({ [flow]: kept }) =>
      kept ? [legTo(kept, overrideTo, headers, sipAddress)] : [],
    );
    return first && (others.length === 0 ? first : { ...first, alongside: others });
  };
  const [first, ...further] = Array.from({ length: Math.max(0, ...devices.map(({ length }) => length)) }, (_, flow) =>
    legOver(flow),
  ).filter((leg) => leg !== undefined);
  if (!first) return refuse(480, `user ${aorText(aor)} is not registered`, 'not-registered');
  const binding = reachable[0]?.binding;
  const mayCallUsers = (hasHook ? binding?.allowDirectUserCalling : client?.allowDirectUserCalling) ?? false;
  return { ok: true, aor, mayCallUsers, legs: [first, ...further], host: binding?.address ?? '' };
}

/** The caller is shown in the user's own realm: there the user can call back. */
function headersOf(request: SipRequest, call: OutboundCall, aor: AddressOfRecord): SipHeaders {
  const preferred = request.get('X-Preferred-From-User') ?? call.from.user ?? '';
  const from = USER.test(preferred) ? preferred : 'anonymous';
  const preferredHost = request.get('X-Preferred-From-Host');
  const host = preferredHost && splitUri(`sip:${from}@${preferredHost}`) ? preferredHost : aor.realm;
  return {
    ...passableHeaders(request),
    From: nameAddr(call.from.displayName, `sip:${from}@${host}`),
    To: `<sip:${aor.user}@${aor.realm}>`,
    ...(call.sdp ? { 'Content-Type': 'application/sdp' } : {}),
  };
}

/** The INVITE to one device. */
function legTo(kept: KeptBinding, overrideTo: string | undefined, headers: SipHeaders, sipAddress: string): LegTarget {
  const { binding } = kept;
  const route = deviceRoute(kept, sipAddress);
  return {
    name: `${binding.transport}/${binding.address}:${binding.port}`,
    uri: overridden(route.uri, overrideTo),
    proxy: route.proxy,
    // Only browsers speak SIP over WebSocket (RFC 7118), and only WebRTC over that.
    ...(/^wss?$/.test(binding.transport) ? { media: BROWSER } : {}),
    headers: { ...headers, ...route.headers },
  };
}

/** A contact with another user part, or that of another URI, for devices that tell their lines or accounts apart by it. */
function overridden(contact: string, to: string | undefined): string {
  const user = (to && splitUri(to)?.user) ?? to;
  return user && USER.test(user) ? contact.replace(/^(sips?:)(?:[^@]*@)?/i, `$1${user}@`) : contact;
}
