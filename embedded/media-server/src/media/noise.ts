/**
 * White noise of FreeSWITCH's loudness: full scale divided by a divisor, so `silence_stream://1000,1400` is the soft hiss of a line and `,200` a
 * loud one.
 */
export class NoiseGenerator {
  readonly #divisor: number;
  #state = 0x9e3779b9;

  /** The divisor is at least 1. */
  constructor(divisor: number) {
    this.#divisor = Math.max(1, divisor);
  }

  /** Fills `count` samples. No allocation. */
  fill(out: Int16Array, offset: number, count: number): void {
    for (let i = 0; i < count; i++) {
      // xorshift32: fast, and too long to be heard repeating.
      this.#state ^= this.#state << 13;
      this.#state ^= this.#state >>> 17;
      this.#state ^= this.#state << 5;
      out[offset + i] = Math.round((this.#state >> 16) / this.#divisor);
    }
  }
}
