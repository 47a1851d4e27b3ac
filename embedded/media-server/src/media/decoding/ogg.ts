import { UnplayableFileError } from '../../errors.js';

/** A packet of an Ogg stream (RFC 3533). */
export interface OggPacket {
  data: Buffer;
  /** It begins a logical stream. */
  first: boolean;
  /** Position at the end of the page on which it ends, when it is the last that ends there; −1 otherwise. */
  granule: number;
  /** It ends its logical stream. */
  last: boolean;
}

const HEADER_BYTES = 27;
const FLAG_CONTINUED = 1;
const FLAG_FIRST = 2;
const FLAG_LAST = 4;
/** Longest packet collected: what is longer is no speech or music that anyone plays to a phone. */
const MAX_PACKET_BYTES = 1024 * 1024;
/** Bytes looked through for a page before the rest is given up. */
const MAX_PENDING_BYTES = 256 * 1024;
const CAPTURE = Buffer.from('OggS', 'latin1');

/**
 * Takes an Ogg file apart: the packets of the first logical stream, and of those that follow it (chained streams). Other streams beside it are skipped;
 * damage is skipped up to the next page.
 */
export class OggReader {
  #pending: Buffer = Buffer.alloc(0);
  #serial: number | undefined;
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** Takes the next bytes and gives the packets that they complete. */
  *push(chunk: Buffer): Generator<OggPacket> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const start = this.#pending.indexOf(CAPTURE);
      if (start < 0) {
        this.#pending = this.#pending.subarray(Math.max(0, this.#pending.length - 3));
        return;
      }
      if (start > 0) this.#pending = this.#pending.subarray(start);
      const length = pageLength(this.#pending);
      if (length === undefined || this.#pending.length < length) {
        if (this.#pending.length > MAX_PENDING_BYTES) throw new UnplayableFileError('a broken Ogg file');
        return;
      }
      const page = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      yield* this.#readPage(page);
    }
  }

  *#readPage(page: Buffer): Generator<OggPacket> {
    const flags = page[5]!;
    const serial = page.readUInt32LE(14);
    if (flags & FLAG_FIRST && this.#serial === undefined) this.#serial = serial;
    if (serial !== this.#serial) return;
    if (!(flags & FLAG_CONTINUED)) this.#drop();
    const segments = page[26]!;
    const granule = Number(page.readBigInt64LE(6));
    let lastEnd = -1;
    for (let i = 0; i < segments; i++) if (page[HEADER_BYTES + i]! < 255) lastEnd = i;
    let at = HEADER_BYTES + segments;
    let skipping = (flags & FLAG_CONTINUED) !== 0 && this.#parts.length === 0;
    for (let i = 0; i < segments; i++) {
      const lacing = page[HEADER_BYTES + i]!;
      this.#parts.push(page.subarray(at, at + lacing));
      this.#partBytes += lacing;
      at += lacing;
      if (this.#partBytes > MAX_PACKET_BYTES) throw new UnplayableFileError('an Ogg packet is too large');
      if (lacing === 255) continue;
      const data = Buffer.concat(this.#parts);
      this.#drop();
      // The rest of a packet whose beginning was lost.
      if (skipping) {
        skipping = false;
        continue;
      }
      const ends = i === lastEnd;
      yield {
        data,
        first: (flags & FLAG_FIRST) !== 0,
        granule: ends ? granule : -1,
        last: ends && !!(flags & FLAG_LAST),
      };
    }
    if (flags & FLAG_LAST) this.#serial = undefined;
  }

  #drop(): void {
    this.#parts = [];
    this.#partBytes = 0;
  }
}

/** Length of the page at the start of the buffer, undefined while its header is not complete. */
function pageLength(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const segments = bytes[26]!;
  if (bytes.length < HEADER_BYTES + segments) return undefined;
  let length = HEADER_BYTES + segments;
  for (let i = 0; i < segments; i++) length += bytes[HEADER_BYTES + i]!;
  return length;
}
