import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { RingwireError } from '../errors.js';

/** A request would go to an address that is not on the public internet. */
export class PrivateAddressError extends RingwireError {
  readonly code: string = 'http/private-address';
}

/** Addresses that are not on the public internet (RFC 6890 and its registries). */
const PRIVATE: ReadonlyArray<[string, number, 'ipv4' | 'ipv6']> = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  // With the addresses that were once IPv4's in IPv6 (RFC 4291 §2.5.5.1).
  ['::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  // Teredo: whoever relays it, its IPv4 address is nobody's business here.
  ['2001::', 32, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];

/** The machine itself (RFC 6890). */
const LOOPBACK: ReadonlyArray<[string, number, 'ipv4' | 'ipv6']> = [
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
];

/** Which addresses that are not on the public internet may be connected to: none, those of the machine itself, or all. */
export type AllowPrivate = boolean | 'loopback';

/** The IPv4 address to which a translator or relay sends on what goes to an IPv6 address: NAT64 (RFC 6052), 6to4 (RFC 3056). */
function embeddedIpv4(address: string): string | undefined {
  const groups = groupsOf(address);
  const isNat64 = groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
  const [high, low] = isNat64 ? groups.slice(6) : groups[0] === 0x2002 ? groups.slice(1) : [];
  if (high === undefined || low === undefined) return undefined;
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** The eight groups of an IPv6 address in any of its spellings (RFC 4291 §2.2). */
function groupsOf(address: string): number[] {
  const numbersOf = (part: string): number[] =>
    part.split(':').flatMap((group) => {
      if (group === '') return [];
      if (!group.includes('.')) return [Number.parseInt(group, 16)];
      const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
      return [a * 256 + b, c * 256 + d];
    });
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const [first, last] = [numbersOf(head), numbersOf(tail ?? '')];
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** The shape of `dns.lookup` that `http.request` and `net.connect` take. */
export type LookupFunction = (hostname: string, options: LookupOptions, callback: LookupCallback) => void;

/** What an {@link AddressGuard} lets through, and what it says of the rest. */
export interface AddressGuardOptions {
  allowPrivate: AllowPrivate;
  /** The error for a forbidden host; by default a {@link PrivateAddressError}. */
  forbidden?: (host: string) => Error;
}

/**
 * Keeps requests that customers and callers cause away from the operator's own network. The check is made on the address that is
 * connected to, not on the name, so that a name cannot change its mind in between (DNS rebinding).
 */
export class AddressGuard {
  readonly #blocked = new BlockList();
  readonly #exempt = new BlockList();

  constructor(private readonly options: AddressGuardOptions) {
    for (const [address, prefix, family] of PRIVATE) this.#blocked.addSubnet(address, prefix, family);
    if (options.allowPrivate !== 'loopback') return;
    for (const [address, prefix, family] of LOOPBACK) this.#exempt.addSubnet(address, prefix, family);
  }

  /** Whether every address is let through. */
  get allowsAll(): boolean {
    return this.options.allowPrivate === true;
  }

  /** Whether a numeric address may be connected to. */
  allows(address: string): boolean {
    if (this.allowsAll) return true;
    const family = isIP(address);
    if (family === 0) return false;
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
    if (mapped) return this.#isOpen(mapped, 'ipv4');
    if (family === 4) return this.#isOpen(address, 'ipv4');
    const embedded = embeddedIpv4(address);
    return this.#isOpen(address, 'ipv6') && (embedded === undefined || this.#isOpen(embedded, 'ipv4'));
  }

  /**
   * Refuses URLs whose host is a literal private address; names are checked by {@link lookup} when they are resolved.
   * @throws PrivateAddressError, or what the options make of it
   */
  checkLiteral(url: URL): void {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !this.allows(host)) throw this.#forbidden(host);
  }

  /**
   * Like {@link checkLiteral}, and resolves names too; for URLs that another program will fetch.
   * @returns the addresses that were judged, for programs that can be told to use these; empty where the name was not looked up, or has none
   * @throws PrivateAddressError, or what the options make of it; names that do not resolve pass, so that the fetching program reports them.
   */
  async checkResolved(url: URL): Promise<string[]> {
    this.checkLiteral(url);
    if (this.allowsAll || isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) return [];
    const addresses = await new Promise<LookupAddress[]>((resolve) =>
      lookup(url.hostname, { all: true }, (error, found) => resolve(error ? [] : found)),
    );
    const bad = addresses.find(({ address }) => !this.allows(address));
    if (bad) throw this.#forbidden(`${url.hostname} (${bad.address})`);
    return addresses.map(({ address }) => address);
  }

  /** `dns.lookup` for agents: fails for names that resolve to a forbidden address. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const bad = addresses.find(({ address }) => !this.allows(address));
      if (bad) return callback(this.#forbidden(`${hostname} (${bad.address})`), []);
      if (options.all) return callback(null, addresses);
      const first = addresses[0];
      if (!first) return callback(Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' }), []);
      return callback(null, first.address, first.family);
    });
  };

  #isOpen(address: string, family: 'ipv4' | 'ipv6'): boolean {
    return !this.#blocked.check(address, family) || this.#exempt.check(address, family);
  }

  #forbidden(host: string): Error {
    return (
      this.options.forbidden?.(host) ??
      new PrivateAddressError(`the private address ${host} may not be requested`, { host })
    );
  }
}
