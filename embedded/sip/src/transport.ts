export type TransportName = 'udp' | 'tcp';

/** An address on the network; `host` is an IP literal or a name that is looked up when sending. */
export interface Endpoint {
  transport: TransportName;
  host: string;
  port: number;
}

/** Where a message came from and on which of our addresses. */
export interface MessageSource extends Endpoint {
  local: Endpoint;
  /** Identity of the TCP connection; a response goes back on it while it lives. */
  connectionId?: number;
}

/** One listening socket: hands up received bytes (whole messages), sends to a destination. */
export interface Transport {
  readonly local: Endpoint;
  /** Connections that are open; undefined where there are none. */
  readonly connectionCount?: number;
  /** Sends; `done` is called once, with the error when it failed. Does not throw. */
  send(bytes: Buffer, to: Endpoint, connectionId: number | undefined, done: (error?: Error) => void): void;
  close(): Promise<void>;
}

/** What a transport reports. */
export interface TransportSink {
  /** A whole message; returns true when it was an acceptable one. */
  message(bytes: Buffer, source: MessageSource): unknown;
  /** A connection sent bytes that cannot be framed; it is closed. */
  unframeable(reason: 'too-large' | 'bad-content-length', source: MessageSource): void;
  keepAlive(): void;
  refused(): void;
  /** We closed a connection, or did not take it. */
  closed?(reason: CloseReason): void;
  /** Asked about connections that peers open; without it all are taken. */
  guard?: ConnectionGuard | undefined;
}

/** Why we close a connection: see `TcpLimits`; 'limit' is that of the peer's address. */
export type CloseReason = 'too-many' | 'limit' | 'idle' | 'partial' | 'no-message' | 'slow-reader' | 'unframeable';

/** Limits per source address, for transports with connections. */
export interface ConnectionGuard {
  admitConnection(host: string): boolean;
  releaseConnection(host: string): void;
  /** False when the source sends too much: its connection is closed. */
  admitBytes(host: string, count: number): boolean;
}
