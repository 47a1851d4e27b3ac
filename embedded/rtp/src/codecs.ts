import type { AudioCodec, CodecFormat } from './codec.js';
import { PCMA, PCMU } from './g711-codec.js';

/**
 * Every codec there is, under the name that options and FreeSWITCH's codec lists give it. To add one: a file with its
 * {@link CodecFormat}, and a line here.
 */
export const CODECS = { PCMU, PCMA } as const satisfies Record<string, CodecFormat>;

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

/** Names of all codecs. */
export const CODEC_IDS = Object.keys(CODECS) as CodecId[];

/** Payload types from here on mean what SDP says (RFC 3551 §6). */
const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;
