import type { AudioCodec, CodecFormat } from './codec.js';
import { decodeG711, encodeG711, type G711Codec, staticPayloadType } from './g711.js';

/** G.711 has no state: one object serves every stream. */
class G711AudioCodec implements AudioCodec {
  constructor(
    readonly format: CodecFormat,
    readonly law: G711Codec,
  ) {}

  encode(pcm: Int16Array, pcmOffset: number, samples: number, out: Uint8Array, offset: number): number {
    encodeG711(this.law, pcm, pcmOffset, samples, out, offset);
    return samples;
  }

  decode(payload: Uint8Array, offset: number, length: number, pcm: Int16Array, pcmOffset: number): number {
    const samples = Math.min(length, pcm.length - pcmOffset);
    decodeG711(this.law, payload, offset, samples, pcm, pcmOffset);
    return samples;
  }

  close(): void {
    // Nothing is held.
  }
}

function g711(law: G711Codec): CodecFormat {
  const format: CodecFormat = {
    name: law,
    clockHz: 8000,
    rateHz: 8000,
    channels: 1,
    payloadType: staticPayloadType(law),
    packetMs: [10, 20, 30, 40, 60],
    maxPayloadBytes: (packetMs) => packetMs * 8,
    create: () => codec,
  };
  const codec = new G711AudioCodec(format, law);
  return format;
}

/** G.711 µ-law (RFC 3551 §4.5.14). */
export const PCMU = g711('PCMU');
/** G.711 A-law (RFC 3551 §4.5.14). */
export const PCMA = g711('PCMA');
