import type { AudioCodec, CodecFormat, LegRate } from './codec.js';

/** Comfort noise (RFC 3389): level in the first byte of the payload, −dBov; the spectrum that may follow is not used. */
const MAX_LEVEL_DB = 127;
/** Amplitude of full scale as a root mean square: a square wave (RFC 3389 §3). */
const OVERLOAD = 32767;

/** Level of a comfort noise payload in dBov, 0 down to −127; undefined when it is empty. */
export function comfortNoiseLevel(payload: Uint8Array, offset: number, length: number): number | undefined {
  return length > 0 ? -(payload[offset]! & MAX_LEVEL_DB) : undefined;
}

/** Makes white noise at a level. Its sequence is the same each time: a hearer does not notice, and tests can rely on it. */
export class NoiseSource {
  #state = 0x2545f491;

  /** Fills `frame` with noise of that level (dBov). No allocation. */
  fill(frame: Int16Array, levelDb: number): void {
    // A uniform distribution of peak a has the root mean square a/√3.
    const peak = OVERLOAD * 10 ** (levelDb / 20) * Math.sqrt(3);
    const scale = Math.min(peak, OVERLOAD) / 2 ** 31;
    let state = this.#state;
    for (let i = 0; i < frame.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      frame[i] = Math.round(state * scale);
    }
    this.#state = state;
  }
}

/** A decoder for comfort noise packets: silence as audio, and the level that they tell. */
export interface ComfortNoiseDecoder extends AudioCodec {
  /** Of the last packet, dBov. */
  readonly levelDb: number;
}

/**
 * Comfort noise as a decoder beside a codec of that rate. What it decodes is silence, so that recordings have silence where there was
 * none; who wants to hear noise makes it with {@link NoiseSource} at {@link ComfortNoiseDecoder.levelDb}.
 */
export function createComfortNoiseDecoder(rateHz: LegRate, clockHz: number): ComfortNoiseDecoder {
  let levelDb = -MAX_LEVEL_DB;
  return {
    format: comfortNoiseFormat(rateHz, clockHz),
    isSilence: true,
    get levelDb() {
      return levelDb;
    },
    encode: () => 0,
    decode(payload, offset, length) {
      levelDb = comfortNoiseLevel(payload, offset, length) ?? levelDb;
      return 0;
    },
    close: () => undefined,
  };
}

function comfortNoiseFormat(rateHz: LegRate, clockHz: number): CodecFormat {
  return {
    name: 'CN',
    clockHz,
    rateHz,
    channels: 1,
    payloadType: 13,
    packetMs: [20],
    maxPayloadBytes: () => 1,
    create: () => createComfortNoiseDecoder(rateHz, clockHz),
  };
}
