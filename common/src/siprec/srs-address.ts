import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { AddressGuard } from '../http/address-guard.js';
import type { SipMessageView } from '../sip/stack.js';
import { splitUri } from '../sip/uri.js';

/** Where a recording server is: the next hop that was judged, none where the SIP server may find it itself; or why it is not called. */
export type SrsHop = { ok: true; proxy?: string } | { ok: false; why: string };

/** The questions to DNS. */
export interface SrsDns {
  lookup(host: string): Promise<readonly string[]>;
  /** In the order in which they are to be tried. */
  resolveSrv(name: string): Promise<readonly { name: string; port: number }[]>;
}

const DNS: SrsDns = {
  lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  resolveSrv: async (name) => (await resolveSrv(name)).sort((a, b) => a.priority - b.priority || b.weight - a.weight),
};
/** A name that has not been answered by then is not there: the application waits for its command's result. */
const DNS_DEADLINE_MS = 2_000;
const isLoopback = (host: string): boolean => /^(localhost|.*\.localhost)$/i.test(host);

/**
 * Judges where the SIP URI of a recording server leads, which an application has named: not to private addresses, unless they are allowed. The INVITE goes to
 * the address that was judged, so that the name cannot change its mind in between. Never rejects.
 */
export async function findSrs(
  uri: string,
  guard: Pick<AddressGuard, 'allows' | 'allowsAll'>,
  dns = DNS,
): Promise<SrsHop> {
  const parts = splitUri(uri);
  // With headers it would say what our INVITE says, by `maddr` be somewhere else (RFC 3261 §19.1.1).
  if (!parts?.host || /[\s<>"?,]|;maddr=/i.test(uri))
    return { ok: false, why: 'it is no SIP URI of a recording server' };
  if (guard.allowsAll) return { ok: true };
  const { host, port } = parts;
  if (isIP(host))
    return guard.allows(host) ? { ok: true } : { ok: false, why: `the private address ${host} may not be called` };
  const transport = /;transport=(\w+)/i.exec(uri)?.[1]?.toLowerCase();
  const found = await within(resolve(host, port ?? undefined, { scheme: parts.scheme, transport }, dns));
  const [first] = found.addresses;
  if (first === undefined) return { ok: false, why: `${host} cannot be resolved` };
  const bad = found.addresses.find((address) => !guard.allows(address));
  if (bad !== undefined) return { ok: false, why: `${host} (${bad}) is private and may not be called` };
  const address = isIP(first) === 6 ? `[${first}]` : first;
  const hop = `${parts.scheme}:${address}${found.port === undefined ? '' : `:${found.port}`}`;
  return { ok: true, proxy: transport === undefined ? hop : `${hop};transport=${transport}` };
}

/**
 * Where the SIP server sends what follows the 200 of a recording server: to the last of its Record-Route, else to its Contact (RFC 3261 §12.1.2). Judged by
 * {@link findSrs}, our re-INVITEs, with all that they tell of a call, go to no private address either; the ACK has gone by then, and a name may lead elsewhere
 * later. Empty where there is none that can be read.
 */
export function nextHopOf(response: Pick<SipMessageView, 'get'>): string {
  // Parameters may have quoted text with brackets of its own (`+sip.instance`).
  const plain = (name: string): string | undefined => response.get(name)?.replace(/"(?:[^"\\]|\\.)*"/g, '');
  const uris = (value: string): string[] => Array.from(value.matchAll(/<([^<>]*)>/g), (match) => match[1]!.trim());
  const routes = plain('Record-Route');
  if (routes !== undefined) return uris(routes).at(-1) ?? '';
  const contact = plain('Contact') ?? '';
  // Without brackets, parameters are the header's (RFC 3261 §20.10); of two nobody knows which is taken.
  if (!contact.includes('<')) return contact.includes(',') ? '' : contact.replace(/;.*/s, '').trim();
  const [uri = '', ...more] = uris(contact);
  return more.length === 0 ? uri : '';
}

/** RFC 3263 §4.2 without NAPTR: SRV where no port is named, else the name's own addresses. */
async function resolve(
  host: string,
  port: number | undefined,
  how: { scheme: string; transport: string | undefined },
  dns: SrsDns,
): Promise<{ addresses: readonly string[]; port: number | undefined }> {
  const isSecure = how.scheme === 'sips' || how.transport === 'tls';
  const service = isSecure ? '_sips._tcp' : how.transport === 'tcp' ? '_sip._tcp' : '_sip._udp';
  const hasService = port === undefined && host.includes('.') && !isLoopback(host);
  const [target] = hasService ? await dns.resolveSrv(`${service}.${host}`).catch(() => []) : [];
  const addresses = await dns.lookup(target?.name ?? host).catch(() => []);
  return { addresses, port: target?.port ?? port };
}

type Found = Awaited<ReturnType<typeof resolve>>;

function within(work: Promise<Found>): Promise<Found> {
  return new Promise((resolveWith, reject) => {
    const timer = setTimeout(() => resolveWith({ addresses: [], port: undefined }), DNS_DEADLINE_MS);
    work.then(resolveWith, reject).finally(() => clearTimeout(timer));
  });
}
