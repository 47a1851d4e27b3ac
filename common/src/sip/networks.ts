/** An IPv4 network: base address and mask as unsigned 32-bit numbers. */
export interface Ipv4Network {
  base: number;
  mask: number;
  /** Prefix length, 0–32. */
  bits: number;
}

/** Address as an unsigned number; null when the text is not a dotted IPv4 address. */
export function ipv4ToNumber(address: string): number | null {
  const parts = address.split('.');
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

/** A network from an address and prefix length; null when either is wrong. */
export function ipv4Network(address: string, bits: number): Ipv4Network | null {
  const value = ipv4ToNumber(address);
  if (value === null || !Number.isInteger(bits) || bits < 0 || bits > 32) return null;
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return { base: (value & mask) >>> 0, mask, bits };
}

/** Whether the network contains the address (as given by {@link ipv4ToNumber}). */
export function contains(network: Ipv4Network, address: number): boolean {
  return (address & network.mask) >>> 0 === network.base;
}

/** Networks of a comma-separated list such as `10.0.0.0/8, 192.168.1.5`; null when an entry is not one. */
export function parseNetworks(list: string): Ipv4Network[] | null {
  const networks: Ipv4Network[] = [];
  for (const entry of list.split(',').map((text) => text.trim())) {
    if (entry === '') continue;
    const [address, bits] = entry.split('/');
    const network = ipv4Network(address ?? '', bits === undefined ? 32 : bits === '' ? Number.NaN : Number(bits));
    if (!network) return null;
    networks.push(network);
  }
  return networks;
}

/** Whether any of the networks contains the address. */
export function inNetworks(networks: readonly Ipv4Network[], address: string): boolean {
  const value = ipv4ToNumber(address);
  return value !== null && networks.some((network) => contains(network, value));
}
