import { HookConnectionError, HookTimeoutError } from '../errors.js';
import type { HookReply } from './application.js';
import type { OutgoingType } from './socket-messages.js';

/** A message that is not done with. */
export interface WaitingMessage {
  readonly type: OutgoingType;
  readonly text: string;
  readonly msgid: string;
  readonly startedAt: number;
  /** The payload of what a session begins with. */
  readonly opening?: object;
  /** Of messages that want an answer; the others resolve when they are on their way. */
  readonly wantsAck: boolean;
  timer?: NodeJS.Timeout;
  resolve(reply: HookReply): void;
  reject(error: Error): void;
}

/** Messages that wait for a connection, or for their acknowledgement; further ones fail. */
const MAX_WAITING = 200;

/** What one conversation has not done with: held until there is a connection, or sent and not acknowledged. */
export class WaitingMessages {
  #held: WaitingMessage[] = [];
  readonly #sent = new Map<string, WaitingMessage>();

  constructor(
    private readonly options: {
      holdMs: number;
      ackTimeoutMs: number;
      /** An ack did not come. */
      onTimeout(message: WaitingMessage): void;
    },
  ) {}

  /** Why no further message is taken; undefined while one is. */
  get refusal(): HookConnectionError | undefined {
    if (this.#held.length + this.#sent.size < MAX_WAITING) return undefined;
    return new HookConnectionError(`more than ${MAX_WAITING} messages wait for the application`);
  }

  /** Keeps a message for a connection that is to come; `briefly` where it was there before, and may not come again. */
  hold(message: WaitingMessage, { briefly }: { briefly: boolean }): void {
    // A session begins with its first message, whatever was to be told before it.
    if (message.opening) this.#held.unshift(message);
    else this.#held.push(message);
    if (briefly) this.#limit(message);
  }

  /** The connection is lost: what is held waits for a while only. */
  limitHeld(): void {
    for (const message of this.#held) this.#limit(message);
  }

  /** What is held, to be sent now. */
  takeHeld(): WaitingMessage[] {
    for (const { timer } of this.#held) clearTimeout(timer);
    return this.#held.splice(0);
  }

  /** A message is sent: its ack must come in time. */
  expectAck(message: WaitingMessage): void {
    const { ackTimeoutMs: timeoutMs, onTimeout } = this.options;
    this.#sent.set(message.msgid, message);
    clearTimeout(message.timer);
    message.timer = setTimeout(() => {
      onTimeout(message);
      const text = `the application did not acknowledge ${message.type} within ${timeoutMs} ms`;
      this.settle(message)?.reject(new HookTimeoutError(text, { timeoutMs }));
    }, timeoutMs);
  }

  /** The message that an ack is for. */
  sent(msgid: string): WaitingMessage | undefined {
    return this.#sent.get(msgid);
  }

  /** Takes a message off wherever it waits; undefined where it was settled before. */
  settle(message: WaitingMessage): WaitingMessage | undefined {
    clearTimeout(message.timer);
    const at = this.#held.indexOf(message);
    if (at >= 0) this.#held.splice(at, 1);
    const wasSent = this.#sent.delete(message.msgid);
    return at >= 0 || wasSent ? message : undefined;
  }

  /** Takes off everything that waits for an ack. */
  takeSent(): WaitingMessage[] {
    return [...this.#sent.values()].flatMap((message) => this.settle(message) ?? []);
  }

  #limit(message: WaitingMessage): void {
    const { holdMs } = this.options;
    clearTimeout(message.timer);
    message.timer = setTimeout(() => {
      const text = `the application was not reached again within ${holdMs} ms`;
      this.settle(message)?.reject(new HookConnectionError(text));
    }, holdMs);
  }
}
