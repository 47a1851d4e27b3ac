import { maskText } from '@ringwire/common';
import WebSocket, { type RawData } from 'ws';
import { HookConnectionError, HookForbiddenError, HookStatusError } from '../errors.js';
import type { AddressGuard } from './address-guard.js';

/** jambonz's subprotocol of application sockets. */
const SUBPROTOCOL = 'ws.jambonz.org';
/** How often a handshake may be sent elsewhere (jambonz). */
const MAX_REDIRECTS = 2;
/** How long the other side may take over its part of a close; then the connection is cut. */
const CLOSE_GRACE_MS = 2_000;

/** Bounds of a connection; each protects the process from a server that is slow, silent or endless. */
export interface SocketLimits {
  /** From the start of a connection to the end of its handshake, ms. */
  handshakeTimeoutMs: number;
  /** A longer message is a violation of the protocol. */
  maxMessageBytes: number;
  /** Pings go out at this interval, and one that is not answered until the next ends the connection; 0 for none. */
  pingIntervalMs: number;
  /** What may wait for a server that does not read. */
  maxBufferedBytes: number;
}

/** Defaults of {@link SocketLimits}. */
export const DEFAULT_SOCKET_LIMITS: SocketLimits = {
  handshakeTimeoutMs: 1_500,
  maxMessageBytes: 1024 * 1024,
  pingIntervalMs: 25_000,
  maxBufferedBytes: 1024 * 1024,
};

/** How a connection ended. */
export interface SocketEnd {
  /** RFC 6455 §7.4; 1006 where no close came. */
  code: number;
  /** Why, in the words of the side that knows. */
  reason: string;
  /** The application broke the protocol: connecting again would not help. */
  isViolation: boolean;
}

/** What is told of a connection. */
export interface SocketListener {
  message(text: string): void;
  /** Once, and last. */
  end(end: SocketEnd): void;
}

/** Where to connect to. */
export interface SocketTarget {
  url: URL;
  username?: string;
  password?: string;
  signal: AbortSignal;
}

/**
 * Opens a connection to a customer's server. Redirects are followed twice; credentials stay with the origin that they are for.
 *
 * @throws HookConnectionError, HookStatusError, HookForbiddenError; the signal's reason when that aborts
 */
export async function openSocket(
  target: SocketTarget,
  guard: AddressGuard,
  limits: SocketLimits,
): Promise<SocketConnection> {
  const { signal } = target;
  let url = target.url;
  for (let redirects = 0; ; redirects++) {
    signal.throwIfAborted();
    guard.checkLiteral(url);
    const isSameOrigin = url.origin === target.url.origin;
    const outcome = await shakeHands({ ...target, url }, isSameOrigin, guard, limits);
    if (!(outcome instanceof URL)) return outcome;
    if (redirects === MAX_REDIRECTS) throw new HookConnectionError(`redirected more than ${MAX_REDIRECTS} times`);
    url = outcome;
  }
}

function tooSlow(timeoutMs: number): HookConnectionError {
  const trouble = `the handshake took longer than ${timeoutMs} ms`;
  return new HookConnectionError(`the application could not be reached: ${trouble}`, { timeoutMs, trouble });
}

/** An open connection, or the URL that the server sends us to. */
function shakeHands(
  { url, username, password, signal }: SocketTarget,
  withCredentials: boolean,
  guard: AddressGuard,
  limits: SocketLimits,
): Promise<SocketConnection | URL> {
  return new Promise((resolve, reject) => {
    const credentials = Buffer.from(`${username}:${password ?? ''}`).toString('base64');
    const socket = new WebSocket(url, SUBPROTOCOL, {
      maxPayload: limits.maxMessageBytes,
      // Verbs are small, and what unpacks to more than it seems is trouble.
      perMessageDeflate: false,
      followRedirects: false,
      // One message at a time: what an ack leads to has happened when the command behind it comes.
      allowSynchronousEvents: false,
      headers: {
        'User-Agent': 'jambonz',
        ...(username !== undefined && withCredentials && { Authorization: `Basic ${credentials}` }),
      },
      lookup: guard.lookup as never,
    });
    const giveUp = (reason: Error): void => {
      done();
      reject(reason);
      socket.terminate();
    };
    const onAbort = (): void => giveUp(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    // By the clock: a server that sends its answer drop by drop is never idle.
    const { handshakeTimeoutMs } = limits;
    const timer = setTimeout(() => giveUp(tooSlow(handshakeTimeoutMs)), handshakeTimeoutMs);
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    socket.once('open', () => {
      done();
      // At once: the first message may have come with the handshake.
      resolve(new SocketConnection(socket, limits));
    });
    socket.once('unexpected-response', (request, response) => {
      done();
      const status = response.statusCode ?? 0;
      const { location = '' } = response.headers;
      request.destroy();
      if (status >= 300 && status < 400 && URL.canParse(location, url.href)) {
        resolve(asSocketUrl(new URL(location, url.href)));
      } else {
        reject(new HookStatusError(status, { where: maskText(url.href), status }));
      }
    });
    // Stays for what may come after a failed handshake; an open connection has a listener of its own.
    socket.on('error', (error) => {
      done();
      reject(asHookError(error));
    });
  });
}

function asSocketUrl(url: URL): URL {
  const socketUrl = new URL(url.href);
  if (url.protocol === 'http:') socketUrl.protocol = 'ws:';
  if (url.protocol === 'https:') socketUrl.protocol = 'wss:';
  return socketUrl;
}

function asHookError(error: Error): Error {
  if (error instanceof HookForbiddenError) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  const text = message || code || 'connection failed';
  // Without a code it is the handshake that failed, and the text names no address.
  const facts = { code, ...(code === undefined && { trouble: text }) };
  return new HookConnectionError(`the application could not be reached: ${text}`, facts, { cause: error });
}

/** An open connection: texts in both directions, until either side ends it. */
export class SocketConnection {
  #listener: SocketListener | undefined;
  #end: SocketEnd | undefined;
  #early: string[] = [];
  #isAlive = true;
  readonly #pings: NodeJS.Timeout | undefined;
  #cut: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly limits: SocketLimits,
  ) {
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('error', (error) => this.#onError(error as Error & { code?: string }));
    socket.on('close', (code, reason) => {
      this.#finish({ code, reason: reason.toString() || `closed with code ${code}`, isViolation: false });
    });
    if (limits.pingIntervalMs > 0) this.#pings = setInterval(() => this.#ping(), limits.pingIntervalMs);
  }

  /** Takes what comes, from the first message on. */
  listen(listener: SocketListener): void {
    this.#listener = listener;
    for (const text of this.#early.splice(0)) listener.message(text);
    if (this.#end) listener.end(this.#end);
  }

  /** Sends a text; false where the connection has ended, or ends because the server does not read. */
  send(text: string): boolean {
    if (this.#end || this.socket.readyState !== WebSocket.OPEN) return false;
    const { maxBufferedBytes } = this.limits;
    if (this.socket.bufferedAmount > maxBufferedBytes) {
      this.#drop(1013, `the application does not read: more than ${maxBufferedBytes} bytes wait for it`, false);
      return false;
    }
    this.socket.send(text);
    return true;
  }

  /** Closes; what is in the way of it is cut. Nothing is told of it any more. */
  close(code: number, reason: string): void {
    this.#listener = undefined;
    this.#finish({ code, reason, isViolation: false });
    this.#closeSocket(code, reason);
  }

  /** Ends the connection because the application broke the protocol. */
  violated(code: number, reason: string): void {
    this.#drop(code, reason, true);
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#end) return;
    if (isBinary) {
      this.violated(1003, 'the application sent a binary message: messages are JSON texts');
      return;
    }
    const text = (data as Buffer).toString('utf8');
    if (this.#listener) this.#listener.message(text);
    else this.#early.push(text);
  }

  #onError(error: Error & { code?: string }): void {
    if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      this.#drop(1009, `the application sent a message longer than ${this.limits.maxMessageBytes} bytes`, true);
    } else if (error.code?.startsWith('WS_ERR_')) {
      this.#drop(1002, `the application broke the WebSocket protocol: ${error.message}`, true);
    } else {
      this.#drop(1006, error.message, false);
    }
  }

  #ping(): void {
    if (!this.#isAlive) {
      this.#drop(1006, `the application did not answer a ping within ${this.limits.pingIntervalMs} ms`, false);
      return;
    }
    this.#isAlive = false;
    this.socket.ping();
  }

  #drop(code: number, reason: string, isViolation: boolean): void {
    this.#finish({ code, reason, isViolation });
    this.#closeSocket(code, reason);
  }

  #closeSocket(code: number, reason: string): void {
    // Once the other side is gone, or is not heard, there is nobody to say goodbye to.
    if (code === 1006 || this.socket.readyState !== WebSocket.OPEN) {
      this.socket.terminate();
      return;
    }
    // RFC 6455 §5.5: a reason has room for 123 bytes.
    this.socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 123)
        .toString('utf8')
        .replace(/\uFFFD$/, ''),
    );
    this.#cut ??= setTimeout(() => this.socket.terminate(), CLOSE_GRACE_MS);
    this.socket.once('close', () => clearTimeout(this.#cut));
  }

  #finish(end: SocketEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#pings);
    this.#early = [];
    this.#listener?.end(end);
  }
}
