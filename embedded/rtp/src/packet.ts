/** The fixed header of an RTP packet and where its payload lies in the datagram (RFC 3550 §5.1). Made to be reused. */
export interface RtpPacket {
  marker: boolean;
  payloadType: number;
  sequence: number;
  /** In units of the payload's clock (8000 Hz for everything here). */
  timestamp: number;
  ssrc: number;
  /** First byte of the payload within the datagram. */
  payloadOffset: number;
  /** Payload bytes, without padding. */
  payloadLength: number;
}

/** Size of an RTP header without CSRCs and extension. */
export const RTP_HEADER_BYTES = 12;

/** A zeroed packet to parse into. */
export function createRtpPacket(): RtpPacket {
  return { marker: false, payloadType: 0, sequence: 0, timestamp: 0, ssrc: 0, payloadOffset: 0, payloadLength: 0 };
}

/**
 * Reads an RTP datagram into `into` and tells whether it is one; `into` is undefined in content when it is not.
 * CSRC list, header extension and padding are skipped; RTCP (payload types 64–95 with the RTCP packet-type range,
 * RFC 5761 §4) is refused. Never throws. Hot path: no allocation.
 */
export function parseRtp(datagram: Uint8Array, into: RtpPacket): boolean {
  const length = datagram.length;
  if (length < RTP_HEADER_BYTES) return false;
  const first = datagram[0]!;
  if (first >> 6 !== 2) return false;
  const second = datagram[1]!;
  if (second >= 192 && second <= 223) return false;
  const offset = rtpHeaderBytes(datagram, length);
  if (offset < 0) return false;
  let end = length;
  if (first & 0x20) {
    const padding = datagram[length - 1]!;
    if (padding === 0) return false;
    end -= padding;
  }
  if (offset > end) return false;
  into.marker = (second & 0x80) !== 0;
  into.payloadType = second & 0x7f;
  into.sequence = (datagram[2]! << 8) | datagram[3]!;
  into.timestamp = readUint32(datagram, 4);
  into.ssrc = readUint32(datagram, 8);
  into.payloadOffset = offset;
  into.payloadLength = end - offset;
  return true;
}

/**
 * Where the payload of the RTP packet in the first `length` bytes begins, behind CSRC list and extension; −1 when the packet is too
 * short for what its header says. Hot path: no allocation.
 */
export function rtpHeaderBytes(datagram: Uint8Array, length: number): number {
  if (length < RTP_HEADER_BYTES) return -1;
  const first = datagram[0]!;
  let offset = RTP_HEADER_BYTES + (first & 0x0f) * 4;
  if (first & 0x10) {
    if (offset + 4 > length) return -1;
    offset += 4 + ((datagram[offset + 2]! << 8) | datagram[offset + 3]!) * 4;
  }
  return offset <= length ? offset : -1;
}

/**
 * Writes the 12-byte header of an RTP packet (version 2, no CSRC, no extension, no padding) at the start of `into`;
 * the payload is written by the caller from byte 12 on. Returns 12. Hot path: no allocation.
 */
export function writeRtpHeader(
  into: Uint8Array,
  marker: boolean,
  payloadType: number,
  sequence: number,
  timestamp: number,
  ssrc: number,
): number {
  into[0] = 0x80;
  into[1] = (marker ? 0x80 : 0) | (payloadType & 0x7f);
  into[2] = (sequence >>> 8) & 0xff;
  into[3] = sequence & 0xff;
  writeUint32(into, 4, timestamp);
  writeUint32(into, 8, ssrc);
  return RTP_HEADER_BYTES;
}

/** Header fields that {@link writeRtp} needs. */
export type RtpHeader = Pick<RtpPacket, 'marker' | 'payloadType' | 'sequence' | 'timestamp' | 'ssrc'>;

/**
 * Writes a whole RTP packet into `into` and returns its length in bytes.
 *
 * @throws RangeError when `into` is too small.
 */
export function writeRtp(into: Uint8Array, header: RtpHeader, payload: Uint8Array): number {
  writeRtpHeader(into, header.marker, header.payloadType, header.sequence, header.timestamp, header.ssrc);
  into.set(payload, RTP_HEADER_BYTES);
  return RTP_HEADER_BYTES + payload.length;
}

/** Signed distance from sequence number `from` to `to`, −32768…32767: positive when `to` is newer (RFC 3550 A.1). */
export function sequenceDelta(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** Signed distance between two RTP timestamps in clock units: positive when `to` is newer. */
export function timestampDelta(from: number, to: number): number {
  return (to - from) | 0;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = (value >>> 24) & 0xff;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}
