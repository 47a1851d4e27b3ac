import { headerOf, headOf, type WireMessage } from './wire-message.js';

/** How much is remembered. */
export interface CaptureLimits {
  /** Memory in all: half for the messages themselves, half for what is known of each. */
  maxBytes: number;
  /** Older messages are forgotten. */
  maxAgeMs: number;
}

/** A message that is remembered. Its bytes are in the ring: {@link CaptureRing.bytesOf}. */
export interface CapturedMessage extends Omit<WireMessage, 'bytes'> {
  /** Counts up by one for each message. */
  readonly seq: number;
  readonly length: number;
  /** @internal Where its bytes start. */
  readonly offset: number;
  /** @internal The next message of the same call. */
  nextOfCall: CapturedMessage | undefined;
  /** @internal The next message of the ring. */
  next: CapturedMessage | undefined;
}

/** All that is remembered under one Call-ID. */
export interface CapturedCall {
  readonly callId: string;
  first: CapturedMessage;
  last: CapturedMessage;
  count: number;
  /** Ids under which the call is found beside its Call-ID: X-Call-Sid and X-CID of its first request. */
  readonly relatedIds: readonly string[];
}

/** What one message costs beside its bytes, with its share of the indexes: measured 330 bytes, rounded up. */
const OVERHEAD_BYTES = 512;

/**
 * The last messages that passed, found by Call-ID. Memory is bounded by {@link CaptureLimits.maxBytes} whatever comes; taking a
 * message costs a copy of its bytes, whatever is in the ring.
 */
export class CaptureRing {
  /** Untouched memory costs nothing: the pages come as the ring is written for the first time. */
  private readonly arena: Buffer;
  private readonly maxMessages: number;
  private writeAt = 0;
  private oldest: CapturedMessage | undefined;
  private newest: CapturedMessage | undefined;
  private count = 0;
  private seq = 0;
  private readonly calls = new Map<string, CapturedCall>();
  private readonly related = new Map<string, Set<CapturedCall>>();
  /** Messages too large to be remembered. */
  oversize = 0;

  constructor(private readonly limits: CaptureLimits) {
    this.arena = Buffer.allocUnsafeSlow(Math.floor(limits.maxBytes / 2));
    this.maxMessages = Math.max(1, Math.floor(limits.maxBytes / 2 / OVERHEAD_BYTES));
  }

  /** Messages, Call-IDs and bytes that are remembered. */
  get gauges(): { messages: number; calls: number; bytes: number } {
    const bytes = this.oldest ? this.distance(this.oldest.offset) : 0;
    return { messages: this.count, calls: this.calls.size, bytes };
  }

  /** Remembers a message; forgets the oldest ones for it. */
  take(message: WireMessage): void {
    const { bytes } = message;
    const { length } = bytes;
    if (length === 0 || length > this.arena.length / 4) {
      this.oversize++;
      return;
    }
    if (this.count >= this.maxMessages) this.forgetOldest();
    const offset = this.reserve(length);
    bytes.copy(this.arena, offset);
    const { atUs, direction, peer, local, method, status, callId } = message;
    const captured: CapturedMessage = {
      seq: this.seq++,
      atUs,
      direction,
      peer,
      local,
      method,
      status,
      callId,
      offset,
      length,
      nextOfCall: undefined,
      next: undefined,
    };
    if (this.newest) this.newest.next = captured;
    else this.oldest = captured;
    this.newest = captured;
    this.count++;
    if (callId !== '') this.index(captured, bytes);
    this.forgetOld(atUs);
  }

  /** A copy of a message's bytes. Only for a message that was found since the ring took the last one. */
  bytesOf({ offset, length }: CapturedMessage): Buffer {
    return Buffer.from(this.arena.subarray(offset, offset + length));
  }

  /** The messages of calls with these ids, each a Call-ID, an X-Call-Sid or (for the legs behind it) an X-CID; oldest first. */
  find(ids: readonly string[], nowUs: number): CapturedMessage[] {
    this.forgetOld(nowUs);
    const found = new Set<CapturedCall>();
    for (const id of ids) {
      const call = this.calls.get(id);
      if (call) found.add(call);
      for (const other of this.related.get(id) ?? []) found.add(other);
    }
    const messages: CapturedMessage[] = [];
    for (const call of found) {
      for (let at: CapturedMessage | undefined = call.first; at; at = at.nextOfCall) messages.push(at);
    }
    return messages.sort((a, b) => a.seq - b.seq);
  }

  /** The calls heard of first most recently, newest first. */
  recent(limit: number, nowUs: number): CapturedCall[] {
    this.forgetOld(nowUs);
    return [...this.calls.values()].slice(-limit).reverse();
  }

  /** A contiguous place for so many bytes; what stands there is forgotten. */
  private reserve(length: number): number {
    const wraps = this.writeAt + length > this.arena.length;
    // The unused rest at the end belongs to nobody; messages there, older than those at the start, go first.
    if (wraps) {
      while (this.oldest && this.oldest.offset >= this.writeAt) this.forgetOldest();
      this.writeAt = 0;
    }
    const start = this.writeAt;
    const end = start + length;
    while (this.oldest && this.oldest.offset < end && this.oldest.offset + this.oldest.length > start) {
      this.forgetOldest();
    }
    this.writeAt = end;
    return start;
  }

  private distance(from: number): number {
    const bytes = this.writeAt - from;
    return bytes > 0 ? bytes : bytes + this.arena.length;
  }

  private index(message: CapturedMessage, bytes: Buffer): void {
    const call = this.calls.get(message.callId);
    if (call) {
      call.last.nextOfCall = message;
      call.last = message;
      call.count++;
      return;
    }
    const relatedIds = message.status === 0 ? relatedIdsOf(bytes) : [];
    const added: CapturedCall = { callId: message.callId, first: message, last: message, count: 1, relatedIds };
    this.calls.set(message.callId, added);
    for (const id of relatedIds) {
      const others = this.related.get(id);
      if (others) others.add(added);
      else this.related.set(id, new Set([added]));
    }
  }

  private forgetOld(nowUs: number): void {
    const limitUs = nowUs - this.limits.maxAgeMs * 1000;
    while (this.oldest && this.oldest.atUs < limitUs) this.forgetOldest();
  }

  private forgetOldest(): void {
    const { oldest } = this;
    if (!oldest) return;
    this.oldest = oldest.next;
    // What is forgotten must not keep the rest of the chain alive through the young collections to come.
    oldest.next = undefined;
    if (!this.oldest) this.newest = undefined;
    this.count--;
    const call = this.calls.get(oldest.callId);
    // A call's messages stand in the ring in their order: the oldest of all is the first of its call.
    if (call?.first !== oldest) return;
    if (oldest.nextOfCall) {
      call.first = oldest.nextOfCall;
      oldest.nextOfCall = undefined;
      call.count--;
      return;
    }
    this.calls.delete(call.callId);
    for (const id of call.relatedIds) {
      const others = this.related.get(id);
      others?.delete(call);
      if (others?.size === 0) this.related.delete(id);
    }
  }
}

/** The platform's own headers that tie the legs of a call together; cut like Call-IDs. */
function relatedIdsOf(bytes: Buffer): string[] {
  const head = headOf(bytes);
  const ids = [headerOf(head, 'x-call-sid'), headerOf(head, 'x-cid')].filter((id) => id !== '' && id.length <= 256);
  return [...new Set(ids)].map((id) => Buffer.from(id, 'latin1').toString('utf8'));
}
