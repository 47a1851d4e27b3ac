/** Packets of one window: 1.5 s at 20 ms. A decision looks at one whole window and the one that is being filled. */
const WINDOW_PACKETS = 75;
/** Spare time beyond this that no packet needed is given up at once; the first packet gets less. */
const HIGH_MS = 30;
/** The same when nothing has been late for long: delay is heard in a conversation. */
const CALM_HIGH_MS = 23;
/** The same at the beginning, for what the first packet happened to wait. Later such little steps would only follow the sender's clock more restlessly. */
const FIRST_HIGH_MS = 21.5;
const FIRST_WINDOWS = 8;
/** What is left then: less than a frame would have to be made up, because a tick wants a whole one. */
const CALM_LEFT_MS = 20.5;
/** Windows that "long" is at first (6 s); twice as many after each that had late packets, so that rare jitter is not met again and again. */
const MIN_CALM_WINDOWS = 4;
const MAX_CALM_WINDOWS = 64;
/** What is left of it. */
const LEFT_MS = 8;
/** Mean spare time below this: the sender's clock is slower than ours, and soon all packets would come late. */
const LOW_MEAN_MS = 2;
/** One packet that came too late is an accident; this many in a window are jitter that wants more delay. */
const MIN_LATE_PACKETS = 2;
/** Longest piece that is left out or repeated in one packet: one pitch period. */
const MAX_PIECE_MS = 10;
/** The delay never grows beyond this. */
const MAX_DELAY_MS = 200;

/**
 * Decides how much the play-out of a stream should wait: looks at how long before its time each packet came. Positive
 * {@link wishMs}: leave out so much; negative: insert so much.
 */
export class PlayOutControl {
  #packets = 0;
  #sumMs = 0;
  #lowMs = MAX_DELAY_MS;
  #late = 0;
  /** Of the window before; NaN until there is one. */
  #lowBeforeMs = Number.NaN;
  #meanBeforeMs = Number.NaN;
  #lateBefore = 0;
  /** Windows since a packet was late, and how many of them are wanted: one where none ever was. */
  #calmWindows = 0;
  #wantedCalm = 1;
  /** Windows since the beginning. */
  #windows = 0;

  /** Begins anew; what was learned of the network stays. */
  reset(): void {
    this.#packets = 0;
    this.#sumMs = 0;
    this.#lowMs = MAX_DELAY_MS;
    this.#late = 0;
    this.#calmWindows = 0;
    this.#windows = 0;
    this.#lowBeforeMs = Number.NaN;
    this.#meanBeforeMs = Number.NaN;
    this.#lateBefore = 0;
  }

  /** A packet came `spareMs` before its time; negative: too late. `isLost`: so late that it was of no use. */
  arrived(spareMs: number, isLost: boolean): void {
    this.#sumMs += spareMs;
    if (spareMs < this.#lowMs) this.#lowMs = spareMs;
    if (isLost) this.#late++;
    if (spareMs < 0) this.#disturb();
    if (++this.#packets < WINDOW_PACKETS) return;
    this.#calmWindows++;
    this.#windows++;
    this.#lowBeforeMs = this.#lowMs;
    this.#meanBeforeMs = this.#sumMs / this.#packets;
    this.#lateBefore = this.#late;
    this.#packets = 0;
    this.#sumMs = 0;
    this.#lowMs = MAX_DELAY_MS;
    this.#late = 0;
  }

  /** A packet was late: from now on calm must last, and each time longer; packets of one window are one disturbance. */
  #disturb(): void {
    this.#wantedCalm = Math.max(MIN_CALM_WINDOWS, this.#wantedCalm);
    if (this.#calmWindows > 0) this.#wantedCalm = Math.min(MAX_CALM_WINDOWS, this.#wantedCalm * 2);
    this.#calmWindows = 0;
  }

  /** Play-out was moved: packets have so much more spare time from now on. */
  moved(moreMs: number): void {
    this.#lowMs += moreMs;
    this.#lowBeforeMs += moreMs;
    this.#meanBeforeMs += moreMs;
    this.#sumMs += moreMs * this.#packets;
  }

  /** What should be left out (positive) or inserted (negative) now, in ms. */
  get wishMs(): number {
    const lowMs = Number.isNaN(this.#lowBeforeMs) ? this.#lowMs : Math.min(this.#lowMs, this.#lowBeforeMs);
    if (this.#late + this.#lateBefore >= MIN_LATE_PACKETS && lowMs < 0) return -this.#bounded(-lowMs);
    if (Number.isNaN(this.#meanBeforeMs)) return 0;
    if (this.#meanMs < LOW_MEAN_MS) return -this.#bounded(MAX_PIECE_MS);
    if (lowMs > HIGH_MS) return Math.min(MAX_PIECE_MS, lowMs - LEFT_MS);
    const isCalm = this.#calmWindows >= this.#wantedCalm;
    const highMs = this.#windows <= FIRST_WINDOWS ? FIRST_HIGH_MS : CALM_HIGH_MS;
    return isCalm && lowMs > highMs ? lowMs - CALM_LEFT_MS : 0;
  }

  get #meanMs(): number {
    const isYoung = this.#packets < WINDOW_PACKETS / 3 && !Number.isNaN(this.#meanBeforeMs);
    return isYoung ? this.#meanBeforeMs : this.#sumMs / Math.max(1, this.#packets);
  }

  /** At most a piece, and not beyond the longest delay. */
  #bounded(ms: number): number {
    return Math.max(0, Math.min(ms, MAX_PIECE_MS, MAX_DELAY_MS - this.#meanMs));
  }
}
