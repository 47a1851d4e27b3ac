import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger, Metrics, ProvisioningSnapshot } from '@ringwire/common';
import { sourceNetwork } from '@ringwire/common/shield/source-network.js';
import type { Receive } from './receiver.js';
import { SMPP_TIMINGS, type SmppTimings } from './smpp-link.js';
import { findSmppClient } from './smpp-logins.js';
import { type SmppClient, SmppPeer } from './smpp-peer.js';

/** A place where clients may connect. */
export interface SmppListener {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** PEM; with it TLS is spoken. */
  tls?: { key: string; cert: string };
}

/** What {@link startSmppServer} needs. */
export interface SmppServerOptions {
  listeners: readonly SmppListener[];
  snapshot: () => ProvisioningSnapshot;
  receive: Receive;
  logger: Logger;
  metrics: Metrics;
  timings?: Partial<SmppTimings>;
}

/** Takes the binds of carriers and clients that connect to us. */
export interface SmppServer {
  /** Ports in the order of the listeners. */
  readonly ports: readonly number[];
  /** Connections of a carrier's clients to which messages can be sent. */
  peersOf(voipCarrierSid: string): SmppPeer[];
  /** Leaves those whose login has gone or changed. */
  sync(): void;
  /** Takes no more clients, and unbinds those that are there when what is on its way is answered. */
  drain(): void;
  close(): Promise<void>;
}

/** Connections in all; others are ended at once. */
const MAX_CONNECTIONS = 500;
/** Connections of one carrier. */
const MAX_BINDS = 20;
/** Connections of a network that have not bound; more are ended at once, so that no host can keep the others out. */
const MAX_UNBOUND = 10;
/** Refused logins of a network in a minute, those that never came included, after which it gets no answer any more until the minute is over. */
const MAX_REFUSALS = 5;
const REFUSALS_MS = 60_000;
/** Networks of which refusals are remembered; those that came longest ago are forgotten. */
const MAX_NETWORKS = 10_000;

/** How long clients may take to leave when the process ends. */
const GOODBYE_MS = 1_000;

const plainAddress = (socket: Socket): string => (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
/** An IPv4 address, or the /64 of an IPv6 address: within that its owner may change it with each connection. */
const networkOf = (address: string): string => sourceNetwork(address) ?? address;

/** Counts refused logins by network. */
class Refusals {
  readonly #byNetwork = new Map<string, { count: number; until: number }>();

  add(network: string): void {
    const now = performance.now();
    const known = this.#byNetwork.get(network);
    this.#byNetwork.delete(network);
    const isFresh = known !== undefined && known.until > now;
    this.#byNetwork.set(network, {
      count: isFresh ? known.count + 1 : 1,
      until: isFresh ? known.until : now + REFUSALS_MS,
    });
    const [oldest] = this.#byNetwork.keys();
    if (this.#byNetwork.size > MAX_NETWORKS && oldest !== undefined) this.#byNetwork.delete(oldest);
  }

  isTooMany(network: string): boolean {
    const known = this.#byNetwork.get(network);
    return known !== undefined && known.until > performance.now() && known.count >= MAX_REFUSALS;
  }
}

/** Listens for SMPP clients. Rejects when a port cannot be had. */
export async function startSmppServer(options: SmppServerOptions): Promise<SmppServer> {
  const { listeners, snapshot, receive, logger, metrics } = options;
  const timings = { ...SMPP_TIMINGS, ...options.timings };
  const peers = new Set<SmppPeer>();
  const refusals = new Refusals();
  let isDraining = false;
  const refused = metrics.counter({
    name: 'ringwire_smpp_binds_refused_total',
    help: 'Clients that wanted to bind to our SMPP server and were refused',
  });
  metrics.number({
    name: 'ringwire_smpp_clients_bound',
    help: 'Clients that are bound to our SMPP server',
    read: () => [...peers].filter(({ client }) => client !== undefined).length,
  });
  /** What a carrier's connection was let in with. */
  const logins = new Map<SmppPeer, { address: string; systemId: string; password: string }>();

  const clientOf = (request: { address: string; systemId: string; password: string }): SmppClient | undefined => {
    const carrier = findSmppClient(snapshot(), request);
    if (carrier === undefined) return undefined;
    const { voipCarrierSid, name } = carrier;
    return { voipCarrierSid, name, enquireLinkMs: carrier.smppInbound?.enquireLinkMs ?? null };
  };
  const connected = (socket: Socket): void => {
    const address = plainAddress(socket);
    // Without a listener an error would end the process.
    socket.on('error', () => {});
    // Our own end has closed it: there were too many.
    if (socket.destroyed) return;
    if (isDraining || peers.size >= MAX_CONNECTIONS || refusals.isTooMany(networkOf(address))) {
      socket.destroy();
      return;
    }
    const peer: SmppPeer = new SmppPeer({
      socket,
      logger,
      timings,
      authenticate: (login) => {
        const request = { ...login, address };
        const client = clientOf(request);
        const count = [...peers].filter((one) => one.client?.voipCarrierSid === client?.voipCarrierSid).length;
        if (client === undefined || count >= MAX_BINDS) {
          const { systemId } = login;
          logger.warn(
            { address, systemId: systemId.slice(0, 16), isFull: client !== undefined },
            'smpp bind is refused',
          );
          return undefined;
        }
        logins.set(peer, request);
        return client;
      },
      onRefused: () => {
        refused.inc();
        refusals.add(networkOf(address));
      },
      onMessage: ({ voipCarrierSid, name }, pdu, wanted) =>
        receive({ voipCarrierSid, name, inbound: true }, pdu, wanted),
      onEnd: () => {
        peers.delete(peer);
        logins.delete(peer);
      },
    });
    peers.add(peer);
  };
  const servers: Server[] = [];
  /** All connections with their networks, also those whose TLS is not set up yet. */
  const sockets = new Map<Socket, string>();
  const unboundOf = (network: string): number => {
    const ofNetwork = (networks: Iterable<string>): number => [...networks].filter((one) => one === network).length;
    return ofNetwork(sockets.values()) - ofNetwork([...logins.values()].map(({ address }) => networkOf(address)));
  };
  const open = async ({ host, port, tls }: SmppListener): Promise<number> => {
    const server = tls
      ? createTlsServer({ ...tls, handshakeTimeout: timings.responseMs }, connected)
      : createTcpServer(connected);
    server.maxConnections = MAX_CONNECTIONS;
    // Handshakes that fail are the clients' affair.
    server.on('tlsClientError', () => {});
    // Before the server itself makes anything of it.
    server.prependListener('connection', (socket: Socket) => {
      const network = networkOf(plainAddress(socket));
      if (unboundOf(network) >= MAX_UNBOUND) {
        socket.on('error', () => {});
        socket.destroy();
        return;
      }
      sockets.set(socket, network);
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(port, host);
    await once(server, 'listening');
    server.on('error', (err) => logger.error({ err }, 'smpp server failed'));
    servers.push(server);
    return (server.address() as AddressInfo).port;
  };
  const ports: number[] = [];
  try {
    for (const listener of listeners) ports.push(await open(listener));
  } catch (err) {
    for (const server of servers) server.close();
    throw err;
  }

  return {
    ports,
    peersOf: (sid) => [...peers].filter((peer) => peer.isBound && peer.client?.voipCarrierSid === sid),
    sync() {
      for (const [peer, request] of logins) {
        if (clientOf(request)?.voipCarrierSid !== peer.client?.voipCarrierSid) peer.leave();
      }
    },
    drain() {
      isDraining = true;
      for (const server of servers) server.close();
      for (const peer of [...peers]) peer.leave();
    },
    async close() {
      isDraining = true;
      const closed = servers.filter(({ listening }) => listening).map((server) => once(server, 'close'));
      for (const server of servers) server.close();
      for (const peer of [...peers]) peer.close();
      const late = setTimeout(() => {
        for (const socket of sockets.keys()) socket.destroy();
      }, GOODBYE_MS);
      await Promise.all(closed);
      clearTimeout(late);
    },
  };
}
