import { DEFAULT_LIMITS, findHeadEnd, type ParseLimits } from './parse-message.js';

const NOTHING = Buffer.alloc(0);

/** What {@link StreamFramer.push} found. */
export interface Framed {
  messages: Buffer[];
  /** Double CRLF between messages (RFC 5626 §3.5.1): the peer asks for a CRLF. */
  keepAlives: number;
  /** The stream cannot be framed any further; the connection must be closed. */
  fault?: 'too-large' | 'bad-content-length';
  /** What the faulty message says so far, at most its headers: a request may be answered by it. */
  faulty?: Buffer;
}

/**
 * Cuts a byte stream into messages by Content-Length (RFC 3261 §18.3). Holds at most one message within the limits;
 * a message without Content-Length has no body (§20.14 demands the header on streams).
 */
export class StreamFramer {
  private pending: Buffer = NOTHING;
  /** Where `pending` lies when it has been copied here with room to grow, so that dribbled bytes cost linear time. */
  private room: Buffer | undefined;
  /** How much of `pending` holds no end of the headers. */
  private searched = 0;
  /** Known size of the message at the front, so that a body in pieces is not searched again. */
  private wanted = 0;
  /** Bytes of line ends since the last message, below a double CRLF, which may come in pieces. */
  private lineEndBytes = 0;

  constructor(private readonly limits: ParseLimits = DEFAULT_LIMITS) {}

  get bufferedBytes(): number {
    return this.pending.length;
  }

  push(chunk: Buffer): Framed {
    const framed: Framed = { messages: [], keepAlives: 0 };
    this.append(chunk);
    for (;;) {
      if (this.wanted === 0) {
        this.skipLineEnds(framed);
        if (this.pending.length === 0) return framed;
        const end = findHeadEnd(this.pending, Math.max(0, this.searched - 3));
        this.searched = this.pending.length;
        if ((end?.headEnd ?? this.pending.length) > this.limits.maxHeadBytes) return this.fail(framed, 'too-large');
        if (!end) return framed;
        const length = lengthIn(this.pending.toString('latin1', 0, end.headEnd));
        if (length === undefined) return this.fail(framed, 'bad-content-length');
        if (length > this.limits.maxBodyBytes) return this.fail(framed, 'too-large');
        this.wanted = end.bodyStart + length;
      }
      if (this.pending.length < this.wanted) return framed;
      framed.messages.push(this.pending.subarray(0, this.wanted));
      this.keep(this.pending.subarray(this.wanted));
      this.wanted = 0;
    }
  }

  private skipLineEnds(framed: Framed): void {
    let i = 0;
    while (i < this.pending.length && (this.pending[i] === 13 || this.pending[i] === 10)) i++;
    this.lineEndBytes += i;
    framed.keepAlives += Math.floor(this.lineEndBytes / 4);
    this.lineEndBytes = i < this.pending.length ? 0 : this.lineEndBytes % 4;
    if (i > 0) this.keep(this.pending.subarray(i));
  }

  private append(chunk: Buffer): void {
    const used = this.pending.length;
    if (used === 0) {
      this.keep(chunk);
      return;
    }
    const size = used + chunk.length;
    if (!this.room || this.room.length < size) {
      const room = Buffer.allocUnsafeSlow(Math.max(512, 2 * size));
      this.pending.copy(room);
      this.room = room;
    }
    chunk.copy(this.room, used);
    this.pending = this.room.subarray(0, size);
  }

  /** Goes on with these bytes: what was cut off before them is in use elsewhere and must not be written to. */
  private keep(rest: Buffer): void {
    this.pending = rest.length === 0 ? NOTHING : rest;
    this.room = undefined;
    this.searched = 0;
  }

  private fail(framed: Framed, fault: NonNullable<Framed['fault']>): Framed {
    framed.faulty = this.pending.subarray(0, this.limits.maxHeadBytes);
    this.keep(NOTHING);
    framed.fault = fault;
    return framed;
  }
}

function lengthIn(head: string): number | undefined {
  let length: number | undefined;
  const pattern = /(?:^|\n)(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)/gi;
  for (let match = pattern.exec(head); match; match = pattern.exec(head)) {
    const text = match[1]!.trim();
    if (!/^\d{1,9}$/.test(text) || (length !== undefined && length !== Number(text))) return undefined;
    length = Number(text);
  }
  return length ?? 0;
}
