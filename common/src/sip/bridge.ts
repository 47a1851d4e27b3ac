import { RelayRefusedError } from '../media-relay/errors.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import { LinkLostError, NoResponseError } from './errors.js';
import { customHeaders, reasonHeader } from './header-policy.js';
import { hangUp, sendInDialog } from './in-dialog.js';
import { respond } from './respond.js';
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
}

/** Headers that carry the meaning of some methods and go along with them. */
const METHOD_HEADERS: Record<string, readonly string[]> = {
  REFER: ['Refer-To', 'Referred-By'],
  NOTIFY: ['Event', 'Subscription-State'],
};

/**
 * Two dialogs and their media, joined until one of them ends: BYE, re-INVITE, INFO, REFER, MESSAGE and NOTIFY go from each
 * to the other with their bodies and custom headers, and the answers go back.
 */
export class Bridge {
  readonly #legs: Record<Side, SipDialog>;
  readonly #onEnd: (end: BridgeEnd) => void;
  #ended = false;
  #closed: Promise<void> = Promise.resolve();

  constructor(
    legs: TwoLegs,
    private readonly options: {
      media: MediaSession;
      lost: AbortSignal;
      observer: BridgeObserver;
      /** Called once, before anything is sent: the record is safe even when a BYE hangs. */
      onEnd(end: BridgeEnd): void;
    },
  ) {
    this.#legs = { a: legs.caller, b: legs.callee };
    this.#onEnd = options.onEnd;
    this.#join('a');
    this.#join('b');
    legs.caller.queueRequests = false;
    // A BYE may have come while the call was being connected.
    for (const side of ['a', 'b'] as const) {
      if (!this.#legs[side].connected) queueMicrotask(() => this.#ended || this.#byeFrom(side, {}));
    }
  }

  leg(side: Side): SipDialog {
    return this.#legs[side];
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

  /** Ends without a BYE: the SIP server that knew the dialogs is gone. */
  abandon(why: string): Promise<void> {
    return this.#finish({ by: 'platform', why }, {}, []);
  }

  #join(side: Side): void {
    const leg = this.#legs[side];
    leg.on('destroy', (bye: SipMessageView | undefined) => this.#byeFrom(side, bye ? customHeaders(bye) : {}));
    leg.on('modify', (request, response) => void this.#reinvite(side, request, response));
    for (const event of ['info', 'refer', 'message', 'notify'] as const) {
      leg.on(event, (request, response) => void this.#relay(side, request, response));
    }
  }

  #byeFrom(side: Side, headers: SipHeaders): void {
    const reason = Object.entries(headers).find(([name]) => name.toLowerCase() === 'reason')?.[1];
    void this.#finish({ by: side, why: 'BYE', ...(reason ? { reason } : {}) }, headers, [side === 'a' ? 'b' : 'a']);
  }

  #finish(end: BridgeEnd, headers: SipHeaders, byes: readonly Side[]): Promise<void> {
    if (this.#ended) return this.#closed;
    this.#ended = true;
    this.#onEnd(end);
    const { lost, media } = this.options;
    this.#closed = Promise.all([...byes.map((side) => hangUp(this.#legs[side], headers, lost)), media.delete()]).then(
      () => {
        this.#legs.a.removeAllListeners();
        this.#legs.b.removeAllListeners();
      },
    );
    return this.#closed;
  }

  async #reinvite(from: Side, request: SipRequest, response: SipResponse): Promise<void> {
    const own = this.#legs[from];
    if (!request.body) {
      // A session refresh, or a request for our offer: what we have is what we offer.
      this.#accept(own, response, own.local.sdp);
      return;
    }
    await this.#guard(from, request, response, async () => {
      const to = from === 'a' ? 'b' : 'a';
      const peer = this.#legs[to];
      const { media, lost } = this.options;
      const offer = await media.offer(from, request.body, own.sip.remoteTag);
      const headers = { ...customHeaders(request), Contact: peer.local.contact, 'Content-Type': 'application/sdp' };
      const answer = await sendInDialog(peer, { method: 'INVITE', body: offer, headers }, { lost });
      if (answer.status >= 300) {
        return respond(response, answer.status, answer.reason, { headers: customHeaders(answer) });
      }
      peer.local.sdp = offer;
      peer.remote.sdp = answer.body;
      const sdp = await media.answer(to, answer.body, peer.sip.remoteTag);
      own.local.sdp = sdp;
      this.#accept(own, response, sdp, customHeaders(answer));
      return 200;
    });
  }

  #accept(leg: SipDialog, response: SipResponse, body: string, headers: SipHeaders = {}): void {
    respond(response, 200, 'OK', {
      body,
      headers: { ...headers, Contact: leg.local.contact, 'Content-Type': 'application/sdp' },
    });
  }

  #relay(from: Side, request: SipRequest, response: SipResponse): Promise<void> {
    return this.#guard(from, request, response, async () => {
      const peer = this.#legs[from === 'a' ? 'b' : 'a'];
      const answer = await sendInDialog(
        peer,
        {
          method: request.method,
          headers: { ...customHeaders(request), ...methodHeaders(request), ...contentType(request) },
          ...(request.body ? { body: request.body } : {}),
        },
        { lost: this.options.lost },
      );
      return respond(response, answer.status, answer.reason, {
        headers: { ...customHeaders(answer), ...contentType(answer) },
        ...(answer.body ? { body: answer.body } : {}),
      });
    });
  }

  /** Runs the relaying of one request; whatever goes wrong, its sender gets an answer. */
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
