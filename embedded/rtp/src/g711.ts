/** The codecs of this package, by their SDP names (RFC 3551 §6): payload types 0 and 8. */
export type G711Codec = 'PCMU' | 'PCMA';

/** Sampling rate of G.711 and of all audio inside the media server. */
export const SAMPLE_RATE_HZ = 8000;

/** Samples, and G.711 bytes, of one 20 ms packet. */
export const SAMPLES_PER_PACKET = 160;

/** µ-law byte → 16-bit linear (ITU-T G.711 table 2a/2b). */
export const ULAW_TO_LINEAR = buildTable(decodeUlawByte);
/** A-law byte → 16-bit linear (ITU-T G.711 table 1a/1b). */
export const ALAW_TO_LINEAR = buildTable(decodeAlawByte);
/** 16-bit linear (`sample & 0xffff`) → µ-law byte. */
export const LINEAR_TO_ULAW = buildEncoder(encodeUlawSample);
/** 16-bit linear (`sample & 0xffff`) → A-law byte. */
export const LINEAR_TO_ALAW = buildEncoder(encodeAlawSample);

/** The byte that means silence in a codec. */
export function silenceByte(codec: G711Codec): number {
  return codec === 'PCMU' ? 0xff : 0xd5;
}

/** The static RTP payload type of a codec (RFC 3551 table 4). */
export function staticPayloadType(codec: G711Codec): number {
  return codec === 'PCMU' ? 0 : 8;
}

/** Decodes `count` bytes at `offset` into `pcm` at `pcmOffset`. Hot path: no allocation, no bounds check. */
export function decodeG711(
  codec: G711Codec,
  bytes: Uint8Array,
  offset: number,
  count: number,
  pcm: Int16Array,
  pcmOffset = 0,
): void {
  const table = codec === 'PCMU' ? ULAW_TO_LINEAR : ALAW_TO_LINEAR;
  for (let i = 0; i < count; i++) pcm[pcmOffset + i] = table[bytes[offset + i]!]!;
}

/** Encodes `count` samples of `pcm` from `pcmOffset` into `bytes` at `offset`. Hot path: no allocation, no bounds check. */
export function encodeG711(
  codec: G711Codec,
  pcm: Int16Array,
  pcmOffset: number,
  count: number,
  bytes: Uint8Array,
  offset = 0,
): void {
  const table = codec === 'PCMU' ? LINEAR_TO_ULAW : LINEAR_TO_ALAW;
  for (let i = 0; i < count; i++) bytes[offset + i] = table[pcm[pcmOffset + i]! & 0xffff]!;
}

function buildTable(decode: (byte: number) => number): Int16Array {
  const table = new Int16Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = decode(byte);
  return table;
}

function buildEncoder(encode: (sample: number) => number): Uint8Array {
  const table = new Uint8Array(65536);
  for (let sample = -32768; sample < 32768; sample++) table[sample & 0xffff] = encode(sample);
  return table;
}

function decodeUlawByte(byte: number): number {
  const inverted = ~byte & 0xff;
  const magnitude = ((((inverted & 0x0f) << 3) + 0x84) << ((inverted >> 4) & 7)) - 0x84;
  return inverted & 0x80 ? -magnitude : magnitude;
}

function encodeUlawSample(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  // 32635 is the largest magnitude that still fits the last segment after the bias of 0x84 is added.
  const biased = Math.min(Math.abs(sample), 32635) + 0x84;
  const segment = 31 - Math.clz32(biased) - 7;
  return ~(sign | (segment << 4) | ((biased >> (segment + 3)) & 0x0f)) & 0xff;
}

function decodeAlawByte(byte: number): number {
  const toggled = byte ^ 0x55;
  const segment = (toggled >> 4) & 7;
  const mantissa = ((toggled & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? mantissa : (mantissa + 0x100) << (segment - 1);
  return toggled & 0x80 ? magnitude : -magnitude;
}

function encodeAlawSample(sample: number): number {
  // One's complement for negatives, as G.711 splits the range at −1/0 and not at 0/1.
  const magnitude = sample < 0 ? ~sample : sample;
  const segment = magnitude < 256 ? 0 : 31 - Math.clz32(magnitude) - 7;
  const mantissa = (magnitude >> (segment === 0 ? 4 : segment + 3)) & 0x0f;
  return ((sample < 0 ? 0 : 0x80) | (segment << 4) | mantissa) ^ 0x55;
}
