/** Packets that may come this much after the newest (RFC 3711 §3.3.2 wants 64 at least). */
const WINDOW_BITS = 64;

/** Tells packets that were seen already, by their index. */
export class ReplayWindow {
  #newest = -1;
  /** Bit n: the packet n before the newest was seen. */
  #low = 0;
  #high = 0;

  /** Whether a packet with this index is new: after the newest, or in the window and not seen yet. */
  isNew(index: number): boolean {
    const behind = this.#newest - index;
    if (behind < 0) return true;
    if (behind >= WINDOW_BITS) return false;
    return behind < 32 ? (this.#low & (1 << behind)) === 0 : (this.#high & (1 << (behind - 32))) === 0;
  }

  /** Notes a packet whose authenticity is proved. */
  add(index: number): void {
    const ahead = index - this.#newest;
    if (this.#newest < 0 || ahead >= WINDOW_BITS) {
      this.#low = 1;
      this.#high = 0;
      this.#newest = index;
    } else if (ahead > 0) {
      this.#shift(ahead);
      this.#low |= 1;
      this.#newest = index;
    } else if (-ahead < 32) {
      this.#low |= 1 << -ahead;
    } else if (-ahead < WINDOW_BITS) {
      this.#high |= 1 << (-ahead - 32);
    }
  }

  #shift(by: number): void {
    if (by >= 32) {
      this.#high = by === 32 ? this.#low : this.#low << (by - 32);
      this.#low = 0;
    } else {
      this.#high = (this.#high << by) | (this.#low >>> (32 - by));
      this.#low <<= by;
    }
  }
}
