import type { LegRate } from '@ringwire/rtp';
import { createDecoder, type OpusDecoderHandle } from 'libopus-wasm';
import { UnplayableFileError } from '../../errors.js';
import type { DecodedAudio, FileDecoder } from './decode-file.js';
import { type OggPacket, OggReader } from './ogg.js';

/** Rate in which Ogg/Opus counts its positions (RFC 7845 §4). */
const OPUS_CLOCK_HZ = 48_000;
const HEAD_BYTES = 19;
/** Longest packet in milliseconds (RFC 6716 §2.1.4). */
const MAX_PACKET_MS = 120;

/** Decodes Ogg/Opus (RFC 7845), mono and stereo, at the rate that is wanted. */
class OpusFileDecoder implements FileDecoder {
  readonly #ogg = new OggReader();
  readonly #rateHz: LegRate;
  #decoder: OpusDecoderHandle | undefined;
  /** Header packets that are still to come. */
  #headers = 0;
  #skip = 0;
  #gain = 1;
  /** Samples decoded of this stream, those skipped included. */
  #decoded = 0;
  #started = false;

  constructor(rateHz: LegRate) {
    this.#rateHz = rateHz;
  }

  async *push(bytes: Buffer): AsyncGenerator<DecodedAudio> {
    for (const packet of this.#ogg.push(bytes)) {
      if (packet.first) {
        await this.#begin(packet.data);
      } else if (this.#headers > 0) {
        this.#headers--;
      } else {
        const pcm = this.#decode(packet);
        if (pcm.length > 0) yield { pcm, rateHz: this.#rateHz, sourceRateHz: OPUS_CLOCK_HZ };
      }
    }
  }

  free(): void {
    this.#decoder?.free();
    this.#decoder = undefined;
  }

  /** Reads the identification header (RFC 7845 §5.1). */
  async #begin(head: Buffer): Promise<void> {
    if (head.length < HEAD_BYTES || head.toString('latin1', 0, 8) !== 'OpusHead') {
      const vorbis = head.toString('latin1', 1, 7) === 'vorbis';
      throw new UnplayableFileError(vorbis ? 'Ogg Vorbis files are not supported' : 'the Ogg file has no Opus audio');
    }
    if (head[8]! >> 4 !== 0 || head[18] !== 0) {
      throw new UnplayableFileError('Opus files of more than two channels are not supported');
    }
    this.free();
    // The library mixes stereo to mono.
    this.#decoder = await createDecoder({
      sampleRate: this.#rateHz,
      channels: 1,
      maxFrameSize: (this.#rateHz * MAX_PACKET_MS) / 1000,
    });
    this.#headers = 1;
    this.#skip = this.#toRate(head.readUInt16LE(10));
    this.#gain = 10 ** (head.readInt16LE(16) / (20 * 256));
    this.#decoded = 0;
    this.#started = false;
  }

  #decode(packet: OggPacket): Int16Array {
    let pcm: Int16Array;
    try {
      pcm = this.#decoder?.decode(packet.data).slice() ?? new Int16Array(0);
    } catch {
      // A broken packet is left out; those after it are heard.
      return new Int16Array(0);
    }
    this.#decoded += pcm.length;
    const skipped = Math.min(this.#skip, pcm.length);
    this.#skip -= skipped;
    pcm = pcm.subarray(skipped, this.#endOf(packet, pcm.length));
    if (this.#gain !== 1) {
      for (let i = 0; i < pcm.length; i++) {
        pcm[i] = Math.max(-32_768, Math.min(32_767, Math.round(pcm[i]! * this.#gain)));
      }
    }
    return pcm;
  }

  /** How much of a stream's last packet belongs to it (RFC 7845 §4.4); all of every other. */
  #endOf(packet: OggPacket, samples: number): number {
    if (packet.granule < 0) return samples;
    const end = this.#toRate(packet.granule);
    // A stream that was cut out of a longer one does not begin at 0: then nothing is known of its end.
    if (!this.#started) this.#started = end <= this.#decoded + this.#toRate(OPUS_CLOCK_HZ);
    if (!packet.last || !this.#started) return samples;
    return Math.max(0, samples - Math.max(0, this.#decoded - end));
  }

  #toRate(clock: number): number {
    return Math.round((clock * this.#rateHz) / OPUS_CLOCK_HZ);
  }
}

/** A decoder of Ogg/Opus. */
export function createOpusFileDecoder(rateHz: LegRate): FileDecoder {
  return new OpusFileDecoder(rateHz);
}
