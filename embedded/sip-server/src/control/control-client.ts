import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ServerCounters } from '../server-counters.js';
import { FrameDecoder, MAX_FRAME_BYTES } from './frame-decoder.js';
import { nextMessageId } from './message-ids.js';

/** What a stranger may send: enough for `authenticate`. */
const MAX_STRANGER_FRAME_BYTES = 4096;
/** Bytes waiting for a client that does not read before it is given up. */
const MAX_QUEUED_BYTES = 16_777_216;
/** What is said in one turn of the event loop is written at once, unless it is more than this (UTF-16 units). */
const MAX_BATCH_LENGTH = 65_536;
/** A peer that does not close its side after the last answer is cut off then. */
const CLOSE_WITHIN_MS = 2000;

/** One control connection of an application. */
export class ControlClient {
  readonly id = randomUUID();
  authenticated = false;
  readonly tags = new Set<string>();
  readonly routes = new Set<string>();
  /** Sees the SIP messages that are handed to the application; undefined when nobody looks. */
  onSip: ((message: string) => void) | undefined;
  private readonly decoder = new FrameDecoder(MAX_STRANGER_FRAME_BYTES);
  private gone = false;
  private deaf = false;
  /** Frames of this turn of the event loop. */
  private batch = '';

  constructor(
    private readonly socket: Socket,
    private readonly counters: ServerCounters,
  ) {}

  get isGone(): boolean {
    return this.gone;
  }

  /** Marks it authenticated and allows full-size frames; tags of a second authentication are added to the first ones. */
  admit(tags: readonly string[]): void {
    this.authenticated = true;
    for (const tag of tags) this.tags.add(tag);
    this.decoder.allow(MAX_FRAME_BYTES);
  }

  /** Feeds received bytes; calls back per frame. A stream that cannot be followed closes the client. */
  receive(chunk: Buffer, onFrame: (frame: string) => void): void {
    if (this.gone || this.deaf) return;
    const { frames, fault } = this.decoder.push(chunk);
    for (const frame of frames) {
      onFrame(frame);
      if (this.gone || this.deaf) return;
    }
    if (fault !== undefined) {
      this.counters.badControlFrames++;
      this.destroy();
    }
  }

  /** Answers a command. */
  reply(messageId: string, verdict: 'OK' | 'NO' | 'NOK', text = ''): void {
    this.send(`${nextMessageId()}|response|${messageId}|${verdict}${text === '' ? '' : `|${text}`}`);
  }

  /** Hands a SIP message to the application; `head` is what stands between `sip|` and the message. */
  sendSip(head: string, message: string): void {
    this.onSip?.(message);
    this.send(`${nextMessageId()}|sip|${head}|\r\n`, message);
  }

  /** Hands a call record to the application; `head` is its type and facts. */
  sendRecord(head: string, message: string): void {
    this.send(`${nextMessageId()}|${head}\r\n`, message);
  }

  /** Hears nothing any more; what is said is still sent. */
  ignore(): void {
    this.deaf = true;
    this.socket.pause();
  }

  /** Says what is left to say and closes. */
  end(): void {
    this.flush();
    this.gone = true;
    this.socket.end();
    this.socket.resume();
    const timer = setTimeout(() => this.socket.destroy(), CLOSE_WITHIN_MS);
    this.socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.gone = true;
    this.socket.destroy();
  }

  /** Says a head and what follows it. */
  private send(head: string, message = ''): void {
    if (this.gone) return;
    if (this.socket.writableLength > MAX_QUEUED_BYTES) {
      this.counters.slowControlClients++;
      this.destroy();
      return;
    }
    if (this.batch === '') setImmediate(() => this.flush());
    this.batch += `${Buffer.byteLength(head) + Buffer.byteLength(message)}#${head}${message}`;
    if (this.batch.length > MAX_BATCH_LENGTH) this.flush();
  }

  private flush(): void {
    if (this.gone || this.batch === '') return;
    const text = this.batch;
    this.batch = '';
    this.socket.write(text);
  }
}
