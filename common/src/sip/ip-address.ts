import { isIPv4, isIPv6 } from 'node:net';

/** An IP address as a number, so that networks can be compared. */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** Bits of an address. */
export const ADDRESS_BITS: Record<4 | 6, number> = { 4: 32, 6: 128 };

const V4_MAPPED = 0xffffn;

const v4Value = (text: string): bigint => text.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n);

function v6Value(text: string): bigint {
  // The last 32 bits may be written as IPv4.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const low = dotted ? v4Value(dotted[2] ?? '') : 0n;
  const hex = dotted ? `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}` : text;
  const [head = '', tail] = hex.split('::');
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : []);
  const first = groups(head);
  const last = groups(tail);
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const all = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return all.reduce((value, group) => (value << 16n) + BigInt(`0x${group}`), 0n);
}

/**
 * Reads an address: brackets and a zone are cut off, an IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is IPv4. Null when
 * the text is none.
 */
export function parseIp(text: string): IpAddress | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (isIPv4(bare)) return { family: 4, value: v4Value(bare) };
  if (!isIPv6(bare)) return null;
  const value = v6Value(bare);
  return value >> 32n === V4_MAPPED ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

/** The network of an address with a prefix of so many bits, as a number without its host bits. */
export function networkOf({ family, value }: IpAddress, bits: number): bigint {
  return value >> BigInt(ADDRESS_BITS[family] - bits);
}

/** Finds what is kept for the networks that contain an address. Immutable; a lookup costs one map access per prefix length. */
export class IpNetworkTable<T> {
  /** By `family/bits`, longest prefixes first, then by network. */
  readonly #tables: { family: 4 | 6; bits: number; networks: Map<bigint, T[]> }[] = [];

  /** @param entries - within one network their order is kept */
  constructor(entries: Iterable<{ address: IpAddress; bits: number; value: T }>) {
    for (const { address, bits, value } of entries) {
      let table = this.#tables.find((known) => known.family === address.family && known.bits === bits);
      if (table === undefined) {
        table = { family: address.family, bits, networks: new Map() };
        this.#tables.push(table);
      }
      const network = networkOf(address, bits);
      const values = table.networks.get(network);
      if (values) values.push(value);
      else table.networks.set(network, [value]);
    }
    this.#tables.sort((a, b) => b.bits - a.bits);
  }

  /** What is kept for all networks that contain the address, the narrowest network first. */
  find(address: IpAddress): T[] {
    return this.#tables.flatMap(({ family, bits, networks }) =>
      family === address.family ? (networks.get(networkOf(address, bits)) ?? []) : [],
    );
  }
}

/** The usual spelling of an address (RFC 5952 for IPv6). */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  // The URL parser shortens it.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** A network, spelled in one way only: host bits are zero, and a single host stands without prefix length. */
export interface IpNetwork extends IpAddress {
  bits: number;
  text: string;
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a single address. Null when the text is none. */
export function parseIpNetwork(text: string): IpNetwork | null {
  const [address = '', length, ...rest] = text.split('/');
  const ip = parseIp(address);
  if (!ip || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return null;
  const all = ADDRESS_BITS[ip.family];
  const bits = length === undefined ? all : Number(length);
  if (bits > all) return null;
  const value = networkOf(ip, bits) << BigInt(all - bits);
  const host = formatIp({ family: ip.family, value });
  return { family: ip.family, value, bits, text: bits === all ? host : `${host}/${bits}` };
}
