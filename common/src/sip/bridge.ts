import { RelayRefusedError } from '../media-relay/errors.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import { isRecordingOrder } from '../siprec/call-recording.js';
import { LinkLostError, NoResponseError } from './errors.js';
import { customHeaders, reasonHeader } from './header-policy.js';
import { hangUp, sendInDialog } from './in-dialog.js';
import { answerRefer, type ReferRules } from './refer.js';
import { respond } from './respond.js';
import { type Legs, otherSide, SessionChanges } from './session-changes.js';
import type { SipDialog, SipHeaders, SipMessageView, SipRequest, SipResponse } from './stack.js';
import type { TwoLegs } from './two-leg-setup.js';

/** Who ended a bridged call: side `a` (caller), side `b`, or the platform. */
export interface BridgeEnd {
  by: Side | 'platform';
  why: string;
  /** `Reason` of the BYE. */
  reason?: string;
}

/** What a bridge tells while it lives. */
export interface BridgeObserver {
  /** A re-INVITE, INFO or other request was passed on (or not); `status` is what its sender got. */
  relayed?(from: Side, method: string, status: number, detail: Record<string, unknown>): void;
  /** Another dialog has taken the place of a side's. */
  replaced?(side: Side, by: SipDialog): void;
}

/** What a bridge is made of besides its legs. */
export interface BridgeOptions {
  media: MediaSession;
  lost: AbortSignal;
  observer: BridgeObserver;
  /** The side on which a feature server is. It may transfer, mute, and move the media. */
  inner: Side;
  /** See {@link SessionChanges}. */
  isRelaying: boolean;
  renewMedia?(): void;
  isRecorded(): boolean;
  refer: ReferRules;
  /** What a feature server asks of the edge's recording; the status that it gets, and why. Never rejects. */
  record(request: SipMessageView): Promise<{ status: number; why?: string }>;
  /** Called once, before anything is sent: the record is safe even when a BYE hangs. */
  onEnd(end: BridgeEnd): void;
}

/** Headers that carry the meaning of some methods and go along with them. */
const METHOD_HEADERS: Record<string, readonly string[]> = {
  REFER: ['Refer-To', 'Referred-By', 'Refer-Sub', 'User-Agent'],
  NOTIFY: ['Event', 'Subscription-State'],
  OPTIONS: ['Accept'],
};
/** `X-Reason` of an INFO by which a feature server silences the far end, or lets it be heard again. */
const MUTE = /^(un)?mute/i;

/**
 * Two dialogs and their media, joined until one of them ends: BYE, re-INVITE, UPDATE, INFO, REFER, MESSAGE, OPTIONS and NOTIFY go
 * from each to the other with their bodies and custom headers, and the answers go back.
 */
export class Bridge {
  readonly #legs: Legs;
  readonly #changes: SessionChanges;
  #ended = false;
  #closed: Promise<void> = Promise.resolve();

  constructor(
    legs: TwoLegs,
    private readonly options: BridgeOptions,
  ) {
    const { media, lost, inner, isRelaying, renewMedia } = options;
    const isRecorded = (): boolean => options.isRecorded();
    this.#legs = { a: legs.caller, b: legs.callee };
    const moves = { isRelaying, ...(renewMedia && { renewMedia }) };
    this.#changes = new SessionChanges({ legs: this.#legs, media, lost, inner, isRecorded, ...moves });
    this.#join('a');
    this.#join('b');
    legs.caller.queueRequests = false;
    // A BYE may have come while the call was being connected.
    for (const side of ['a', 'b'] as const) {
      if (!this.#legs[side].connected) queueMicrotask(() => this.#ended || this.#byeFrom(side, undefined));
    }
  }

  leg(side: Side): SipDialog {
    return this.#legs[side];
  }

  /** Offers and answers of this call. */
  get changes(): SessionChanges {
    return this.#changes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when both legs and the media are released; meaningful after the end. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Ends both legs with BYE carrying these headers. Does nothing on an ended bridge. */
  end(why: string, headers: SipHeaders = {}): Promise<void> {
    return this.#finish({ by: 'platform', why }, headers, ['a', 'b']);
  }

  /** Ends it since a side is not there any more; both get a BYE all the same. Does nothing on an ended bridge. */
  endGone(side: Side, why: string): void {
    void this.#finish({ by: side, why }, {}, ['a', 'b']);
  }

  /** Ends without a BYE: the SIP server that knew the dialogs is gone. */
  abandon(why: string): Promise<void> {
    return this.#finish({ by: 'platform', why }, {}, []);
  }

  /** Puts a dialog in the place of a side's, which gets a BYE. `sdp` is what the new one's peer gave. */
  replace(side: Side, dialog: SipDialog, sdp: string, byeHeaders: SipHeaders = {}): void {
    const old = this.#legs[side];
    old.removeAllListeners();
    this.#legs[side] = dialog;
    this.#changes.replaced(side, sdp);
    this.#join(side);
    void hangUp(old, byeHeaders, this.options.lost);
    this.options.observer.replaced?.(side, dialog);
    if (!dialog.connected) queueMicrotask(() => this.#ended || this.#byeFrom(side, undefined));
  }

  #join(side: Side): void {
    const leg = this.#legs[side];
    leg.on('destroy', (bye: SipMessageView | undefined) => this.#byeFrom(side, bye));
    for (const event of ['modify', 'update'] as const) {
      leg.on(event, (request, response) => void this.#modify(side, request, response));
    }
    for (const event of ['info', 'refer', 'message', 'notify', 'options'] as const) {
      leg.on(event, (request, response) => void this.#take(side, request, response));
    }
  }

  #byeFrom(side: Side, bye: SipMessageView | undefined): void {
    const headers = bye ? customHeaders(bye) : {};
    const reason = Object.entries(headers).find(([name]) => name.toLowerCase() === 'reason')?.[1];
    void this.#finish({ by: side, why: 'BYE', ...(reason ? { reason } : {}) }, headers, [otherSide(side)]);
  }

  #finish(end: BridgeEnd, headers: SipHeaders, byes: readonly Side[]): Promise<void> {
    if (this.#ended) return this.#closed;
    this.#ended = true;
    this.options.onEnd(end);
    const { lost, media } = this.options;
    this.#closed = Promise.all([...byes.map((side) => hangUp(this.#legs[side], headers, lost)), media.delete()]).then(
      () => {
        this.#legs.a.removeAllListeners();
        this.#legs.b.removeAllListeners();
      },
    );
    return this.#closed;
  }

  #modify(from: Side, request: SipRequest, response: SipResponse): Promise<void> {
    return this.#guard(from, request, response, async () => {
      const status = await this.#changes.modify(from, request, response);
      // RFC 3261 §12.2.1.2: the other side does not know the dialog any more.
      if (status === 481 || status === 408)
        this.endGone(otherSide(from), `${request.method} was answered with ${status}`);
      return status;
    });
  }

  #take(from: Side, request: SipRequest, response: SipResponse): Promise<void> {
    const { inner, media, refer } = this.options;
    return this.#guard(from, request, response, async () => {
      const word = request.get('X-Reason') ?? '';
      if (from !== inner) return this.#relay(from, request, response);
      if (request.method === 'INFO' && MUTE.test(word)) {
        await media.mute(otherSide(inner), !/^un/i.test(word));
        return respond(response, 200);
      }
      if (request.method === 'INFO' && isRecordingOrder(request)) {
        const { status, why } = await this.options.record(request);
        return respond(response, status, undefined, { headers: why === undefined ? {} : reasonHeader(why) });
      }
      if (request.method !== 'REFER') return this.#relay(from, request, response);
      const verdict = await answerRefer(request, refer);
      if (verdict.do === 'pass') return this.#relay(from, request, response, { 'Refer-To': verdict.referTo });
      return respond(response, verdict.status, undefined, { headers: reasonHeader(verdict.why) });
    });
  }

  async #relay(from: Side, request: SipRequest, response: SipResponse, own: SipHeaders = {}): Promise<number> {
    const answer = await sendInDialog(
      this.#legs[otherSide(from)],
      {
        method: request.method,
        headers: { ...customHeaders(request), ...methodHeaders(request), ...contentType(request), ...own },
        ...(request.body ? { body: request.body } : {}),
      },
      { lost: this.options.lost },
    );
    return respond(response, answer.status, answer.reason, {
      headers: { ...customHeaders(answer), ...contentType(answer) },
      ...(answer.body ? { body: answer.body } : {}),
    });
  }

  /** Runs the handling of one request; whatever goes wrong, its sender gets an answer. */
  async #guard(from: Side, request: SipRequest, response: SipResponse, work: () => Promise<number>): Promise<void> {
    let status: number;
    let detail: Record<string, unknown> = {};
    try {
      status = await work();
    } catch (error) {
      // Nobody is left to answer.
      if (error instanceof LinkLostError) return;
      status = statusOf(error);
      const reason = error instanceof Error ? error.message : String(error);
      detail = { reason };
      respond(response, status, undefined, { headers: reasonHeader(reason) });
    }
    this.options.observer.relayed?.(from, request.method, status, detail);
  }
}

function statusOf(error: unknown): number {
  if (error instanceof RelayRefusedError) return 488;
  return error instanceof NoResponseError ? 408 : 500;
}

function methodHeaders(request: SipRequest): SipHeaders {
  const headers: SipHeaders = {};
  for (const name of METHOD_HEADERS[request.method] ?? []) {
    const value = request.get(name);
    if (value) headers[name] = value;
  }
  return headers;
}

function contentType(message: SipMessageView): SipHeaders {
  const type = message.body ? message.get('Content-Type') : undefined;
  return type ? { 'Content-Type': type } : {};
}
