/** Writes a text; calls `done` when it is written or cannot be. */
export type TraceWriter = (text: string, done: (err?: Error | null) => void) => void;

/** How much a trace may write. */
export interface TraceLimits {
  /** Messages per second that are shown in the long run. Larger reads like noise, and takes time of calls. */
  messagesPerSecond: number;
  /** Text that waits for a slow terminal, in characters. */
  maxWaitingChars: number;
}

const DEFAULT_LIMITS: TraceLimits = { messagesPerSecond: 500, maxWaitingChars: 1_000_000 };

/**
 * Where a trace goes. Never blocks and never grows: what comes too fast for the terminal or its reader is not shown, and a line says
 * how many messages that were.
 */
export class TraceOutput {
  private waiting = '';
  private isWriting = false;
  private isBroken = false;
  private unsaid = 0;
  private tokens: number;
  private refilledAtMs: number;
  private timer: NodeJS.Timeout | undefined;
  private readonly limits: TraceLimits;
  /** Messages that were not shown since the start. */
  dropped = 0;

  constructor(
    private readonly writer: TraceWriter,
    limits: Partial<TraceLimits> = {},
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.tokens = this.limits.messagesPerSecond;
    this.refilledAtMs = clock();
  }

  /** Whether a message may be shown now; counts it when not. Asked before its lines are made. */
  admit(): boolean {
    const now = this.clock();
    const { messagesPerSecond, maxWaitingChars } = this.limits;
    this.tokens = Math.min(messagesPerSecond, this.tokens + ((now - this.refilledAtMs) * messagesPerSecond) / 1000);
    this.refilledAtMs = now;
    if (this.isBroken || this.tokens < 1 || this.waiting.length > maxWaitingChars) {
      this.dropped++;
      this.unsaid++;
      // The last dropped ones are told of although nothing follows them.
      this.timer ??= setTimeout(() => this.sayDropped(), 1000).unref();
      return false;
    }
    this.tokens -= 1;
    if (this.unsaid > 0) this.sayDropped();
    return true;
  }

  /** Writes lines. */
  print(lines: readonly string[]): void {
    this.waiting += `${lines.join('\n')}\n`;
    this.flush();
  }

  close(): void {
    clearTimeout(this.timer);
    this.isBroken = true;
  }

  private sayDropped(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    // A reader that is still behind hears of it when it has caught up.
    if (this.waiting.length > this.limits.maxWaitingChars) {
      this.timer = setTimeout(() => this.sayDropped(), 1000).unref();
      return;
    }
    const { unsaid } = this;
    this.unsaid = 0;
    this.print([`         ... ${unsaid} message${unsaid === 1 ? '' : 's'} not shown: too many to read`]);
  }

  private flush(): void {
    if (this.isWriting || this.isBroken || this.waiting === '') return;
    const text = this.waiting;
    this.waiting = '';
    this.isWriting = true;
    this.writer(text, (err) => {
      this.isWriting = false;
      // The reader is gone (`| head`): calls go on.
      if (err) this.isBroken = true;
      else this.flush();
    });
  }
}
