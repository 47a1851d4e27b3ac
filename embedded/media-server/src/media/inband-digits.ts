import { dtmfFrequencies, type LegRate } from '@ringwire/rtp';

/** Level of each of the two tones: amplitude 10 dB under full scale is about −7 dBm0. */
const AMPLITUDE = 32767 * 10 ** (-10 / 20);
const RAMP_MS = 2;
const GAP_MS = 60;
const PAUSES_MS: ReadonlyMap<string, number> = new Map([
  ['w', 500],
  ['W', 1000],
]);

/** Digits that may wait: more is no dialling. */
const MAX_QUEUED = 1000;

/** Digits as tones, in place of what is sent, for peers without telephone-event. */
export class InbandDigits {
  /** Zero frequencies are a pause. */
  readonly #queue: { lowHz: number; highHz: number; durationMs: number }[] = [];
  #atMs = 0;

  /** Whether digits are sounding or waiting. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Queues digits, `w` (500 ms) and `W` (1 s); others have no tone and are skipped. */
  queue(digits: string, durationMs: number): void {
    for (const digit of digits) {
      if (this.#queue.length >= MAX_QUEUED) return;
      const pauseMs = PAUSES_MS.get(digit);
      const frequencies = dtmfFrequencies(digit);
      if (pauseMs !== undefined) this.#queue.push({ lowHz: 0, highHz: 0, durationMs: pauseMs });
      else if (frequencies) this.#queue.push({ lowHz: frequencies[0], highHz: frequencies[1], durationMs });
    }
  }

  /** Fills `frame` with what is due and returns true; returns false when there is nothing. No allocation. */
  read(frame: Int16Array, rateHz: LegRate): boolean {
    if (this.#queue.length === 0) return false;
    const stepMs = 1000 / rateHz;
    for (let i = 0; i < frame.length; i++) {
      const current = this.#queue[0];
      frame[i] = current ? sample(current, this.#atMs) : 0;
      if (!current) continue;
      this.#atMs += stepMs;
      if (this.#atMs < current.durationMs + (current.lowHz > 0 ? GAP_MS : 0)) continue;
      this.#queue.shift();
      this.#atMs = 0;
    }
    return true;
  }
}

function sample(
  { lowHz, highHz, durationMs }: { lowHz: number; highHz: number; durationMs: number },
  atMs: number,
): number {
  if (lowHz === 0 || atMs >= durationMs) return 0;
  const ramp = Math.min(1, atMs / RAMP_MS, (durationMs - atMs) / RAMP_MS);
  const turn = (2 * Math.PI * atMs) / 1000;
  return Math.round(ramp * AMPLITUDE * (Math.sin(turn * lowHz) + Math.sin(turn * highHz)));
}
