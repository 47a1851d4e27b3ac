import { randomInt } from 'node:crypto';
import { RelayRefusedError } from '../media-relay/errors.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import { NoResponseError } from './errors.js';
import { customHeaders } from './header-policy.js';
import { askForOffer, IN_DIALOG_DEADLINE_MS, nextAck, sendInDialog } from './in-dialog.js';
import { respond } from './respond.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse } from './stack.js';

/** The two dialogs of a bridged call, as they are now. */
export type Legs = Record<Side, SipDialog>;

/** What {@link SessionChanges} works with. */
export interface SessionChangesOptions {
  legs: Legs;
  media: MediaSession;
  lost: AbortSignal;
  /** The side on which a feature server is: only it may have the relay alone change the media path. */
  inner: Side;
}

/** `X-Reason` of a feature server that moves its own end of the media and leaves the far end as it is. */
const RELAY_ONLY = /^(release|anchor)-media$/i;
/** What the relay must not do where a feature server has named another relay port as its end: learn from what comes in. */
const FIXED_ENDPOINT = ['asymmetric'];
/** Times that a re-INVITE of ours is sent again after 491. */
const GLARE_RETRIES = 3;

/**
 * Sends a re-INVITE of our own, again after 491 (RFC 3261 §14.1); resolves to its final response.
 *
 * @throws NoResponseError, LinkLostError, RequestFailedError
 */
export async function reinvite(
  leg: SipDialog,
  sdp: string,
  limits: { lost: AbortSignal },
  more: SipHeaders = {},
): Promise<SipResponse> {
  const headers = { ...more, Contact: leg.local.contact, 'Content-Type': 'application/sdp' };
  for (let attempt = 0; ; attempt++) {
    const answer = await sendInDialog(leg, { method: 'INVITE', body: sdp, headers }, limits);
    if (answer.status < 300) leg.local.sdp = sdp;
    if (answer.status !== 491 || attempt >= GLARE_RETRIES) return answer;
    // Whoever made the Call-ID waits longer, so that the two do not cross again.
    const waitMs = leg.type === 'uac' ? randomInt(2_100, 4_001) : randomInt(0, 2_001);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

export const otherSide = (side: Side): Side => (side === 'a' ? 'b' : 'a');

/**
 * Offers and answers of an established call: re-INVITE with and without offer, UPDATE, and re-INVITEs of our own. One at a time; what
 * crosses another is refused as RFC 3261 §14.2 has it. A change that the other side refuses leaves the media as it was.
 */
export class SessionChanges {
  /** The last agreed SDP of each side: drachtio-srf overwrites its own with every offer, also with refused and empty ones. */
  readonly #agreed: Record<Side, string>;
  #busy: Side | 'us' | undefined;

  constructor(private readonly options: SessionChangesOptions) {
    const { a, b } = options.legs;
    this.#agreed = { a: a.remote.sdp, b: b.remote.sdp };
  }

  /** The SDP that a side gave last and that took effect. */
  agreed(side: Side): string {
    return this.#agreed[side];
  }

  /** Another dialog has taken the place of a side's, or a change of which this does not know: `sdp` is what that side gave. */
  replaced(side: Side, sdp: string): void {
    this.#agreed[side] = sdp;
  }

  /** Answers a re-INVITE or UPDATE of one side; resolves to the status. Rejects without an answer when something failed. */
  async modify(from: Side, request: SipRequest, response: SipResponse): Promise<number> {
    if (request.method === 'UPDATE' && !request.body) {
      return respond(response, 200, 'OK', { headers: { Contact: this.options.legs[from].local.contact } });
    }
    if (this.#busy !== undefined) return this.#refuseCrossing(from, response);
    return this.#alone(from, () => {
      if (!request.body) return this.#withoutOffer(from, request, response);
      const isRelayOnly = from === this.options.inner && RELAY_ONLY.test(request.get('X-Reason') ?? '');
      return isRelayOnly ? this.#relayOnly(from, request, response) : this.#withOffer(from, request, response);
    });
  }

  /**
   * Sends a re-INVITE of our own, again after 491 (RFC 3261 §14.1); resolves to its final response.
   *
   * @throws NoResponseError, LinkLostError, RequestFailedError
   */
  async reinvite(side: Side, sdp: string, headers: SipHeaders = {}): Promise<SipResponse> {
    const answer = await reinvite(this.options.legs[side], sdp, this.options, headers);
    if (answer.status < 300) this.#agreed[side] = answer.body;
    return answer;
  }

  /**
   * Asks a side by a re-INVITE that offers what it has whether it is there; resolves to the final status, or to null while another change is under way.
   *
   * @throws NoResponseError, LinkLostError, RequestFailedError
   */
  refresh(side: Side): Promise<number | null> {
    return this.exclusively(async () => {
      const before = this.#agreed[side];
      const { status } = await this.reinvite(side, this.options.legs[side].local.sdp);
      if (this.#agreed[side] !== before) await this.restore(otherSide(side));
      return status;
    });
  }

  /** Runs a change of our own while no other is under way; null when one is. */
  async exclusively<T>(work: () => Promise<T>): Promise<T | null> {
    return this.#busy === undefined ? this.#alone('us', work) : null;
  }

  /** Has the relay do again what was agreed last; what the sides have been told is true then. Never rejects. */
  async restore(from: Side): Promise<void> {
    const { legs, media } = this.options;
    const to = otherSide(from);
    try {
      await media.offer(from, this.#agreed[from], legs[from].sip.remoteTag);
      await media.answer(to, this.#agreed[to], legs[to].sip.remoteTag);
    } catch {
      // The relay is gone, or the call: who watches those ends it.
    }
  }

  async #alone<T>(who: Side | 'us', work: () => Promise<T>): Promise<T> {
    this.#busy = who;
    try {
      return await work();
    } finally {
      this.#busy = undefined;
    }
  }

  #refuseCrossing(from: Side, response: SipResponse): number {
    if (this.#busy !== from) return respond(response, 491);
    return respond(response, 500, undefined, { headers: { 'Retry-After': `${randomInt(0, 11)}` } });
  }

  async #withOffer(from: Side, request: SipRequest, response: SipResponse): Promise<number> {
    const { legs, media, lost } = this.options;
    const to = otherSide(from);
    const own = legs[from];
    const peer = legs[to];
    const offer = await media.offer(from, request.body, own.sip.remoteTag);
    try {
      const headers = { ...customHeaders(request), Contact: peer.local.contact, 'Content-Type': 'application/sdp' };
      const answer = await sendInDialog(peer, { method: 'INVITE', body: offer, headers }, { lost });
      if (answer.status >= 300) {
        await this.restore(from);
        return respond(response, answer.status, answer.reason, { headers: customHeaders(answer) });
      }
      peer.local.sdp = offer;
      const sdp = await media.answer(to, answer.body, peer.sip.remoteTag);
      this.#agree(from, request.body, answer.body);
      return this.#accept(own, response, sdp, customHeaders(answer));
    } catch (error) {
      await this.restore(from);
      throw error;
    }
  }

  /** The other side is asked for its offer, which the ACK answers (RFC 3261 §14.1, §14.2). */
  async #withoutOffer(from: Side, request: SipRequest, response: SipResponse): Promise<number> {
    const { legs, media, lost } = this.options;
    const to = otherSide(from);
    const own = legs[from];
    const peer = legs[to];
    const headers = { ...customHeaders(request), Contact: peer.local.contact };
    const { response: offered, ack } = await askForOffer(peer, headers, { lost });
    if (!ack) {
      const status = offered.status < 300 ? 500 : offered.status;
      return respond(response, status, undefined, { headers: customHeaders(offered) });
    }
    try {
      if (!offered.body) throw new RelayRefusedError('the other side made no offer');
      const sdp = await media.offer(to, offered.body, peer.sip.remoteTag);
      const acked = nextAck(own, request, { lost, deadlineMs: IN_DIALOG_DEADLINE_MS });
      this.#accept(own, response, sdp, customHeaders(offered));
      const { body } = await acked;
      if (!body) throw new NoResponseError('ACK without SDP');
      const answer = await media.answer(from, body, own.sip.remoteTag);
      this.#agree(to, offered.body, body);
      peer.local.sdp = answer;
      ack(answer);
      return 200;
    } catch (error) {
      ack(peer.local.sdp);
      await this.restore(to);
      throw error;
    }
  }

  /** The feature server's end of the media moves; the far end sees nothing of it. */
  async #relayOnly(from: Side, request: SipRequest, response: SipResponse): Promise<number> {
    const { legs, media } = this.options;
    const to = otherSide(from);
    const isRelease = /^release/i.test(request.get('X-Reason') ?? '');
    try {
      await media.offer(from, request.body, legs[from].sip.remoteTag, undefined, isRelease ? FIXED_ENDPOINT : []);
      const sdp = await media.answer(to, this.#agreed[to], legs[to].sip.remoteTag);
      this.#agreed[from] = request.body;
      return this.#accept(legs[from], response, sdp);
    } catch (error) {
      await this.restore(from);
      throw error;
    }
  }

  #agree(offerer: Side, offer: string, answer: string): void {
    this.#agreed[offerer] = offer;
    this.#agreed[otherSide(offerer)] = answer;
  }

  #accept(leg: SipDialog, response: SipResponse, body: string, headers: SipHeaders = {}): number {
    leg.local.sdp = body;
    return respond(response, 200, 'OK', {
      body,
      headers: { ...headers, Contact: leg.local.contact, 'Content-Type': 'application/sdp' },
    });
  }
}
