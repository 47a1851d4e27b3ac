import { splitUri } from '@ringwire/common/sip/uri.js';
import type { RegistrarConfig } from './config.js';
import type { ReadRegister, RegisterContact } from './read-register.js';

/** How long a contact is registered. */
export interface Lifetime {
  /** What the device is told; it registers again before. 0: it is removed. */
  grantedS: number;
  /** How long it is called. */
  lifeMs: number;
}

/** Whether a device over UDP is heard from another place than its Contact says, with nobody between who knows the way. */
function isBehindNat({ flow, path }: ReadRegister, contact: RegisterContact): boolean {
  if (flow.transport !== 'udp' || path.length > 0) return false;
  const parts = splitUri(contact.uri);
  return parts?.host !== flow.address.toLowerCase() || (parts.port ?? 5060) !== flow.port;
}

/**
 * How long a contact is registered (RFC 3261 §10.3 step 7); null where it asks for less than is granted (423). What a registration hook says
 * counts instead of what is asked for.
 */
export function lifetimeOf(
  register: ReadRegister,
  contact: RegisterContact,
  hookS: number | null,
  config: RegistrarConfig,
): Lifetime | null {
  const asked = contact.expiresS ?? register.expiresS ?? config.REGISTER_MAX_EXPIRES;
  if (asked === 0) return { grantedS: 0, lifeMs: 0 };
  if (asked < config.REGISTER_MIN_EXPIRES) return null;
  const connectionS = config.REGISTER_CONNECTION_EXPIRES;
  // A SIP server, or a NAT, cuts a connection that is silent for long, and the registration goes with it. Those of browsers are pinged.
  const isLimited = connectionS > 0 && register.path.length === 0 && /^(tcp|tls)$/.test(register.flow.transport);
  const mostS = isLimited ? Math.min(connectionS, config.REGISTER_MAX_EXPIRES) : config.REGISTER_MAX_EXPIRES;
  const wholeS = Math.min(hookS ?? asked, mostS);
  const natS = config.REGISTER_NAT_EXPIRES;
  if (natS === 0 || wholeS <= natS || !isBehindNat(register, contact))
    return { grantedS: wholeS, lifeMs: wholeS * 1000 };
  // One lost datagram must not take a telephone away that asked for an hour.
  return { grantedS: natS, lifeMs: Math.min(wholeS, 2 * natS) * 1000 };
}
