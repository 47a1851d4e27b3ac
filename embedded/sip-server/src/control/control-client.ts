import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ServerCounters } from '../server-counters.js';
import { FrameDecoder, MAX_FRAME_BYTES } from './frame-decoder.js';

/** What a stranger may send: enough for `authenticate`. */
const MAX_STRANGER_FRAME_BYTES = 4096;
/** Bytes waiting for a client that does not read before it is given up. */
const MAX_QUEUED_BYTES = 16_777_216;

/** One control connection of an application. */
export class ControlClient {
  readonly id = randomUUID();
  authenticated = false;
  tags: ReadonlySet<string> = new Set();
  readonly routes = new Set<string>();
  /** Called when the client has authenticated. */
  onAdmitted: () => void = () => {};
  private readonly decoder = new FrameDecoder(MAX_STRANGER_FRAME_BYTES);
  private gone = false;

  constructor(
    private readonly socket: Socket,
    private readonly counters: ServerCounters,
  ) {}

  get isGone(): boolean {
    return this.gone;
  }

  /** Marks it authenticated and allows full-size frames. */
  admit(tags: readonly string[]): void {
    this.authenticated = true;
    this.tags = new Set(tags);
    this.decoder.allow(MAX_FRAME_BYTES);
    this.onAdmitted();
  }

  /** Feeds received bytes; calls back per frame. A stream that cannot be followed closes the client. */
  receive(chunk: Buffer, onFrame: (frame: string) => void): void {
    const { frames, fault } = this.decoder.push(chunk);
    for (const frame of frames) {
      if (this.gone) return;
      onFrame(frame);
    }
    if (fault !== undefined && !this.gone) {
      this.counters.badControlFrames++;
      this.destroy();
    }
  }

  /** Answers a command. */
  reply(messageId: string, verdict: 'OK' | 'NO' | 'NOK', text = ''): void {
    this.send(`${randomUUID()}|response|${messageId}|${verdict}${text === '' ? '' : `|${text}`}`);
  }

  /** Hands a SIP message to the application; `head` is what stands between `sip|` and the message. */
  sendSip(head: string, message: string): void {
    this.send(`${randomUUID()}|sip|${head}|\r\n${message}`);
  }

  /** Says what is left to say and closes. */
  end(): void {
    this.gone = true;
    this.socket.end();
  }

  destroy(): void {
    this.gone = true;
    this.socket.destroy();
  }

  private send(text: string): void {
    if (this.gone) return;
    if (this.socket.writableLength > MAX_QUEUED_BYTES) {
      this.counters.slowControlClients++;
      this.destroy();
      return;
    }
    this.socket.write(`${Buffer.byteLength(text)}#${text}`);
  }
}
