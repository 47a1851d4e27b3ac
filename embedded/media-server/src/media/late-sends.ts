/** What sends a packet each tick. */
export interface TickSender {
  sendTick(nowMs: number): void;
}

/**
 * How late a packet may be sent for the sake of sound that is just being opened. Longer than opening takes, so that who asks for sound just before a tick
 * hears it in that tick and not in the next; far shorter than what jitter buffers take.
 */
export const MAX_LATE_MS = 5;

/**
 * Legs whose packet of this tick waits for the beginning of what they play: it goes out as soon as that is there, after {@link MAX_LATE_MS} without it,
 * and in any case before the next tick.
 */
export class LateSends {
  readonly #waiting: TickSender[] = [];
  readonly #flush = (): void => this.flush();
  #nowMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Lets a leg wait in this tick. */
  hold(sender: TickSender, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#waiting.push(sender);
    this.#timer ??= setTimeout(this.#flush, MAX_LATE_MS);
  }

  /** What a leg waits for is there; nothing when it does not wait. */
  release(sender: TickSender): void {
    if (this.drop(sender)) sender.sendTick(this.#nowMs);
  }

  /** Forgets a leg, whose packet is not sent; false when it does not wait. */
  drop(sender: TickSender): boolean {
    const at = this.#waiting.indexOf(sender);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  /** Sends all that wait. No allocation where none does. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (let sender = this.#waiting.shift(); sender; sender = this.#waiting.shift()) sender.sendTick(this.#nowMs);
  }

  /** Forgets all. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.length = 0;
  }
}
