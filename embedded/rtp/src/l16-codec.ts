import type { AudioCodec, CodecFormat, LegRate } from './codec.js';

/** Uncompressed samples, big-endian: it has no state, one object serves every stream. */
class L16AudioCodec implements AudioCodec {
  constructor(readonly format: CodecFormat) {}

  encode(pcm: Int16Array, pcmOffset: number, samples: number, out: Uint8Array, offset: number): number {
    for (let i = 0; i < samples; i++) {
      const sample = pcm[pcmOffset + i]!;
      out[offset + 2 * i] = (sample >> 8) & 0xff;
      out[offset + 2 * i + 1] = sample & 0xff;
    }
    return samples * 2;
  }

  decode(payload: Uint8Array, offset: number, length: number, pcm: Int16Array, pcmOffset: number): number {
    const samples = Math.min(length >> 1, pcm.length - pcmOffset);
    for (let i = 0; i < samples; i++) {
      pcm[pcmOffset + i] = (payload[offset + 2 * i]! << 8) | payload[offset + 2 * i + 1]!;
    }
    return samples;
  }

  close(): void {
    // Nothing is held.
  }
}

function l16(rateHz: LegRate, payloadType: number): CodecFormat {
  const format: CodecFormat = {
    name: 'L16',
    clockHz: rateHz,
    rateHz,
    channels: 1,
    payloadType,
    // 40 ms at 16 kHz is the longest that an Ethernet frame carries whole.
    packetMs: [10, 20, 30, 40],
    maxPayloadBytes: (packetMs) => (packetMs * rateHz * 2) / 1000,
    create: () => codec,
  };
  const codec = new L16AudioCodec(format);
  return format;
}

/** Linear 16 bit at 8 kHz (RFC 3551 §4.5.11). */
export const L16_8000 = l16(8000, 98);
/** Linear 16 bit at 16 kHz (RFC 3551 §4.5.11). */
export const L16_16000 = l16(16000, 97);
