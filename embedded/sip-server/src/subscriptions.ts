import { type ServerTransaction, type SipMessage, tagOf } from '@ringwire/sip';

/** drachtio-srf hands a dialog to its application some turns after the 2xx, and loses what comes before there is a listener. */
const HAND_OVER_MS = 20;
/** NOTIFYs that may wait for one subscription. */
const MAX_WAITING = 8;

/** SUBSCRIBE or REFER outside dialogs that was just sent. */
interface Subscribing {
  waiting: ServerTransaction[];
  timer: NodeJS.Timeout | undefined;
}

/**
 * Keeps NOTIFYs that overtake the 2xx of their SUBSCRIBE (RFC 6665 §4.1.2.4), or come with it, until the application has
 * the dialog.
 */
export class Subscriptions {
  private readonly sent = new Map<string, Subscribing>();

  /** @param deliver takes a NOTIFY whose subscription is known now */
  constructor(private readonly deliver: (transaction: ServerTransaction) => void) {}

  /** A SUBSCRIBE or REFER outside dialogs goes out. */
  begin(request: SipMessage): void {
    const key = keyOf(request, 'From');
    // A second one after a challenge has the same key: what waits goes on waiting.
    if (!this.sent.has(key)) this.sent.set(key, { waiting: [], timer: undefined });
  }

  /** Its final response has come, or none. */
  settle(request: SipMessage, accepted: boolean): void {
    const key = keyOf(request, 'From');
    const entry = this.sent.get(key);
    if (!entry || entry.timer) return;
    if (!accepted) {
      this.sent.delete(key);
      for (const transaction of entry.waiting) if (transaction.isOpen) transaction.reply(481);
      return;
    }
    entry.timer = setTimeout(() => {
      this.sent.delete(key);
      for (const transaction of entry.waiting) if (transaction.isOpen) this.deliver(transaction);
    }, HAND_OVER_MS);
  }

  /** Keeps a NOTIFY whose subscription is being made; false when it is for others to handle. */
  hold(transaction: ServerTransaction): boolean {
    if (this.sent.size === 0 || transaction.method !== 'NOTIFY') return false;
    const entry = this.sent.get(keyOf(transaction.request, 'To'));
    if (!entry || entry.waiting.length >= MAX_WAITING) return false;
    entry.waiting.push(transaction);
    return true;
  }

  close(): void {
    for (const { timer } of this.sent.values()) clearTimeout(timer);
    this.sent.clear();
  }
}

/** @param side the header with our tag */
function keyOf(request: SipMessage, side: 'From' | 'To'): string {
  return `${request.get('Call-ID')}|${tagOf(request.get(side)) ?? ''}`;
}
