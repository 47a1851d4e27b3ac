import { isIP } from 'node:net';
import { type Endpoint, parseNameAddr, parseUri, type SipMessage, splitList } from '@ringwire/sip';

/** How peers behind NAT are recognised; both flags as drachtio-server has them. */
export interface NatDetection {
  /** A Contact that is not where its sender was heard says nothing. */
  disabled: boolean;
  /** `nat=yes` in Record-Route, or Contact, says that the sender is behind NAT. */
  aggressive: boolean;
}

/**
 * Whether a caller over UDP is behind NAT, so that requests of its dialog go to where it was heard and not to its Contact:
 * the Contact names another address or port. Not where proxies are on the way: they were heard, and the Contact may be right.
 * @param request that makes the dialog
 */
export function isNattedCaller(request: SipMessage, source: Endpoint, nat: NatDetection): boolean {
  if (source.transport !== 'udp') return false;
  const routes = recordRoutes(request);
  if (nat.aggressive && saysNat(routes[0])) return true;
  const hasProxies = routes.length > 0 || request.getAll('Via').flatMap(splitList).length > 1;
  if (nat.disabled || hasProxies) return false;
  const contact = contactUri(request);
  if (!contact) return false;
  return !isHost(contact.host, source.host) || (contact.port !== undefined && contact.port !== source.port);
}

/**
 * Whether a callee over UDP is behind NAT: its Contact, where it is not reached over proxies, names another address than
 * our request went to, or its first route is a private address that the request did not go to.
 * @param response that makes the dialog
 * @param reached where its request went
 */
export function isNattedCallee(response: SipMessage, reached: Endpoint, nat: NatDetection): boolean {
  if (reached.transport !== 'udp' || nat.disabled) return false;
  const routes = recordRoutes(response);
  // The route set of a caller is in reverse order (RFC 3261 §12.1.2).
  const hop = parseUri(parseNameAddr(routes.at(-1) ?? '')?.uri ?? '')?.host;
  if (hop !== undefined && isPrivate(hop) && !isHost(hop, reached.host)) return true;
  const contact = contactUri(response);
  if (routes.length === 0 && contact && !isHost(contact.host, reached.host)) return true;
  return nat.aggressive && saysNat(routes.at(-1) ?? response.get('Contact'));
}

function recordRoutes(message: SipMessage): string[] {
  return message.getAll('Record-Route').flatMap(splitList);
}

function contactUri(message: SipMessage): { host: string; port: number | undefined } | undefined {
  const uri = parseUri(parseNameAddr(message.get('Contact') ?? '')?.uri ?? '');
  // A peer that wants another transport is reached over that.
  const transport = uri?.params.get('transport')?.toLowerCase() ?? 'udp';
  return uri?.scheme === 'sip' && uri.host !== '' && transport === 'udp' ? uri : undefined;
}

function saysNat(nameAddr: string | undefined): boolean {
  return (
    parseUri(parseNameAddr(nameAddr ?? '')?.uri ?? '')
      ?.params.get('nat')
      ?.toLowerCase() === 'yes'
  );
}

function isHost(written: string, address: string): boolean {
  const host = written.replace(/^\[|\]$/g, '').toLowerCase();
  // IPv6 addresses have many spellings; our own of them are the canonical ones.
  return (
    host === address.toLowerCase() || (isIP(host) === 6 && new URL(`http://[${host}]`).hostname === `[${address}]`)
  );
}

/** RFC 1918. */
function isPrivate(host: string): boolean {
  return isIP(host) === 4 && /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host);
}
