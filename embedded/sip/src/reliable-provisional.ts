import { randomInt } from 'node:crypto';
import type { SipMessage } from './message.js';
import { splitList } from './message.js';
import type { ServerTransaction } from './server-transaction.js';
import { type SipClock, systemClock } from './timers.js';
import { parseCSeq } from './via.js';

/** What a PRACK acknowledges: a response by its RSeq, the request by its CSeq (RFC 3262 §7.2). */
export interface RAck {
  rseq: number;
  cseq: number;
  method: string;
}

/** Reads a RAck header; undefined when it is none. */
export function parseRAck(value: string | undefined): RAck | undefined {
  const match = /^\s*(\d{1,10})\s+(\d{1,10})\s+(\S+)\s*$/.exec(value ?? '');
  return match ? { rseq: Number(match[1]), cseq: Number(match[2]), method: match[3]! } : undefined;
}

/** The RSeq of a reliable provisional response; undefined for any other response. */
export function rseqOf(response: SipMessage): number | undefined {
  const value = response.status > 100 && response.status < 200 ? response.get('RSeq')?.trim() : undefined;
  return value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

/** Whether a header of option tags (Require, Supported) names this one. */
export function hasOptionTag(message: SipMessage, header: 'Require' | 'Supported', tag: string): boolean {
  return message
    .getAll(header)
    .flatMap(splitList)
    .some((named) => named.toLowerCase() === tag);
}

/** What {@link ReliableProvisionals} needs. */
export interface ReliableOptions {
  /** First interval between repetitions, in ms; it doubles. All ends after 64 of them. */
  t1Ms: number;
  clock?: SipClock;
  /** Called when a response was not acknowledged for 64*T1: the INVITE should be refused with a 5xx. */
  onTimeout(): void;
}

/**
 * The reliable provisional responses of one INVITE as its callee sends them (RFC 3262 §3): numbered, one after the other,
 * each repeated until its PRACK comes.
 */
export class ReliableProvisionals {
  private rseq = randomInt(1, 0x7fff_0000);
  private readonly queue: Array<{ rseq: number; response: SipMessage }> = [];
  private readonly cseq: number;
  private timer: unknown;
  private stopped = false;

  constructor(
    private readonly transaction: ServerTransaction,
    private readonly options: ReliableOptions,
  ) {
    this.cseq = parseCSeq(transaction.request.get('CSeq') ?? '')?.seq ?? 0;
  }

  /** Whether a 2xx has to wait: a response with SDP is not acknowledged yet (§3). */
  get holdsSuccess(): boolean {
    return !this.stopped && this.queue.some(({ response }) => response.body.length > 0);
  }

  /** Whether a PRACK may still come. */
  get isAwaitingPrack(): boolean {
    return this.queue.length > 0;
  }

  /** Numbers a provisional response and sends it, or keeps it until those before it are acknowledged. */
  send(response: SipMessage): void {
    this.rseq += 1;
    if (!hasOptionTag(response, 'Require', '100rel')) response.add('Require', '100rel');
    response.set('RSeq', this.rseq);
    this.queue.push({ rseq: this.rseq, response });
    if (this.queue.length === 1) this.start();
  }

  /** Takes a PRACK; false when it fits no response that waits for one (answer 481). */
  acknowledge(prack: SipMessage): boolean {
    const rack = parseRAck(prack.get('RAck'));
    if (rack?.method !== 'INVITE' || rack.cseq !== this.cseq) return false;
    // In order of sending: only the first has been sent, unless the final response let go of them.
    if (this.queue[0]?.rseq !== rack.rseq) return false;
    this.queue.shift();
    this.disarm();
    if (this.stopped) this.queue.length = 0;
    else if (this.queue.length > 0) this.start();
    return true;
  }

  /** The final response was sent: nothing is repeated any more, but a late PRACK of what was sent is still taken. */
  stop(): void {
    this.stopped = true;
    this.queue.length = Math.min(this.queue.length, 1);
    this.disarm();
  }

  private start(): void {
    const { t1Ms } = this.options;
    const response = this.queue[0]!.response;
    if (!this.transaction.isOpen) return;
    this.transaction.respond(response);
    this.arm(response, t1Ms, 0);
  }

  private arm(response: SipMessage, afterMs: number, waitedMs: number): void {
    const { clock = systemClock, t1Ms, onTimeout } = this.options;
    const giveUpMs = 64 * t1Ms;
    this.timer = clock.setTimeout(() => {
      const waited = waitedMs + afterMs;
      if (waited >= giveUpMs) {
        this.stop();
        onTimeout();
      } else if (this.transaction.isOpen) {
        this.transaction.respond(response);
        this.arm(response, Math.min(2 * afterMs, giveUpMs - waited), waited);
      }
    }, afterMs);
  }

  private disarm(): void {
    if (this.timer !== undefined) (this.options.clock ?? systemClock).clearTimeout(this.timer);
    this.timer = undefined;
  }
}
