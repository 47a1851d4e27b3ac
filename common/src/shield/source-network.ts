import { ADDRESS_BITS, formatIp, IpNetworkTable, networkOf, parseIp, parseIpNetwork } from '../sip/ip-address.js';

/** What one customer of an IPv6 provider has at least: it may change its address within it with each packet. */
const V6_BITS = 64;

/** The network by which a source is counted and banned: an IPv4 address, or the /64 of an IPv6 address. Null when the text is no address. */
export function sourceNetwork(address: string): string | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  if (ip.family === 4) return formatIp(ip);
  const value = networkOf(ip, V6_BITS) << BigInt(ADDRESS_BITS[6] - V6_BITS);
  return `${formatIp({ family: 6, value })}/${V6_BITS}`;
}

const PRIVATE = new IpNetworkTable(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'].flatMap(
    (text) => {
      const network = parseIpNetwork(text);
      return network ? [{ address: network, bits: network.bits, value: true }] : [];
    },
  ),
);

/**
 * Whether an address is of a private network (RFC 1918, RFC 6598, RFC 4193, link-local). Loopback is not among them: nobody comes through it but
 * programs of this machine.
 */
export function isPrivate(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && PRIVATE.find(ip).length > 0;
}
