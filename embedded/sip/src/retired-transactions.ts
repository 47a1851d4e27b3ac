import type { SipClock } from './timers.js';
import type { Endpoint, MessageSource } from './transport.js';

/** What is left of a server transaction that is done: enough to answer, or absorb, what its peer repeats. */
export interface RetiredTransaction {
  key: string;
  /** Under which repeated ACKs of a 2xx are found; undefined but for an INVITE. */
  ackKey: string | undefined;
  /** The final response byte by byte (Latin-1); undefined where repeats are absorbed in silence. */
  answer: string | undefined;
  to: Endpoint;
  source: MessageSource;
  localTag: string;
  /** {@link RetiredTransactions.add} sets it. */
  endsAtMs: number;
}

/**
 * Transactions that have nothing more to tell but linger for repeats: timers J and L of RFC 3261 §17.2 last half a minute,
 * thus nearly all transactions of a busy server are here. One queue and one timer instead of a timer, listeners and two
 * messages each.
 */
export class RetiredTransactions {
  private readonly byKey = new Map<string, RetiredTransaction>();
  private readonly byAckKey = new Map<string, RetiredTransaction>();
  /** By the time of their end, but for those that retired late: they stay until those before them end. */
  private queue: RetiredTransaction[] = [];
  private first = 0;
  private timer: unknown;

  constructor(private readonly clock: SipClock) {}

  get size(): number {
    return this.byKey.size;
  }

  values(): Iterable<RetiredTransaction> {
    return this.byKey.values();
  }

  get(key: string): RetiredTransaction | undefined {
    return this.byKey.get(key);
  }

  ofAck(ackKey: string): RetiredTransaction | undefined {
    return this.byAckKey.get(ackKey);
  }

  /** Takes the object over. */
  add(entry: RetiredTransaction, lingerMs: number): void {
    entry.endsAtMs = this.clock.nowMs + lingerMs;
    this.byKey.set(entry.key, entry);
    if (entry.ackKey !== undefined) this.byAckKey.set(entry.ackKey, entry);
    this.queue.push(entry);
    if (this.timer === undefined) this.arm();
  }

  delete(key: string): void {
    const entry = this.byKey.get(key);
    if (entry) this.forget(entry);
  }

  clear(): void {
    this.clock.clearTimeout(this.timer);
    this.timer = undefined;
    this.byKey.clear();
    this.byAckKey.clear();
    this.queue = [];
    this.first = 0;
  }

  private arm(): void {
    const next = this.queue[this.first];
    if (next) this.timer = this.clock.setTimeout(() => this.sweep(), Math.max(0, next.endsAtMs - this.clock.nowMs));
  }

  private sweep(): void {
    this.timer = undefined;
    const { nowMs } = this.clock;
    while (this.first < this.queue.length && this.queue[this.first]!.endsAtMs <= nowMs) {
      this.forget(this.queue[this.first]!);
      this.first++;
    }
    // What has ended is cut off now and then: `shift` would move the whole queue each time.
    if (this.first > 256 && this.first * 4 > this.queue.length) {
      this.queue = this.queue.slice(this.first);
      this.first = 0;
    }
    this.arm();
  }

  private forget(entry: RetiredTransaction): void {
    if (this.byKey.get(entry.key) === entry) this.byKey.delete(entry.key);
    if (entry.ackKey !== undefined && this.byAckKey.get(entry.ackKey) === entry) this.byAckKey.delete(entry.ackKey);
  }
}
