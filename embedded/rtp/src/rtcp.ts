/** Packet types of RTCP (RFC 3550 §12.1). */
const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const GOODBYE = 203;
const CNAME_ITEM = 1;

const HEADER_BYTES = 4;
const SENDER_INFO_BYTES = 20;
const BLOCK_BYTES = 24;
const MAX_CNAME_BYTES = 64;
/** Cumulative loss is a signed number of 24 bits. */
const MAX_LOST = 0x7fffff;
const MIN_LOST = -0x800000;
/** Seconds between the NTP epoch (1900) and the Unix epoch. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** Room that the longest packet of {@link writeRtcp} needs. */
export const RTCP_PACKET_BYTES = 256;

/** What a sender says of its own stream (RFC 3550 §6.4.1). */
export interface SenderInfo {
  /** NTP time of the report. */
  ntpSeconds: number;
  ntpFraction: number;
  /** The same instant in the clock of its RTP stream. */
  rtpTimestamp: number;
  /** Packets and payload bytes that it has sent. */
  packetCount: number;
  octetCount: number;
}

/** What a receiver says of one stream (RFC 3550 §6.4.1). */
export interface ReportBlock {
  /** Whose stream. */
  ssrc: number;
  /** Part lost since the report before, in 1/256. */
  fractionLost: number;
  /** Packets lost since the beginning; negative when more came than were sent, as doubled ones do. */
  cumulativeLost: number;
  /** Extended highest sequence number. */
  highestSequence: number;
  /** Interarrival jitter in units of the RTP clock. */
  jitterUnits: number;
  /** Middle 32 bits of the NTP time of the last sender report that came, 0 when none has. */
  lastSenderReport: number;
  /** How long ago that was, in 1/65536 s. */
  sinceSenderReport: number;
}

/** What a compound packet says to us. Made to be reused. */
export interface RtcpCompound {
  /** Who speaks. */
  ssrc: number;
  /** Whether it holds a sender report, and then {@link sender}. */
  hasSender: boolean;
  sender: SenderInfo;
  /** Whether it holds a block about our stream, and then {@link block}. */
  hasBlock: boolean;
  block: ReportBlock;
  /** Whether the speaker leaves. */
  isBye: boolean;
}

/** A zeroed compound to read into. */
export function createRtcpCompound(): RtcpCompound {
  return {
    ssrc: 0,
    hasSender: false,
    sender: { ntpSeconds: 0, ntpFraction: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 },
    hasBlock: false,
    block: createReportBlock(),
    isBye: false,
  };
}

/** A zeroed report block. */
export function createReportBlock(): ReportBlock {
  return {
    ssrc: 0,
    fractionLost: 0,
    cumulativeLost: 0,
    highestSequence: 0,
    jitterUnits: 0,
    lastSenderReport: 0,
    sinceSenderReport: 0,
  };
}

/** Whether a datagram that shares a port with RTP is RTCP (RFC 5761 §4). */
export function looksLikeRtcp(datagram: Uint8Array): boolean {
  return datagram.length >= 2 && datagram[1]! >= 192 && datagram[1]! <= 223;
}

/**
 * Reads a compound packet, of which only what concerns the stream `ownSsrc` is kept. False for what is none (RFC 3550 A.2): another
 * version, no report first, padding but in the last, lengths that do not add up to the datagram's or do not hold what they should.
 * Packets of other types are passed over. Never throws; no allocation.
 */
export function readRtcp(bytes: Uint8Array, length: number, ownSsrc: number, into: RtcpCompound): boolean {
  into.hasSender = false;
  into.hasBlock = false;
  into.isBye = false;
  if (length < HEADER_BYTES * 2 || length > bytes.length) return false;
  let at = 0;
  while (at < length) {
    if (length - at < HEADER_BYTES || bytes[at]! >> 6 !== 2) return false;
    const type = bytes[at + 1]!;
    const end = at + ((bytes[at + 2]! << 8) | bytes[at + 3]!) * 4 + HEADER_BYTES;
    if (end > length) return false;
    const isPadded = (bytes[at]! & 0x20) !== 0;
    // Padding stands in the last packet only, and so never in the report that comes first with a description after it.
    if (isPadded && (end !== length || at === 0)) return false;
    if (at === 0 && type !== SENDER_REPORT && type !== RECEIVER_REPORT) return false;
    const padding = isPadded ? bytes[end - 1]! : 0;
    if (isPadded && (padding === 0 || padding % 4 !== 0 || padding > end - at - HEADER_BYTES)) return false;
    if (!readPacket(bytes, at, end - padding, type, ownSsrc, into)) return false;
    at = end;
  }
  return true;
}

/** Fields of {@link writeRtcp}. */
export interface RtcpReport {
  ssrc: number;
  /** Makes it a sender report. */
  sender: SenderInfo | undefined;
  /** About the stream that is received. */
  block: ReportBlock | undefined;
  /** Canonical name, ASCII; at most 64 characters of it are sent. */
  cname: string;
  /** Ends with a BYE. */
  isBye: boolean;
}

/** Writes a compound packet, report and CNAME first as RFC 3550 §6.1 wants, and returns its length. Needs {@link RTCP_PACKET_BYTES}. */
export function writeRtcp(into: Uint8Array, { ssrc, sender, block, cname, isBye }: RtcpReport): number {
  let at = HEADER_BYTES;
  at = writeUint32(into, at, ssrc);
  if (sender) {
    at = writeUint32(into, at, sender.ntpSeconds);
    at = writeUint32(into, at, sender.ntpFraction);
    at = writeUint32(into, at, sender.rtpTimestamp);
    at = writeUint32(into, at, sender.packetCount);
    at = writeUint32(into, at, sender.octetCount);
  }
  if (block) at = writeBlock(into, at, block);
  writeHeader(into, 0, at, sender ? SENDER_REPORT : RECEIVER_REPORT, block ? 1 : 0);
  at = writeDescription(into, at, ssrc, cname);
  if (!isBye) return at;
  const end = writeUint32(into, at + HEADER_BYTES, ssrc);
  writeHeader(into, at, end, GOODBYE, 1);
  return end;
}

/** Writes the NTP time of a Unix time into a sender report. */
export function setNtpTime(into: Pick<SenderInfo, 'ntpSeconds' | 'ntpFraction'>, unixMs: number): void {
  const seconds = Math.floor(unixMs / 1000);
  into.ntpSeconds = (seconds + NTP_EPOCH_SECONDS) % 2 ** 32;
  into.ntpFraction = Math.floor(((unixMs - seconds * 1000) / 1000) * 2 ** 32) % 2 ** 32;
}

/** The middle 32 bits of an NTP time: seconds and 1/65536 of them. */
export function shortNtp({ ntpSeconds, ntpFraction }: Pick<SenderInfo, 'ntpSeconds' | 'ntpFraction'>): number {
  return (((ntpSeconds & 0xffff) << 16) | (ntpFraction >>> 16)) >>> 0;
}

/** Brings a count of lost packets into its 24 bits. */
export function clampLost(lost: number): number {
  return Math.max(MIN_LOST, Math.min(MAX_LOST, lost));
}

function readPacket(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: number,
  ownSsrc: number,
  into: RtcpCompound,
): boolean {
  const count = bytes[start]! & 0x1f;
  const at = start + HEADER_BYTES;
  switch (type) {
    case SENDER_REPORT:
    case RECEIVER_REPORT: {
      const isSender = type === SENDER_REPORT;
      const blocksAt = at + 4 + (isSender ? SENDER_INFO_BYTES : 0);
      // What profiles add may follow the blocks.
      if (blocksAt + count * BLOCK_BYTES > end) return false;
      into.ssrc = readUint32(bytes, at);
      if (isSender) readSender(bytes, at + 4, into);
      for (let i = 0; i < count; i++) {
        const blockAt = blocksAt + i * BLOCK_BYTES;
        if (readUint32(bytes, blockAt) === ownSsrc) readBlock(bytes, blockAt, into);
      }
      return true;
    }
    case GOODBYE:
      if (at + count * 4 > end) return false;
      for (let i = 0; i < count; i++) if (readUint32(bytes, at + i * 4) === into.ssrc) into.isBye = true;
      return true;
    default:
      return true;
  }
}

function readSender(bytes: Uint8Array, at: number, into: RtcpCompound): void {
  const { sender } = into;
  into.hasSender = true;
  sender.ntpSeconds = readUint32(bytes, at);
  sender.ntpFraction = readUint32(bytes, at + 4);
  sender.rtpTimestamp = readUint32(bytes, at + 8);
  sender.packetCount = readUint32(bytes, at + 12);
  sender.octetCount = readUint32(bytes, at + 16);
}

function readBlock(bytes: Uint8Array, at: number, into: RtcpCompound): void {
  const { block } = into;
  into.hasBlock = true;
  block.ssrc = readUint32(bytes, at);
  block.fractionLost = bytes[at + 4]!;
  block.cumulativeLost = ((bytes[at + 5]! << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8)) >> 8;
  block.highestSequence = readUint32(bytes, at + 8);
  block.jitterUnits = readUint32(bytes, at + 12);
  block.lastSenderReport = readUint32(bytes, at + 16);
  block.sinceSenderReport = readUint32(bytes, at + 20);
}

function writeHeader(into: Uint8Array, start: number, end: number, type: number, count: number): void {
  const words = (end - start) / 4 - 1;
  into[start] = 0x80 | count;
  into[start + 1] = type;
  into[start + 2] = words >>> 8;
  into[start + 3] = words & 0xff;
}

function writeBlock(into: Uint8Array, start: number, block: ReportBlock): number {
  let at = writeUint32(into, start, block.ssrc);
  at = writeUint32(into, at, ((block.fractionLost & 0xff) << 24) | (block.cumulativeLost & 0xffffff));
  at = writeUint32(into, at, block.highestSequence);
  at = writeUint32(into, at, block.jitterUnits);
  at = writeUint32(into, at, block.lastSenderReport);
  return writeUint32(into, at, block.sinceSenderReport);
}

function writeDescription(into: Uint8Array, start: number, ssrc: number, cname: string): number {
  let at = writeUint32(into, start + HEADER_BYTES, ssrc);
  const length = Math.min(cname.length, MAX_CNAME_BYTES);
  into[at++] = CNAME_ITEM;
  into[at++] = length;
  for (let i = 0; i < length; i++) into[at++] = cname.charCodeAt(i) & 0x7f;
  // The list of items ends with at least one zero and fills its last word.
  do into[at++] = 0;
  while ((at - start) % 4 !== 0);
  writeHeader(into, start, at, SOURCE_DESCRIPTION, 1);
  return at;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Returns where the next field begins. */
function writeUint32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = (value >>> 24) & 0xff;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
  return at + 4;
}
