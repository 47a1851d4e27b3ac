import type { OpusDecoderHandle, OpusEncoderHandle } from 'libopus-wasm';
import type { AudioCodec, CodecFormat } from './codec.js';

/** Rate at which Opus is encoded and decoded here: all of speech, at a third of the cost of 48 kHz. */
const RATE_HZ = 16000;
/** Wideband speech without audible loss (RFC 7587 §3.1.1 gives 16 to 20 kbit/s for it, 28 to 40 for what is above). */
const DEFAULT_BITRATE_BPS = 28_000;
const MIN_BITRATE_BPS = 6000;
const MAX_BITRATE_BPS = 128_000;
/** 0…10: what a server can spend per call. Measured with redundancy on: 5 costs twice as much, 10 four times. */
const COMPLEXITY = 1;
/** Loss that the encoder adds redundancy for when the peer wants in-band FEC. */
const EXPECTED_LOSS_PERCENT = 5;
/** Longest packet that Opus has (RFC 6716 §2.1.4). */
const MAX_PACKET_SAMPLES = (RATE_HZ * 120) / 1000;
const MAX_PACKET_BYTES = 1275;

type Libopus = typeof import('libopus-wasm');

let loading: Promise<Libopus> | undefined;

/** Loads the library once per thread, when first wanted: most threads never need it. */
function loadLibopus(): Promise<Libopus> {
  loading ??= import('libopus-wasm').then(async (library) => {
    await library.loadLibopus();
    return library;
  });
  return loading;
}

/** What the peer's format parameters ask of our encoder (RFC 7587 §6.1). */
function encoderOptions(library: Libopus, remoteParameters: string): Parameters<Libopus['createEncoder']>[0] {
  const parameters = new Map(
    remoteParameters.split(';').map((pair): [string, string] => {
      const [name = '', value = ''] = pair.split('=');
      return [name.trim().toLowerCase(), value.trim()];
    }),
  );
  const limit = Number(parameters.get('maxaveragebitrate'));
  const playback = Number(parameters.get('maxplaybackrate'));
  return {
    sampleRate: RATE_HZ,
    channels: 1,
    application: library.Application.Voip,
    signal: library.Signal.Voice,
    complexity: COMPLEXITY,
    bitrate: limit >= MIN_BITRATE_BPS ? Math.min(limit, DEFAULT_BITRATE_BPS, MAX_BITRATE_BPS) : DEFAULT_BITRATE_BPS,
    fec: parameters.get('useinbandfec') === '1',
    packetLossPercent: parameters.get('useinbandfec') === '1' ? EXPECTED_LOSS_PERCENT : 0,
    vbr: parameters.get('cbr') !== '1',
    ...(playback > 0 && playback < RATE_HZ ? { maxBandwidth: library.Bandwidth.Narrowband } : {}),
  };
}

class OpusAudioCodec implements AudioCodec {
  readonly format: CodecFormat;
  #encoder: OpusEncoderHandle | undefined;
  #decoder: OpusDecoderHandle | undefined;
  #closed = false;

  constructor(format: CodecFormat, remoteParameters: string) {
    this.format = format;
    // Ready within this turn of the event loop when the library is loaded; until then nothing is sent or heard.
    void this.#open(remoteParameters);
  }

  encode(pcm: Int16Array, pcmOffset: number, samples: number, out: Uint8Array, offset: number): number {
    if (!this.#encoder) return 0;
    try {
      const packet = this.#encoder.encode(pcm.subarray(pcmOffset, pcmOffset + samples), {
        frameSize: samples,
        maxPacketBytes: Math.min(MAX_PACKET_BYTES, out.length - offset),
      });
      out.set(packet, offset);
      return packet.length;
    } catch {
      // Only out of memory of the library: a lost packet is heard less than the end of the thread.
      return 0;
    }
  }

  decode(payload: Uint8Array, offset: number, length: number, pcm: Int16Array, pcmOffset: number): number {
    if (!this.#decoder || length === 0) return 0;
    return this.#take(pcm, pcmOffset, () => this.#decoder!.decode(payload.subarray(offset, offset + length)));
  }

  conceal(pcm: Int16Array, pcmOffset: number, samples: number): void {
    const filled = this.#take(pcm, pcmOffset, () => this.#decoder?.decode(null, { frameSize: samples }));
    pcm.fill(0, pcmOffset + filled, pcmOffset + samples);
  }

  close(): void {
    this.#closed = true;
    this.#encoder?.free();
    this.#decoder?.free();
    this.#encoder = undefined;
    this.#decoder = undefined;
  }

  #take(pcm: Int16Array, pcmOffset: number, decode: () => Int16Array | undefined): number {
    try {
      const decoded = decode();
      if (!decoded) return 0;
      const samples = Math.min(decoded.length, pcm.length - pcmOffset);
      for (let i = 0; i < samples; i++) pcm[pcmOffset + i] = decoded[i]!;
      return samples;
    } catch {
      // The library throws for what is no Opus packet; to the receiver that is a lost one.
      return 0;
    }
  }

  async #open(remoteParameters: string): Promise<void> {
    const library = await loadLibopus();
    const encoder = await library.createEncoder(encoderOptions(library, remoteParameters));
    const decoder = await library.createDecoder({ sampleRate: RATE_HZ, channels: 1, maxFrameSize: MAX_PACKET_SAMPLES });
    this.#encoder = encoder;
    this.#decoder = decoder;
    if (this.#closed) this.close();
  }
}

/** Opus for speech (RFC 6716, RFC 7587): always 48000/2 in SDP, mono at 16 kHz here. */
export const OPUS: CodecFormat = {
  name: 'opus',
  clockHz: 48000,
  rateHz: RATE_HZ,
  channels: 2,
  payloadType: 96,
  parameters: 'minptime=10;useinbandfec=1;maxplaybackrate=16000;sprop-maxcapturerate=16000',
  packetMs: [10, 20, 40, 60],
  maxPayloadBytes: () => MAX_PACKET_BYTES,
  create: (remoteParameters) => new OpusAudioCodec(OPUS, remoteParameters ?? ''),
  load: async () => {
    await loadLibopus();
  },
};
