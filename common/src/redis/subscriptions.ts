import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';

/** What is heard on a channel. Absent text: something may have been missed, since the connection was away. */
export type Heard = (text: string | undefined) => void;

/** One listener of one channel. */
export interface Subscription {
  /** Resolves when everything that is published from now on is heard; never rejects. Later than that while Redis is away. */
  readonly ready: Promise<void>;
  stop(): void;
}

/** Channels of Redis that are listened to for a while, over one connection that is opened with the first. */
export class Subscriptions {
  readonly #channels = new Map<string, { listeners: Set<Heard>; ready: Promise<void> }>();
  #connection: Redis | undefined;
  #isClosed = false;

  constructor(
    private readonly redis: Redis,
    private readonly logger: Logger,
  ) {}

  /** How many channels are listened to. */
  get size(): number {
    return this.#channels.size;
  }

  /** Calls back for everything that is published on a channel, until it is stopped. */
  on(channel: string, heard: Heard): Subscription {
    const known = this.#channels.get(channel);
    const listeners = known?.listeners ?? new Set<Heard>();
    const ready = known?.ready ?? this.#subscribe(channel);
    listeners.add(heard);
    this.#channels.set(channel, { listeners, ready });
    return {
      ready,
      stop: () => {
        listeners.delete(heard);
        if (listeners.size > 0 || this.#channels.get(channel)?.listeners !== listeners) return;
        this.#channels.delete(channel);
        this.#connection?.unsubscribe(channel).catch((err: unknown) => this.#failed(err));
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#channels.clear();
    this.#connection?.disconnect();
  }

  #subscribe(channel: string): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return this.#open()
      .subscribe(channel)
      .then(
        () => undefined,
        (err: unknown) => this.#failed(err),
      );
  }

  #open(): Redis {
    if (this.#connection) return this.#connection;
    const connection = this.redis.duplicate();
    this.#connection = connection;
    connection.on('error', (err) => this.logger.debug({ err }, 'subscription connection failed'));
    connection.on('message', (channel: string, text: string) => this.#tell(channel, text));
    connection.on('ready', () => {
      for (const channel of this.#channels.keys()) this.#tell(channel, undefined);
    });
    return connection;
  }

  #tell(channel: string, text: string | undefined): void {
    for (const heard of [...(this.#channels.get(channel)?.listeners ?? [])]) heard(text);
  }

  #failed(err: unknown): void {
    if (!this.#isClosed) this.logger.warn({ err }, 'a channel of redis is not listened to');
  }
}
