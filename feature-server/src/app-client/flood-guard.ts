import { TokenBucket } from '@ringwire/common/limits/token-bucket.js';
import type { IncomingMessage } from './socket-messages.js';

/** What an application may send at once and for long, over its WebSocket or, of commands to one call, over REST. */
export const MESSAGES = { capacity: 300, perSecond: 100 };
/** Tokens of streamed text are small and many; what cannot be used is answered, written down and shown. */
const TOKENS_COST = 0.1;
const INVALID_COST = 10;
/** A long message counts as several. */
const CHARACTERS = 16_384;
/** What of the rest is forgiven before the connection is closed. */
const FORGIVEN = { capacity: 1000, perSecond: 10 };
/** Notices of what was passed over go out no more often. */
const NOTICE_MS = 1000;

/** Why a connection is closed with 1008. */
export const FLOOD_REASON = `the application floods: it may send ${MESSAGES.perSecond} messages a second`;

/** Bounds what one application sends: what is too much is passed over, and who does not stop is cut off. */
export class FloodGuard {
  readonly #messages = new TokenBucket(MESSAGES);
  readonly #forgiven = new TokenBucket(FORGIVEN);
  #passedOver = 0;
  #notice: NodeJS.Timeout | undefined;

  /** @param onPassedOver hears, once a second at most, that messages were passed over */
  constructor(private readonly onPassedOver: (details: string) => void) {}

  /** What becomes of a message of so many characters. */
  judge(message: IncomingMessage, length: number): 'taken' | 'passed over' | 'cut off' {
    const isTokens = message.kind === 'command' && message.command.command === 'tts:tokens';
    const cost = message.kind === 'invalid' ? INVALID_COST : isTokens ? TOKENS_COST : 1;
    if (this.#messages.take(Math.max(cost, length / CHARACTERS))) return 'taken';
    if (!this.#forgiven.take()) return 'cut off';
    this.#passedOver += 1;
    this.#notice ??= setTimeout(() => {
      const count = this.#passedOver;
      this.#notice = undefined;
      this.#passedOver = 0;
      const { perSecond, capacity } = MESSAGES;
      this.onPassedOver(`${count} messages were passed over: ${perSecond} a second are taken, and ${capacity} at once`);
    }, NOTICE_MS);
    return 'passed over';
  }

  /** Ends its timer. */
  close(): void {
    clearTimeout(this.#notice);
  }
}
