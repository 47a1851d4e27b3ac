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
  /** Sends; `done` is called once, with the error when it failed. Does not throw. */
  send(bytes: Buffer, to: Endpoint, connectionId: number | undefined, done: (error?: Error) => void): void;
  close(): Promise<void>;
}

/** What a transport reports. */
export interface TransportSink {
  message(bytes: Buffer, source: MessageSource): void;
  /** A connection sent bytes that cannot be framed; it is closed. */
  unframeable(reason: 'too-large' | 'bad-content-length', source: MessageSource): void;
  keepAlive(): void;
  refused(): void;
}
