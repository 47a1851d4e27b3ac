import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@ringwire/common';
import Mrf from 'drachtio-fsmrf';
import { MediaServerError } from '../errors.js';
import type { AudioIntake } from './audio-intake.js';
import { within } from './deadline.js';
import { FsmrfEndpoint, PROBLEM_EVENT } from './fsmrf-endpoint.js';
import type { MediaEndpoint, MediaServer } from './media.js';
import { SetUpLoad } from './set-up-load.js';

/** Where the media server is, and where it connects back. */
export interface MediaServerLinkOptions {
  /** A connected drachtio-srf: fsmrf invites the media server through it. */
  srf: object;
  host: string;
  port: number;
  password: string;
  listenAddress: string;
  listenPort: number;
  /** Where it brings the sound of calls. */
  intake: AudioIntake;
  logger: Logger;
  /** The connection came or went. */
  onChange?: (available: boolean) => void;
}

/** Pause between attempts to reach the media server: doubled each time, up to the last. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;
/** From the open port to a media server that says where its SIP address is; fsmrf itself gives up after a second. */
const CONNECT_DEADLINE_MS = 5_000;
/** INVITE, answer and the connection back take a few ms on a healthy media server; a caller waits no longer than this. */
const ENDPOINT_DEADLINE_MS = 8_000;

/**
 * The connection to the media server's event socket, renewed for ever. fsmrf reconnects by itself too, but without bound
 * to its pauses and without asking again for the SIP address, so a lost connection is thrown away and made anew.
 */
export class MediaServerLink implements MediaServer {
  readonly #mrf: Mrf;
  readonly #closed = new AbortController();
  readonly #load = new SetUpLoad();
  #server: Mrf.MediaServer | undefined;
  #connection = new AbortController();
  #connecting: Promise<void>;

  constructor(private readonly options: MediaServerLinkOptions) {
    this.#mrf = new Mrf(options.srf, { customEvents: [PROBLEM_EVENT] });
    this.#connecting = this.#connect();
  }

  get available(): boolean {
    return this.#server !== undefined;
  }

  /** Whether endpoints take so long that a further one would make all of them later. */
  get isOverloaded(): boolean {
    return this.#load.isOverloaded;
  }

  /** Resolves when the connection that is being made stands, or when the link is closed. */
  get connected(): Promise<void> {
    return this.#connecting;
  }

  async createEndpoint({ remoteSdp, callSid }: { remoteSdp?: string; callSid: string }): Promise<MediaEndpoint> {
    const server = this.#server;
    if (!server) throw new MediaServerError('media server is not connected');
    const ordered = server.createEndpoint({
      ...(remoteSdp !== undefined && { remoteSdp }),
      headers: { 'X-Call-Sid': callSid },
    });
    const isMade = this.#load.started();
    const late = () => new MediaServerError('media server made no endpoint in time');
    try {
      const endpoint = await within(ENDPOINT_DEADLINE_MS, ordered, late, this.#connection.signal);
      // By default a `*` of the caller stops any playback; what a key does is for the verb to say. The event socket keeps
      // the order of commands, so nothing waits for the answer.
      endpoint.set('playback_terminators', 'none').catch((err: unknown) => {
        this.options.logger.debug({ err }, 'variable could not be set: the endpoint is gone');
      });
      return new FsmrfEndpoint(endpoint, this.options.logger, this.options.intake);
    } catch (cause) {
      // It may still come: nobody would release it.
      ordered.then(
        (endpoint) => new FsmrfEndpoint(endpoint, this.options.logger, this.options.intake).destroy(),
        () => undefined,
      );
      if (cause instanceof MediaServerError) throw cause;
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new MediaServerError(`media server refused an endpoint: ${text}`, {}, { cause });
    } finally {
      isMade();
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    if (this.#server) this.#discard(this.#server);
    this.#server = undefined;
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const { logger, host, port, onChange } = this.options;
    for (let delayMs = FIRST_RETRY_MS; !this.#closed.signal.aborted; delayMs = Math.min(2 * delayMs, LAST_RETRY_MS)) {
      try {
        // fsmrf keeps a socket of its own for every attempt that fails, so it is only asked when somebody listens.
        await probe(host, port, this.#closed.signal);
        this.#use(await this.#attempt());
        logger.info({ host, port }, 'connected to media server');
        onChange?.(true);
        return;
      } catch (err) {
        if (this.#closed.signal.aborted) return;
        logger.warn({ err, host, port, delayMs }, 'media server cannot be reached, trying again');
        await sleep(delayMs, undefined, { signal: this.#closed.signal }).catch(() => undefined);
      }
    }
  }

  #attempt(): Promise<Mrf.MediaServer> {
    const { host, port, password, listenAddress, listenPort } = this.options;
    let isWanted = true;
    const made = new Promise<Mrf.MediaServer>((resolve, reject) => {
      this.#mrf.connect({ address: host, port, secret: password, listenAddress, listenPort }, (error, server) => {
        if (error) return reject(error);
        if (!server) return;
        if (!isWanted || this.#closed.signal.aborted) return this.#discard(server);
        isWanted = false;
        resolve(server);
      });
    });
    const late = () => new MediaServerError('media server did not become ready');
    return within(CONNECT_DEADLINE_MS, made, late, this.#closed.signal).finally(() => {
      isWanted = false;
    });
  }

  #use(server: Mrf.MediaServer): void {
    this.#server = server;
    this.#connection = new AbortController();
    // The library writes a command in pieces: with Nagle's algorithm each waits 40 ms for the acknowledgement of the one before.
    server.conn.socket?.setNoDelay(true);
    server._server?.server.on('connection', (socket) => socket.setNoDelay(true));
    server.on('error', (err) => this.options.logger.warn({ err }, 'media server connection reports an error'));
    server.on('end', () => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.#connection.abort();
      this.#discard(server);
      if (this.#closed.signal.aborted) return;
      this.options.logger.warn('media server is lost');
      this.options.onChange?.(false);
      this.#connecting = this.#connect();
    });
  }

  #discard(server: Mrf.MediaServer): void {
    // A reset connection has armed the library's own reconnection already.
    const retry = server.conn.reconnectVars?.retryTimer;
    if (retry) clearTimeout(retry);
    server.disconnect();
  }
}

/** Resolves when something accepts connections there. */
async function probe(host: string, port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port });
  try {
    const reached = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    await within(CONNECT_DEADLINE_MS, reached, () => new MediaServerError('no connection to the media server'), signal);
  } finally {
    socket.destroy();
  }
}
