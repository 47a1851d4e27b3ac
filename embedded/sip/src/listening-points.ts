import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ListenOptions } from './listeners.js';
import { type Endpoint, isInvalidName, type Transport, type TransportName } from './transport.js';

/** A network in CIDR notation, `10.0.0.0/8`; undefined when it is none. */
export function parseNetwork(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  const prefix = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits);
  if (family === 0 || more !== undefined || !/^\d{1,3}$/.test(bits ?? '0')) return undefined;
  if (prefix > (family === 6 ? 128 : 32)) return undefined;
  return { address, prefix, family: family === 6 ? 'ipv6' : 'ipv4' };
}

/** Who counts as near an address when no network is named: its private range (RFC 1918, RFC 4193). */
const PRIVATE_NETWORKS = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7'];

interface ListeningPoint {
  transport: Transport;
  /** As peers of the local nets, or all where there is no external address, reach it. */
  near: Endpoint;
  /** As all others reach it; undefined where nothing else was said. */
  far: Endpoint | undefined;
  family: 4 | 6;
  localNets: BlockList;
}

/** The listening sockets of a layer, and how they are called: which of them reaches a peer, and what it is named to that peer. */
export class ListeningPoints {
  private points: ListeningPoint[];
  /** The addresses as peers near them reach them, in the order of `listen`. */
  addresses: readonly Endpoint[];
  private isClosed = false;

  constructor(
    readonly transports: readonly Transport[],
    listen: readonly ListenOptions[],
  ) {
    this.points = transports.map((transport, i) => makePoint(transport, listen[i]));
    this.addresses = this.points.map((point) => point.near);
  }

  /** The same addresses without sockets. */
  closed(): ListeningPoints {
    const closed = new ListeningPoints([], []);
    closed.points = this.points;
    closed.addresses = this.addresses;
    closed.isClosed = true;
    return closed;
  }

  /** The socket for a destination: of its transport and address family, rather one that is near the peer. */
  choose(to: Endpoint): Transport | undefined {
    if (this.isClosed) return undefined;
    const { connectionId } = to;
    const holder =
      connectionId === undefined ? undefined : this.transports.find((transport) => transport.holds?.(connectionId));
    return holder ?? this.pointFor(to.transport, to.host, to.from)?.transport;
  }

  /** Whether there is a socket of this transport and address family. */
  speaks(transport: TransportName, family: 4 | 6): boolean {
    return this.points.some((point) => point.transport.local.transport === transport && point.family === family);
  }

  /**
   * Our address as a peer reaches it.
   * @param peerHost decides between local and external address, and between sockets; undefined takes the first local one
   * @param local asks for this socket of ours, or the one most like it, rather than any other
   */
  addressFor(transport: TransportName, peerHost?: string, local?: Endpoint): Endpoint | undefined {
    const point = this.pointFor(transport, peerHost, local);
    return point && this.nameOf(point, peerHost);
  }

  /** Whether a host and port are those of a socket of ours, as anybody calls it. */
  owns(host: string, port: number): boolean {
    const name = host.toLowerCase();
    return this.points.some(({ transport: { local }, near, far }) => {
      if (local.port !== port) return false;
      if (name === local.host || name === near.host.toLowerCase() || name === far?.host.toLowerCase()) return true;
      if (name === 'localhost') return /^(127\.|::1$|0\.0\.0\.0$|::$)/.test(local.host);
      return (local.host === '0.0.0.0' || local.host === '::') && isInterface(name);
    });
  }

  /** What a socket is called to a peer. */
  advertised(transport: Transport, peerHost: string): Endpoint {
    const point = this.points.find((one) => one.transport === transport);
    return point ? this.nameOf(point, peerHost) : transport.local;
  }

  private nameOf(point: ListeningPoint, peerHost: string | undefined): Endpoint {
    if (!point.far || peerHost === undefined || isWithin(point.localNets, peerHost)) return point.near;
    return point.far;
  }

  /** Browsers write `transport=ws` into their Contact over WSS too (RFC 7118 §5.2): where the made-up name is known says more. */
  private holderOf(host: string): ListeningPoint | undefined {
    if (!isInvalidName(host)) return undefined;
    return this.points.find(({ transport }) => transport.names?.find(host) !== undefined);
  }

  private pointFor(transport: TransportName, peerHost = '', local?: Endpoint): ListeningPoint | undefined {
    const named = transport === 'ws' || transport === 'wss' ? this.holderOf(peerHost) : undefined;
    if (named) return named;
    const family = isIP(peerHost);
    const fitting = this.points.filter(
      (point) => point.transport.local.transport === transport && (family === 0 || point.family === family),
    );
    const candidates = local === undefined ? fitting : mostLike(local, fitting);
    if (candidates.length < 2 || family === 0) return candidates[0];
    return (
      candidates.find((point) => isWithin(point.localNets, peerHost)) ??
      candidates.find((point) => point.far !== undefined) ??
      candidates[0]
    );
  }
}

/** Those of the same host and port, else of the same host, else of the same port, else all. */
function mostLike(local: Endpoint, points: readonly ListeningPoint[]): readonly ListeningPoint[] {
  const onHost = points.filter(({ transport }) => transport.local.host === local.host);
  const onPort = points.filter(({ transport }) => transport.local.port === local.port);
  const onBoth = onHost.filter((point) => onPort.includes(point));
  return [onBoth, onHost, onPort].find((some) => some.length > 0) ?? points;
}

function makePoint(transport: Transport, options: ListenOptions | undefined): ListeningPoint {
  const { local } = transport;
  const near = { ...local, host: options?.advertise ?? reachableHost(local.host) };
  const localNets = new BlockList();
  const given = options?.localNets ?? [];
  const networks = given.length > 0 ? given : PRIVATE_NETWORKS.filter((network) => contains(network, near.host));
  for (const network of networks) addNetwork(localNets, network);
  return {
    transport,
    near,
    far: options?.externalHost === undefined ? undefined : { ...local, host: options.externalHost },
    family: isIP(local.host) === 6 ? 6 : 4,
    localNets,
  };
}

function contains(network: string, host: string): boolean {
  const list = new BlockList();
  addNetwork(list, network);
  return isWithin(list, host);
}

function addNetwork(list: BlockList, text: string): void {
  const network = parseNetwork(text);
  if (!network) throw new TypeError(`not a network: ${text}`);
  list.addSubnet(network.address, network.prefix, network.family);
}

function isWithin(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether an address is one of this machine's. */
function isInterface(address: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}

/** A wildcard address cannot stand in Via or Contact: the first external address of its family does, else loopback. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const family = host === '::' ? 'IPv6' : 'IPv4';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      // Link-local addresses mean nothing to a peer without the interface.
      if (!address.internal && address.family === family && !/^fe80:/i.test(address.address)) return address.address;
    }
  }
  return family === 'IPv6' ? '::1' : '127.0.0.1';
}
