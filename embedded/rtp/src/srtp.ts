import { type Cipher, createCipheriv, createDecipheriv } from 'node:crypto';
import { HmacSha1 } from './hmac-sha1.js';
import { rtpHeaderBytes } from './packet.js';
import { ReplayWindow } from './replay-window.js';
import { deriveKeys, type SessionKeys, type SrtpKey, type SrtpSuite, srtpSuite } from './srtp-keys.js';

/** Most bytes that protection adds to a packet: tag, SRTCP index and MKI. */
export const SRTP_OVERHEAD_BYTES = 16 + 4 + 128;

/** Sources of one direction that are told apart; the one that was silent longest is forgotten for one more. */
const MAX_SOURCES = 8;
const RTCP_HEADER_BYTES = 8;
const RTCP_INDEX_BYTES = 4;
const ENCRYPTED_FLAG = 0x80000000;
const BLOCK_BYTES = 16;
/** Longest datagram that is protected or opened. */
const MAX_PACKET_BYTES = 2048;
/** Length of an HMAC-SHA1. */
const MAC_BYTES = 20;
const GCM_NONCE_BYTES = 12;

/** State of one source in one direction. */
interface Source {
  rollOver: number;
  /** Highest sequence number, −1 before the first packet. */
  sequence: number;
  window: ReplayWindow;
  rtcpWindow: ReplayWindow;
}

/**
 * One direction of SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714) under one master key. Protects what is sent, or opens what is received:
 * one object does one of both. Packets are changed in place.
 */
export class SrtpContext {
  readonly suite: SrtpSuite;
  readonly #mki: Buffer;
  readonly #rtp: Keys;
  readonly #rtcp: Keys;
  readonly #sources = new Map<number, Source>();
  #rtcpIndex = 0;

  /** @throws TypeError when the suite is not known or the key has not its length: SDP is checked before. */
  constructor(key: SrtpKey) {
    const suite = srtpSuite(key.suite);
    if (!suite) throw new TypeError(`unknown SRTP suite ${key.suite}`);
    const keySalt = Buffer.from(key.keySalt, 'base64');
    if (keySalt.length !== suite.keyBytes + suite.saltBytes) throw new TypeError('wrong length of the SRTP key');
    const [master, salt] = [keySalt.subarray(0, suite.keyBytes), keySalt.subarray(suite.keyBytes)];
    this.suite = suite;
    this.#rtp = new Keys(suite, deriveKeys(master, salt, false));
    this.#rtcp = new Keys(suite, deriveKeys(master, salt, true));
    this.#mki = key.mki ? mkiBytes(key.mki) : Buffer.alloc(0);
  }

  /**
   * Protects the RTP packet in the first `length` bytes of `packet`, which has {@link SRTP_OVERHEAD_BYTES} of room behind them; returns
   * its new length.
   */
  protect(packet: Buffer, length: number): number {
    const header = rtpHeaderBytes(packet, length);
    const ssrc = packet.readUInt32BE(8);
    const sequence = packet.readUInt16BE(2);
    const source = this.#source(ssrc);
    if (source.sequence > sequence && source.sequence - sequence > 0x8000) source.rollOver++;
    source.sequence = sequence;
    const end = this.#rtp.encrypt(packet, header, length, ssrc, source.rollOver, sequence);
    if (this.suite.isAead) return this.#appendMki(packet, end);
    packet.writeUInt32BE(source.rollOver, length);
    const tagAt = length + this.#mki.length;
    this.#rtp.sign(packet, length + 4);
    this.#appendMki(packet, length);
    return this.#rtp.writeTag(packet, tagAt, this.suite.tagBytes);
  }

  /** Opens the SRTP packet in place and returns the length of the RTP packet; −1: forged, damaged, seen already or too old. */
  unprotect(packet: Buffer): number {
    const header = rtpHeaderBytes(packet, packet.length);
    const { tagBytes, isAead } = this.suite;
    const end = packet.length - this.#mki.length - (isAead ? 0 : tagBytes);
    if (header < 0 || packet.length > MAX_PACKET_BYTES || end < header + (isAead ? tagBytes : 0)) return -1;
    const ssrc = packet.readUInt32BE(8);
    const sequence = packet.readUInt16BE(2);
    const known = this.#sources.get(ssrc);
    const rollOver = known ? guessRollOver(known, sequence) : 0;
    const index = rollOver * 0x10000 + sequence;
    if (rollOver < 0 || (known && !known.window.isNew(index))) return -1;
    if (!this.#hasMki(packet, end)) return -1;
    if (isAead) {
      if (!this.#rtp.decryptAead(packet, header, end, ssrc, rollOver, sequence)) return -1;
    } else {
      if (!this.#isGenuine(packet, end, rollOver)) return -1;
      this.#rtp.encrypt(packet, header, end, ssrc, rollOver, sequence);
    }
    const source = known ?? this.#source(ssrc);
    source.window.add(index);
    if (source.sequence < 0 || index > source.rollOver * 0x10000 + source.sequence) {
      source.rollOver = rollOver;
      source.sequence = sequence;
    }
    return isAead ? end - tagBytes : end;
  }

  /** Protects a compound RTCP packet in place; as {@link protect}. */
  protectRtcp(packet: Buffer, length: number): number {
    const ssrc = packet.readUInt32BE(4);
    this.#rtcpIndex = (this.#rtcpIndex + 1) & 0x7fffffff;
    const index = this.#rtcpIndex;
    const word = (index | ENCRYPTED_FLAG) >>> 0;
    if (this.suite.isAead) {
      const end = this.#rtcp.encryptRtcpAead(packet, length, ssrc, index, word);
      packet.writeUInt32BE(word, end);
      return this.#appendMki(packet, end + RTCP_INDEX_BYTES);
    }
    this.#rtcp.encrypt(packet, RTCP_HEADER_BYTES, length, ssrc, index >>> 16, index & 0xffff);
    packet.writeUInt32BE(word, length);
    const end = length + RTCP_INDEX_BYTES;
    this.#rtcp.sign(packet, end);
    return this.#rtcp.writeTag(packet, this.#appendMki(packet, end), this.suite.rtcpTagBytes);
  }

  /** Opens an SRTCP packet in place; as {@link unprotect}. */
  unprotectRtcp(packet: Buffer): number {
    const { rtcpTagBytes, isAead } = this.suite;
    const indexEnd = packet.length - this.#mki.length - (isAead ? 0 : rtcpTagBytes);
    const end = indexEnd - RTCP_INDEX_BYTES;
    if (packet.length > MAX_PACKET_BYTES || end < RTCP_HEADER_BYTES + (isAead ? rtcpTagBytes : 0)) return -1;
    const ssrc = packet.readUInt32BE(4);
    const word = packet.readUInt32BE(end);
    const index = word & 0x7fffffff;
    const isEncrypted = word >>> 31 === 1;
    const known = this.#sources.get(ssrc);
    if (known && !known.rtcpWindow.isNew(index)) return -1;
    if (!this.#hasMki(packet, indexEnd)) return -1;
    if (isAead) {
      if (!isEncrypted || !this.#rtcp.decryptRtcpAead(packet, end, ssrc, index, word)) return -1;
    } else {
      this.#rtcp.sign(packet, indexEnd);
      if (!this.#rtcp.hasTag(packet, indexEnd + this.#mki.length, rtcpTagBytes)) return -1;
      if (isEncrypted) this.#rtcp.encrypt(packet, RTCP_HEADER_BYTES, end, ssrc, index >>> 16, index & 0xffff);
    }
    (known ?? this.#source(ssrc)).rtcpWindow.add(index);
    return isAead ? end - rtcpTagBytes : end;
  }

  /** The signature covers the roll-over counter, which stands where the tag (or MKI) begins. */
  #isGenuine(packet: Buffer, end: number, rollOver: number): boolean {
    return this.#rtp.isSigned(packet, end, rollOver, end + this.#mki.length, this.suite.tagBytes);
  }

  #appendMki(packet: Buffer, at: number): number {
    this.#mki.copy(packet, at);
    return at + this.#mki.length;
  }

  #hasMki(packet: Buffer, at: number): boolean {
    const mki = this.#mki;
    for (let i = 0; i < mki.length; i++) if (packet[at + i] !== mki[i]) return false;
    return true;
  }

  /** State of a source; made after its first genuine packet only, so that forged ones cost no memory. */
  #source(ssrc: number): Source {
    const known = this.#sources.get(ssrc);
    if (known) return known;
    if (this.#sources.size >= MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest!);
    }
    const made: Source = { rollOver: 0, sequence: -1, window: new ReplayWindow(), rtcpWindow: new ReplayWindow() };
    this.#sources.set(ssrc, made);
    return made;
  }
}

/** Which 65536 packets a sequence number belongs to (RFC 3711 §3.3.1, appendix A). */
function guessRollOver({ rollOver, sequence: highest }: Source, sequence: number): number {
  if (highest < 0) return rollOver;
  if (highest < 0x8000) return sequence - highest > 0x8000 ? rollOver - 1 : rollOver;
  return highest - 0x8000 > sequence ? rollOver + 1 : rollOver;
}

function mkiBytes({ value, bytes }: { value: number; bytes: number }): Buffer {
  const mki = Buffer.alloc(bytes);
  let rest = value;
  for (let i = bytes - 1; i >= 0 && rest > 0; i--) {
    mki[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return mki;
}

/** Ciphers under the session keys of one direction of SRTP or SRTCP. */
class Keys {
  readonly #keys: SessionKeys;
  readonly #suite: SrtpSuite;
  readonly #mac: HmacSha1;
  /** Makes the key stream from counters that we count ourselves: a new counter-mode cipher for each packet costs much more. */
  readonly #ecb: Cipher;
  readonly #counters = Buffer.alloc(MAX_PACKET_BYTES + BLOCK_BYTES);
  readonly #iv = Buffer.alloc(BLOCK_BYTES);
  readonly #tag = Buffer.alloc(MAC_BYTES);
  readonly #signed = Buffer.alloc(MAX_PACKET_BYTES + RTCP_INDEX_BYTES);

  constructor(suite: SrtpSuite, keys: SessionKeys) {
    this.#suite = suite;
    this.#keys = keys;
    this.#mac = new HmacSha1(keys.authentication);
    this.#ecb = createCipheriv(suite.keyBytes === 32 ? 'aes-256-ecb' : 'aes-128-ecb', keys.encryption, null);
    this.#ecb.setAutoPadding(false);
  }

  /** Encrypts `from`…`to`, or decrypts it in counter mode; returns the end, with AEAD behind the tag. */
  encrypt(packet: Buffer, from: number, to: number, ssrc: number, rollOver: number, sequence: number): number {
    if (this.#suite.isAead) {
      this.#writeAeadIv(ssrc, rollOver, sequence);
      return this.#seal(packet, from, to, packet.subarray(0, from));
    }
    const length = to - from;
    const counters = this.#fillCounters(ssrc, rollOver, sequence, Math.ceil(length / BLOCK_BYTES));
    const stream = this.#ecb.update(counters);
    for (let i = 0; i < length; i++) packet[from + i]! ^= stream[i]!;
    return to;
  }

  /** Opens `from`…`to`, the tag included. */
  decryptAead(packet: Buffer, from: number, to: number, ssrc: number, rollOver: number, sequence: number): boolean {
    this.#writeAeadIv(ssrc, rollOver, sequence);
    return this.#open(packet, from, to, packet.subarray(0, from));
  }

  encryptRtcpAead(packet: Buffer, length: number, ssrc: number, index: number, word: number): number {
    this.#writeAeadIv(ssrc, index >>> 16, index & 0xffff);
    return this.#seal(packet, RTCP_HEADER_BYTES, length, rtcpAad(packet, word));
  }

  decryptRtcpAead(packet: Buffer, end: number, ssrc: number, index: number, word: number): boolean {
    this.#writeAeadIv(ssrc, index >>> 16, index & 0xffff);
    return this.#open(packet, RTCP_HEADER_BYTES, end, rtcpAad(packet, word));
  }

  /** Signs the first `length` bytes; {@link writeTag} and {@link hasTag} use the result. */
  sign(packet: Buffer, length: number): void {
    this.#mac.sign(packet, length, this.#tag, 0);
  }

  writeTag(packet: Buffer, at: number, bytes: number): number {
    this.#tag.copy(packet, at, 0, bytes);
    return at + bytes;
  }

  /** Compares in a time that does not tell where the difference is. */
  hasTag(packet: Buffer, at: number, bytes: number): boolean {
    let difference = 0;
    for (let i = 0; i < bytes; i++) difference |= packet[at + i]! ^ this.#tag[i]!;
    return difference === 0;
  }

  isSigned(packet: Buffer, end: number, rollOver: number, tagAt: number, bytes: number): boolean {
    packet.copy(this.#signed, 0, 0, end);
    this.#signed.writeUInt32BE(rollOver, end);
    this.sign(this.#signed, end + 4);
    return this.hasTag(packet, tagAt, bytes);
  }

  /** Counter blocks of one packet (RFC 3711 §4.1.1). */
  #fillCounters(ssrc: number, rollOver: number, sequence: number, blocks: number): Buffer {
    const iv = this.#iv;
    iv.fill(0);
    this.#keys.salt.copy(iv);
    xorWord(iv, 4, ssrc);
    xorWord(iv, 8, rollOver);
    iv[12]! ^= sequence >>> 8;
    iv[13]! ^= sequence & 0xff;
    const counters = this.#counters;
    for (let block = 0; block < blocks; block++) {
      const at = block * BLOCK_BYTES;
      for (let i = 0; i < BLOCK_BYTES - 2; i++) counters[at + i] = iv[i]!;
      counters[at + 14] = block >>> 8;
      counters[at + 15] = block & 0xff;
    }
    return counters.subarray(0, blocks * BLOCK_BYTES);
  }

  /** RFC 7714 §8.1 and §9.1: with the SRTCP index in the place of counter and sequence. */
  #writeAeadIv(ssrc: number, rollOver: number, sequence: number): void {
    const iv = this.#iv;
    iv.fill(0);
    this.#keys.salt.copy(iv);
    xorWord(iv, 2, ssrc);
    xorWord(iv, 6, rollOver);
    iv[10]! ^= sequence >>> 8;
    iv[11]! ^= sequence & 0xff;
  }

  #seal(packet: Buffer, from: number, to: number, aad: Buffer): number {
    const cipher = createCipheriv('aes-128-gcm', this.#keys.encryption, this.#iv.subarray(0, GCM_NONCE_BYTES));
    cipher.setAAD(aad);
    cipher.update(packet.subarray(from, to)).copy(packet, from);
    cipher.final();
    return to + cipher.getAuthTag().copy(packet, to);
  }

  #open(packet: Buffer, from: number, to: number, aad: Buffer): boolean {
    const tagAt = to - this.#suite.tagBytes;
    const cipher = createDecipheriv('aes-128-gcm', this.#keys.encryption, this.#iv.subarray(0, GCM_NONCE_BYTES), {
      authTagLength: this.#suite.tagBytes,
    });
    cipher.setAAD(aad);
    cipher.setAuthTag(packet.subarray(tagAt, to));
    const plain = cipher.update(packet.subarray(from, tagAt));
    try {
      cipher.final();
    } catch {
      // The tag is wrong: node has no other way to say so.
      return false;
    }
    plain.copy(packet, from);
    return true;
  }
}

function rtcpAad(packet: Buffer, word: number): Buffer {
  const aad = Buffer.alloc(RTCP_HEADER_BYTES + RTCP_INDEX_BYTES);
  packet.copy(aad, 0, 0, RTCP_HEADER_BYTES);
  aad.writeUInt32BE(word, RTCP_HEADER_BYTES);
  return aad;
}

function xorWord(bytes: Buffer, at: number, word: number): void {
  bytes[at]! ^= word >>> 24;
  bytes[at + 1]! ^= (word >>> 16) & 0xff;
  bytes[at + 2]! ^= (word >>> 8) & 0xff;
  bytes[at + 3]! ^= word & 0xff;
}
