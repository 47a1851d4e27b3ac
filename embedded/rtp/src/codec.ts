/** Sampling rates at which audio is worked on inside: narrowband and wideband speech. */
export type LegRate = 8000 | 16000;

/** Length of the frames that audio is worked on in. */
export const FRAME_MS = 20;

/** Samples of one {@link FRAME_MS} frame. */
export function frameSamples(rateHz: LegRate): number {
  return (rateHz * FRAME_MS) / 1000;
}

/**
 * Both directions of one codec on one stream, with whatever state it keeps. Everything on the hot path works on the caller's
 * buffers: no allocation, no await.
 */
export interface AudioCodec {
  readonly format: CodecFormat;
  /** After its packets there is silence until the next packet, not a loss: comfort noise. */
  readonly isSilence?: boolean;
  /**
   * Encodes one packet's `samples` (at the format's `rateHz`) of `pcm` from `pcmOffset` on into `out` at `offset` and returns the
   * bytes written. Never throws on any audio.
   */
  encode(pcm: Int16Array, pcmOffset: number, samples: number, out: Uint8Array, offset: number): number;
  /**
   * Decodes one packet's payload into `pcm` at `pcmOffset` and returns the samples written (at the format's `rateHz`), at most what
   * there is room for; 0 for a payload that cannot be decoded. Never throws on any bytes. Stateful codecs want packets in order.
   */
  decode(payload: Uint8Array, offset: number, length: number, pcm: Int16Array, pcmOffset: number): number;
  /** Fills in `samples` of audio for a packet that is lost, from what the decoder remembers; without it the receiver does it. */
  conceal?(pcm: Int16Array, pcmOffset: number, samples: number): void;
  /** Gives back what is not garbage-collected. Idempotent; the codec is not used afterwards. */
  close(): void;
}

/** A codec as SDP describes it, and how to make one. */
export interface CodecFormat {
  /** Encoding name of `a=rtpmap`, in the spelling that we write. */
  readonly name: string;
  /** Rate of its RTP timestamps; not always that of its audio (G.722: RFC 3551 §4.5.2, Opus: RFC 7587 §4.1). */
  readonly clockHz: number;
  /** Rate of the audio that goes in and comes out here. */
  readonly rateHz: LegRate;
  /** Channels of `a=rtpmap`. The audio here is always mono. */
  readonly channels: number;
  /** Its static payload type (RFC 3551 table 4), or the dynamic one that our offers give it. */
  readonly payloadType: number;
  /** `a=fmtp` parameters that we offer and answer with. */
  readonly parameters?: string;
  /** Packet lengths that it can make, of 10, 20, 30, 40 and 60 ms. */
  readonly packetMs: readonly number[];
  /** Bound on the bytes of a packet of that length. */
  maxPayloadBytes(packetMs: number): number;
  /** Makes one stream's codec; `remoteParameters` is what the peer's `a=fmtp` asks of us. */
  create(remoteParameters?: string): AudioCodec;
  /** Loads what it needs, so that the first stream need not wait. */
  load?(): Promise<void>;
}
