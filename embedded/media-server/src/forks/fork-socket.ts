import { isIP, type LookupFunction } from 'node:net';
import { WebSocket } from 'ws';

/** Where a fork's server is and how it is reached. */
export interface ForkTarget {
  url: URL;
  /** The addresses of its host, where whoever asks for the fork has looked them up and judged them: the name is not looked up again. */
  addresses?: readonly string[];
  headers: Record<string, string>;
  subprotocol: string;
  allowSelfSigned: boolean;
  skipHostnameCheck: boolean;
}

/** What a socket tells. Each of `onFailed` and `onClosed` at most once, and only one of them. */
export interface ForkSocketListener {
  onOpen(): void;
  onText(text: string): void;
  onBinary(bytes: Buffer): void;
  /** It could not be opened. */
  onFailed(reason: string): void;
  /** It was open; `byUs` when we asked for its end. */
  onClosed(byUs: boolean): void;
}

/** DNS, TCP, TLS and the upgrade together. */
const CONNECT_TIMEOUT_MS = 5000;
/** How long a server has to take what is queued and to answer our close. */
const CLOSE_TIMEOUT_MS = 3000;
/** Largest message taken: 6 minutes of 16 kHz as base64. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Queued for a server that does not read; texts beyond are lost. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** The WebSocket of an audio fork. */
export class ForkSocket {
  readonly #socket: WebSocket;
  #opened = false;
  #closing = false;
  #problem = 'connection closed';

  constructor(target: ForkTarget, listener: ForkSocketListener) {
    const { url, headers, subprotocol } = target;
    this.#socket = new WebSocket(url, [subprotocol], {
      headers,
      perMessageDeflate: false,
      handshakeTimeout: CONNECT_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      rejectUnauthorized: !target.allowSelfSigned,
      ...(target.addresses ? { lookup: lookupOf(target.addresses) } : {}),
      ...(target.skipHostnameCheck ? { checkServerIdentity: () => undefined as never } : {}),
    });
    // RFC 6455 4.2.2 lets a server that knows no subprotocols answer without one; ws would not take that.
    this.#socket.on('upgrade', (response) => {
      response.headers['sec-websocket-protocol'] ??= subprotocol;
    });
    this.#socket.on('open', () => {
      this.#opened = true;
      listener.onOpen();
    });
    this.#socket.on('message', (data, isBinary) => {
      const bytes = data as Buffer;
      if (isBinary) listener.onBinary(bytes);
      else listener.onText(bytes.toString('utf8'));
    });
    this.#socket.on('error', (error) => {
      this.#problem = error.message || String((error as NodeJS.ErrnoException).code ?? error.name);
    });
    this.#socket.on('close', () => {
      if (this.#opened) listener.onClosed(this.#closing);
      else if (!this.#closing) listener.onFailed(this.#problem);
    });
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes that the server has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Sends a text frame; lost when the server has not taken far too much already. */
  sendText(text: string): void {
    if (this.isOpen && this.queuedBytes < MAX_QUEUED_BYTES) this.#socket.send(text, ignore);
  }

  /** Sends a binary frame. */
  sendBinary(bytes: Uint8Array): void {
    if (this.isOpen) this.#socket.send(bytes, ignore);
  }

  /** Ends it after what is queued; hard when the server does not take that in time. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    this.#socket.on('close', () => clearTimeout(timer));
    this.#socket.close(1000);
  }
}

/** A `dns.lookup` that knows one host. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    if (all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
}

/** What cannot be sent any more is told by the socket's close. */
function ignore(): void {}
