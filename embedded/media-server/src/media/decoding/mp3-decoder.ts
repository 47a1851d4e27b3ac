import type { MPEGDecoder } from 'mpg123-decoder';
import type { DecodedAudio, FileDecoder } from './decode-file.js';

/** Mixes channels of ±1 to mono 16-bit at full amplitude. */
function toMono(channels: readonly Float32Array[], samples: number): Int16Array {
  const out = new Int16Array(samples);
  const scale = 32_768 / Math.max(1, channels.length);
  for (let i = 0; i < samples; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels.length; channel++) sum += channels[channel]![i]!;
    out[i] = Math.max(-32_768, Math.min(32_767, Math.round(sum * scale)));
  }
  return out;
}

class Mp3Decoder implements FileDecoder {
  constructor(readonly library: MPEGDecoder) {}

  *push(bytes: Buffer): Generator<DecodedAudio> {
    const { channelData, samplesDecoded, sampleRate } = this.library.decode(bytes);
    if (samplesDecoded > 0) yield { pcm: toMono(channelData, samplesDecoded), rateHz: sampleRate };
  }

  free(): void {
    this.library.free();
  }
}

/** A decoder of MPEG audio, layers 1 to 3. */
export function createMp3Decoder(library: MPEGDecoder): FileDecoder {
  return new Mp3Decoder(library);
}
