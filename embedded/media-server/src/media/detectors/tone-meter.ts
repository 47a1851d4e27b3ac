/** Rate that the meter works at. */
const RATE_HZ = 8000;
/** Window: 40 ms, which tells 440 from 480 Hz. A new one begins every frame of 20 ms. */
const WINDOW = 320;
/** Mean square under which a window is silence: about −48 dBFS. */
const SILENCE = 130 ** 2;

/** Powers of some frequencies in windows of 40 ms, a new one every 20 ms. No allocation. */
export class ToneMeter {
  /** Part of the window's energy, 0…1, that lies at each frequency, in the order given. */
  readonly shares: Float64Array;
  /** Mean square of the window. */
  meanSquare = 0;
  readonly #coefficients: Float64Array;
  readonly #window = new Float64Array(WINDOW);

  constructor(frequenciesHz: readonly number[]) {
    this.shares = new Float64Array(frequenciesHz.length);
    this.#coefficients = Float64Array.from(frequenciesHz, (hz) => 2 * Math.cos((2 * Math.PI * hz) / RATE_HZ));
  }

  /** Whether the window is as good as silent. */
  get isSilent(): boolean {
    return this.meanSquare < SILENCE;
  }

  /** Takes the next 160 samples. */
  process(frame: Int16Array): void {
    const window = this.#window;
    window.copyWithin(0, frame.length);
    const start = WINDOW - frame.length;
    for (let i = 0; i < frame.length; i++) window[start + i] = frame[i]!;
    let energy = 0;
    for (let i = 0; i < WINDOW; i++) energy += window[i]! * window[i]!;
    this.meanSquare = energy / WINDOW;
    if (this.isSilent) {
      this.shares.fill(0);
      return;
    }
    for (let k = 0; k < this.shares.length; k++) {
      const coefficient = this.#coefficients[k]!;
      let last = 0;
      let before = 0;
      for (let i = 0; i < WINDOW; i++) {
        const now = window[i]! + coefficient * last - before;
        before = last;
        last = now;
      }
      const power = last * last + before * before - coefficient * last * before;
      this.shares[k] = Math.min(1, (2 * power) / (WINDOW * energy));
    }
  }
}
