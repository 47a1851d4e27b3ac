import type { FeatureServerInfo, SbcInfo } from '../redis/keys.js';
import { type Ipv4Network, inNetworks } from './networks.js';

/** Says whether an INVITE comes from one of our own feature servers. */
export interface FeatureServerSources {
  /** `port` as the SIP server saw it; unknown ports never match a feature server's address. */
  isOurs(address: string, port: number | null): boolean;
  /** Whether it comes from the SIP server of another edge, which sends calls here whose device talks to this edge. */
  isEdge(address: string, port: number | null): boolean;
}

/**
 * Our own sources: the `ip:port` of every live feature server, and the private networks. The port counts because on one
 * machine carriers and feature servers may share an address; a feature server that sends over TCP uses another port
 * and needs `PRIVATE_NETWORK_CIDR`.
 */
export function featureServerSources(
  instances: { list(): FeatureServerInfo[] },
  privateNetworks: readonly Ipv4Network[],
  edges: { list(): SbcInfo[] } = { list: () => [] },
): FeatureServerSources {
  return {
    isEdge(address, port) {
      return port !== null && edges.list().some((edge) => edge.privateSipAddress === `${address}:${port}`);
    },
    isOurs(address, port) {
      if (inNetworks(privateNetworks, address)) return true;
      return port !== null && instances.list().some((server) => server.sipAddress === `${address}:${port}`);
    },
  };
}
