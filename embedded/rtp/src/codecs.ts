import type { AudioCodec, CodecFormat } from './codec.js';
import { PCMA, PCMU } from './g711-codec.js';
import { G722 } from './g722-codec.js';
import { L16_8000, L16_16000 } from './l16-codec.js';
import { OPUS } from './opus-codec.js';

/**
 * Every codec there is, under the name that options and FreeSWITCH's codec lists give it. To add one: a file with its
 * {@link CodecFormat}, and a line here.
 */
export const CODECS = {
  PCMU,
  PCMA,
  G722,
  opus: OPUS,
  'L16@16000h': L16_16000,
  'L16@8000h': L16_8000,
} as const satisfies Record<string, CodecFormat>;

/** Name of a codec in {@link CODECS}. */
export type CodecId = keyof typeof CODECS;

/** The format of a codec. */
export function codecFormat(id: CodecId): CodecFormat {
  return CODECS[id];
}

/** Makes a codec for one stream; `remoteParameters` are those of the peer's `a=fmtp`. */
export function createCodec(id: CodecId, remoteParameters?: string): AudioCodec {
  return codecFormat(id).create(remoteParameters);
}

/** The codec of a static payload type, which needs no `a=rtpmap`. */
export function codecOfStaticPayloadType(payloadType: number): CodecId | undefined {
  if (payloadType >= FIRST_DYNAMIC_PAYLOAD_TYPE) return undefined;
  return CODEC_IDS.find((id) => CODECS[id].payloadType === payloadType);
}

/** Reads the name of a codec as FreeSWITCH's lists have it, whatever its case; undefined when there is none of that name. */
export function parseCodecId(name: string): CodecId | undefined {
  const wanted = name.trim().toLowerCase();
  return wanted === 'l16' ? 'L16@8000h' : CODEC_IDS.find((id) => id.toLowerCase() === wanted);
}

/** Names of all codecs. */
export const CODEC_IDS = Object.keys(CODECS) as CodecId[];

/** Payload types from here on mean what SDP says (RFC 3551 §6). */
const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;
