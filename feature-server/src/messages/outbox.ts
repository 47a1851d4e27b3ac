import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EventSink,
  type MessageOutcome,
  type OutboundItem,
  type OutboundMessage,
  type Redis,
  readOutcome,
  submitMessage,
  type WorkQueue,
} from '@ringwire/common';

/** What became of a message that somebody waited for. */
export type SendOutcome =
  | MessageOutcome
  /** No carrier has accepted it yet; it goes on being tried. */
  | { status: 'queued' }
  /** It was not taken. */
  | { status: 'refused'; detail: string };

/** First and longest pause between two looks at what became of a message. */
const FIRST_LOOK_MS = 20;
const MAX_LOOK_MS = 500;

/** Where the verbs of a process put messages. */
export class Outbox {
  constructor(private readonly stores: { redis: Redis; queue: WorkQueue<OutboundItem>; sink: EventSink }) {}

  /** Hands a message over, as {@link submitMessage} does. Nothing is sent twice for one sid of one account. Never rejects. */
  async submit(
    message: OutboundMessage,
    options: { isMadeUp?: boolean } = {},
  ): Promise<{ status: 'queued' } | { status: 'refused'; detail: string }> {
    try {
      const outcome = await submitMessage(this.stores, message, options);
      return outcome === 'full' ? { status: 'refused', detail: 'too many messages wait' } : { status: 'queued' };
    } catch (err) {
      return { status: 'refused', detail: err instanceof Error ? err.message : String(err) };
    }
  }

  /** Waits until a carrier has accepted or refused a message. Rejects only when the signal aborts. */
  async outcome(message: OutboundMessage, waitMs: number, signal: AbortSignal): Promise<SendOutcome> {
    const giveUpAt = performance.now() + waitMs;
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_LOOK_MS)) {
      // While Redis is away nobody knows; the next look may.
      const outcome = await readOutcome(this.stores.redis, message).catch(() => undefined);
      if (outcome !== undefined) return outcome;
      if (performance.now() > giveUpAt) return { status: 'queued' };
      await sleep(pauseMs, undefined, { signal });
    }
  }
}
