import type { InvalidNames } from './invalid-names.js';

/** `ws` and `wss` are SIP over WebSocket (RFC 7118), without and with TLS. */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** Port of a URI that names none: RFC 3261 §19.1.2, RFC 7118 §5.1 (those of HTTP). */
const DEFAULT_PORTS: Record<TransportName, number> = { udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 };

/** Whether a text names a transport of ours (lower case). */
export function isTransportName(text: string): text is TransportName {
  return Object.hasOwn(DEFAULT_PORTS, text);
}

export function defaultPort(transport: TransportName): number {
  return DEFAULT_PORTS[transport];
}

/** Whether messages cannot get lost one by one: transactions send nothing twice then (RFC 3261 §17). */
export function isReliable(transport: TransportName): boolean {
  return transport !== 'udp';
}

/** `;transport=ws` as a Contact of ours says it; nothing for UDP, the default. */
export function transportParam(transport: TransportName): string {
  return transport === 'udp' ? '' : `;transport=${transport}`;
}

/** How many there are of something over each transport. */
export type TransportCounts = Partial<Record<TransportName, number>>;

/** Counts one, or `count`, more over a transport. */
export function addTo(counts: TransportCounts, transport: TransportName, count = 1): void {
  counts[transport] = (counts[transport] ?? 0) + count;
}

/** An address on the network; `host` is an IP literal (without brackets) or a name that is looked up when sending. */
export interface Endpoint {
  transport: TransportName;
  host: string;
  port: number;
  /** A connection to use instead while it lives (of a peer that cannot be dialled: WebSocket, behind NAT). */
  connectionId?: number;
  /** The name that a TLS certificate has to prove, where `host` is an address found for it. */
  serverName?: string;
  /** What the URI left open, thus DNS or the size of the message may decide (RFC 3263 §4.1, RFC 3261 §18.1.1). */
  open?: { transport: boolean; port: boolean };
  /** The socket of ours that the peer knows: it gets what is sent to it from there, where that fits its transport and address family. */
  from?: Endpoint;
}

/** Where a message came from and on which of our addresses. */
export interface MessageSource extends Endpoint {
  local: Endpoint;
}

/** One listening socket: hands up received bytes (whole messages), sends to a destination. */
export interface Transport {
  readonly local: Endpoint;
  /** Connections that are open; undefined where there are none. */
  readonly connectionCount?: number;
  /**
   * Sends; `done` is called once, with the error when it failed, never before this returns. Does not throw.
   * @returns the connection that takes it, whose end {@link TransportSink.connectionEnded} tells; undefined without one
   */
  send(
    bytes: Buffer,
    to: Endpoint,
    connectionId: number | undefined,
    done: (error?: Error) => void,
  ): number | undefined;
  /** Whether this is a live connection of this transport. */
  holds?(connectionId: number): boolean;
  /** The made-up names (`….invalid`, RFC 7118 Appendix B.1) that are at the other ends of its connections. */
  readonly names?: InvalidNames;
  close(): Promise<void>;
}

/** What a transport reports. */
export interface TransportSink {
  /** A whole message; returns true when it was an acceptable one. */
  message(bytes: Buffer, source: MessageSource): unknown;
  /** A connection sent bytes that cannot be framed, and is closed once what is sent in answer has left. @param bytes how they begin */
  unframeable(reason: 'too-large' | 'bad-content-length', source: MessageSource, bytes: Buffer): void;
  keepAlive(): void;
  refused(): void;
  /** A number that no other connection of the layer has. */
  nextConnectionId(): number;
  /** We closed a connection, or did not take it. */
  closed?(reason: CloseReason): void;
  /** Whether somebody waits for an answer to what was sent on a connection. */
  isAwaited?(connectionId: number): boolean;
  /**
   * A connection is over, after `done` of all that was sent on it.
   * @param cause undefined where the peer ended it in an orderly way, and had taken all that was sent
   */
  connectionEnded?(connectionId: number, cause: Error | undefined): void;
  /** Asked about connections that peers open; without it all are taken. */
  guard?: ConnectionGuard | undefined;
}

/** Why we close a connection: see `TcpLimits` and `WebSocketLimits`; 'limit' is that of the peer's address. */
export type CloseReason =
  | 'too-many'
  | 'limit'
  | 'idle'
  | 'partial'
  | 'no-message'
  | 'slow-reader'
  | 'unframeable'
  | 'no-pong';

/** Limits per source address, for transports with connections. */
export interface ConnectionGuard {
  admitConnection(host: string): boolean;
  releaseConnection(host: string): void;
  /** False when the source sends too much: its connection is closed. */
  admitBytes(host: string, count: number): boolean;
}

/** Whether a host name is one that a WebSocket client made up because it has no address of its own. */
export function isInvalidName(host: string): boolean {
  return /\.invalid$/i.test(host);
}

/** A host as it stands in a URI or Via: IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** An IPv6 host without its brackets. */
export function unbracketed(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
