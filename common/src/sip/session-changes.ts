import { randomInt } from 'node:crypto';
import { RelayRefusedError } from '../media-relay/errors.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import { NoResponseError } from './errors.js';
import { customHeaders, reasonHeader } from './header-policy.js';
import { askForOffer, type DialogRequestLimits, IN_DIALOG_DEADLINE_MS, nextAck, sendInDialog } from './in-dialog.js';
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
  /** Whether media goes through a relay: the far end need not know then that the other one moves. */
  isRelaying: boolean;
  /** Gives the call a session at the relay that knows nothing yet; missing: media may not go past the relay. */
  renewMedia?(): void;
  /** Whether somebody outside is sent a copy of what goes through the relay: nothing may go past it then. */
  isRecorded(): boolean;
}

/**
 * `X-Reason` of a re-INVITE by which a feature server moves its own end of the media: to another relay and back to itself, which is no news for the far end,
 * or to another far end, past the relay.
 */
export type MediaMove = 'release-media' | 'release-media-entirely' | 'anchor-media';

const moveOf = (request: SipRequest): MediaMove | undefined =>
  /^(?:release-media(?:-entirely)?|anchor-media)$/i.exec(request.get('X-Reason') ?? '')?.[0].toLowerCase() as
    | MediaMove
    | undefined;
/** What the relay must not do where a feature server has named another relay port as its end: learn from what comes in. */
const FIXED_ENDPOINT = ['asymmetric'];
/** Times that a re-INVITE of ours is sent again after 491. */
const GLARE_RETRIES = 3;
/** How long a far end may take to answer when only the media path is to change: the other one waits for its ACK meanwhile, and the call for its sound. */
export const MOVE_DEADLINE_MS = 4_000;
/** Between tries to have a far end that has answered too late do again what it had agreed to, and how many. */
const UNDO_EVERY_MS = 1_000;
const UNDO_TRIES = 30;

/**
 * Sends a re-INVITE of our own, again after 491 (RFC 3261 §14.1); resolves to its final response.
 *
 * @throws NoResponseError, LinkLostError, RequestFailedError
 */
export async function reinvite(
  leg: SipDialog,
  sdp: string,
  { retries = GLARE_RETRIES, ...limits }: DialogRequestLimits & { retries?: number },
  more: SipHeaders = {},
): Promise<SipResponse> {
  const headers = { 'Content-Type': 'application/sdp', ...more, Contact: leg.local.contact };
  for (let attempt = 0; ; attempt++) {
    const answer = await sendInDialog(leg, { method: 'INVITE', body: sdp, headers }, limits);
    if (answer.status < 300) leg.local.sdp = sdp;
    if (answer.status !== 491 || attempt >= retries) return answer;
    // Whoever made the Call-ID waits longer, so that the two do not cross again.
    const waitMs = leg.type === 'uac' ? randomInt(2_100, 4_001) : randomInt(0, 2_001);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** How SDP gets from one side to the other. */
interface Passage {
  offer(from: Side, sdp: string): Promise<string>;
  answer(from: Side, sdp: string): Promise<string>;
  isBypass: boolean;
}

const unchanged = async (_from: Side, sdp: string): Promise<string> => sdp;
const PAST_THE_RELAY: Passage = { offer: unchanged, answer: unchanged, isBypass: true };

/** What a feature server tells of its media is for the edge alone. */
function passedOn(request: SipRequest): SipHeaders {
  const headers = customHeaders(request);
  if (!moveOf(request)) return headers;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'x-reason'));
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
  /** Resolves when nobody is busy any more. */
  #settled: Promise<void> = Promise.resolve();
  /** Whether the two ends talk past the relay. */
  #isBypassing = false;
  #mayBypass: boolean;
  /** Until when sides that were given up may still answer a re-INVITE, in ms of the clock: they are sent no other one before (RFC 3261 §14.1). */
  readonly #unanswered: Record<Side, number> = { a: 0, b: 0 };

  constructor(private readonly options: SessionChangesOptions) {
    const { a, b } = options.legs;
    this.#mayBypass = options.renewMedia !== undefined;
    this.#agreed = { a: a.remote.sdp, b: b.remote.sdp };
  }

  /** The SDP that a side gave last and that took effect. */
  agreed(side: Side): string {
    return this.#agreed[side];
  }

  /** Another dialog has taken the place of a side's, or a change of which this does not know: `sdp` is what that side gave. */
  replaced(side: Side, sdp: string): void {
    this.#agreed[side] = sdp;
    this.#isBypassing = false;
    // How media travels to whoever is there now is not known.
    if (side !== this.options.inner) this.#mayBypass = false;
    this.#unanswered[side] = 0;
  }

  /** Answers a re-INVITE or UPDATE of one side; resolves to the status. Rejects without an answer when something failed. */
  async modify(from: Side, request: SipRequest, response: SipResponse): Promise<number> {
    if (request.method === 'UPDATE' && !request.body) {
      return respond(response, 200, 'OK', { headers: { Contact: this.options.legs[from].local.contact } });
    }
    // A feature server's next move comes right behind its ACK, while the relay is still at work on the one before.
    if (this.#busy === from && this.#isMove(from, request)) await this.#settled;
    if (this.#busy !== undefined) return this.#refuseCrossing(from, response);
    return this.#alone(from, () => {
      const move = from === this.options.inner ? moveOf(request) : undefined;
      if (move) return this.#moveInner(move, request, response);
      return request.body
        ? this.#withOffer(from, request, response)
        : this.#withoutOffer(from, request, response, this.#relay);
    });
  }

  /**
   * Sends a re-INVITE of our own, again after 491 (RFC 3261 §14.1); resolves to its final response.
   *
   * @throws NoResponseError, LinkLostError, RequestFailedError
   */
  async reinvite(
    side: Side,
    sdp: string,
    headers: SipHeaders = {},
    limits: DialogRequestLimits = { lost: this.options.lost },
  ): Promise<SipResponse> {
    const answer = await reinvite(this.options.legs[side], sdp, limits, headers);
    if (answer.status < 300) this.#agreed[side] = answer.body;
    return answer;
  }

  /**
   * Asks a side by a re-INVITE that offers what it has whether it is there; resolves to the final status, or to null while another change is under way.
   *
   * @throws NoResponseError, LinkLostError, RequestFailedError
   */
  async refresh(side: Side): Promise<number | null> {
    if (this.#isUnanswered(side)) return null;
    return this.exclusively(() => this.#offerAgain(side, { lost: this.options.lost }));
  }

  async #offerAgain(side: Side, limits: DialogRequestLimits): Promise<number> {
    const before = this.#agreed[side];
    const { status } = await this.reinvite(side, this.options.legs[side].local.sdp, {}, limits);
    if (this.#agreed[side] !== before) await this.restore(otherSide(side));
    return status;
  }

  /** Runs a change of our own while no other is under way; null when one is. */
  async exclusively<T>(work: () => Promise<T>): Promise<T | null> {
    return this.#busy === undefined ? this.#alone('us', work) : null;
  }

  /** Has the relay do again what was agreed last; what the sides have been told is true then. Never rejects. */
  async restore(from: Side): Promise<void> {
    const { legs, media, renewMedia } = this.options;
    const to = otherSide(from);
    if (this.#isBypassing) return renewMedia?.();
    try {
      await media.offer(from, this.#agreed[from], legs[from].sip.remoteTag);
      await media.answer(to, this.#agreed[to], legs[to].sip.remoteTag);
    } catch {
      // The relay is gone, or the call: who watches those ends it.
    }
  }

  #isMove(from: Side, request: SipRequest): boolean {
    return from === this.options.inner && moveOf(request) !== undefined;
  }

  #isUnanswered(side: Side): boolean {
    return Date.now() < this.#unanswered[side];
  }

  /** Sends a side what a change of the other one needs. A mere move of the media must not take long, and whoever answers it too late takes it back. */
  async #tell<T>(
    to: Side,
    what: 'change' | 'move' | 'undo',
    send: (limits: DialogRequestLimits) => Promise<T>,
  ): Promise<T> {
    const { legs, lost } = this.options;
    if (what === 'change') return send({ lost });
    const leg = legs[to];
    const until = Date.now() + IN_DIALOG_DEADLINE_MS;
    const onLate = ({ status }: SipResponse): void => {
      if (legs[to] !== leg) return;
      this.#unanswered[to] = 0;
      if (status < 300 && what === 'move') void this.#undo(to, leg);
    };
    try {
      return await send({ lost, deadlineMs: MOVE_DEADLINE_MS, onLate });
    } catch (error) {
      if (error instanceof NoResponseError && legs[to] === leg) this.#unanswered[to] = until;
      throw error;
    }
  }

  /** A side has taken what was given up: it is told again where its media is. Never rejects. */
  async #undo(side: Side, leg: SipDialog): Promise<void> {
    const { legs, lost } = this.options;
    for (let left = UNDO_TRIES; left > 0 && legs[side] === leg && leg.connected && !lost.aborted; left--) {
      try {
        const told = this.#isUnanswered(side)
          ? null
          : await this.exclusively(() => this.#tell(side, 'undo', (limits) => this.#offerAgain(side, limits)));
        if (told !== null) return;
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, UNDO_EVERY_MS));
    }
  }

  async #alone<T>(who: Side | 'us', work: () => Promise<T>): Promise<T> {
    this.#busy = who;
    let settle = (): void => {};
    this.#settled = new Promise((resolve) => {
      settle = resolve;
    });
    try {
      return await work();
    } finally {
      this.#busy = undefined;
      settle();
    }
  }

  #refuseCrossing(from: Side, response: SipResponse): number {
    if (this.#busy !== from) return respond(response, 491);
    return respond(response, 500, undefined, { headers: { 'Retry-After': `${randomInt(0, 11)}` } });
  }

  #refuseUnanswered(from: Side, request: SipRequest, response: SipResponse): number {
    if (this.#isMove(from, request)) throw new NoResponseError('a re-INVITE is unanswered');
    return respond(response, 491);
  }

  /** What is offered and answered goes through the relay. */
  readonly #relay: Passage = {
    offer: (from, sdp) => this.options.media.offer(from, sdp, this.options.legs[from].sip.remoteTag),
    answer: (from, sdp) => this.options.media.answer(from, sdp, this.options.legs[from].sip.remoteTag),
    isBypass: false,
  };

  async #withOffer(from: Side, request: SipRequest, response: SipResponse, through = this.#relay): Promise<number> {
    const { legs } = this.options;
    const to = otherSide(from);
    if (this.#isUnanswered(to)) return this.#refuseUnanswered(from, request, response);
    const own = legs[from];
    const peer = legs[to];
    const offer = await through.offer(from, request.body);
    try {
      const headers = { ...passedOn(request), Contact: peer.local.contact, 'Content-Type': 'application/sdp' };
      const answer = await this.#tell(to, this.#isMove(from, request) ? 'move' : 'change', (limits) =>
        sendInDialog(peer, { method: 'INVITE', body: offer, headers }, limits),
      );
      if (answer.status >= 300) {
        await this.restore(from);
        return respond(response, answer.status, answer.reason, { headers: customHeaders(answer) });
      }
      peer.local.sdp = offer;
      const sdp = await through.answer(to, answer.body);
      this.#agree(from, request.body, answer.body, through);
      return this.#accept(own, response, sdp, customHeaders(answer));
    } catch (error) {
      await this.restore(from);
      throw error;
    }
  }

  /** The other side is asked for its offer, which the ACK answers (RFC 3261 §14.1, §14.2). */
  async #withoutOffer(from: Side, request: SipRequest, response: SipResponse, through: Passage): Promise<number> {
    const { legs, lost } = this.options;
    const to = otherSide(from);
    if (this.#isUnanswered(to)) return this.#refuseUnanswered(from, request, response);
    const own = legs[from];
    const peer = legs[to];
    const before = own.local.sdp;
    const headers = { ...passedOn(request), Contact: peer.local.contact };
    const { response: offered, ack } = await this.#tell(to, this.#isMove(from, request) ? 'move' : 'change', (limits) =>
      askForOffer(peer, headers, limits),
    );
    if (!ack) {
      const status = offered.status < 300 ? 500 : offered.status;
      return respond(response, status, undefined, { headers: customHeaders(offered) });
    }
    try {
      if (!offered.body) throw new RelayRefusedError('the other side made no offer');
      const sdp = await through.offer(to, offered.body);
      const acked = nextAck(own, request, { lost, deadlineMs: IN_DIALOG_DEADLINE_MS });
      this.#accept(own, response, sdp, customHeaders(offered));
      const { body } = await acked;
      if (!body) throw new NoResponseError('ACK without SDP');
      const answer = await through.answer(from, body);
      this.#agree(to, offered.body, body, through);
      peer.local.sdp = answer;
      ack(answer);
      return 200;
    } catch (error) {
      ack(peer.local.sdp);
      own.local.sdp = before;
      await this.restore(to);
      throw error;
    }
  }

  /** The feature server's end of the media moves. A far end that is told of it and does not answer is no reason to take the call for over (408). */
  async #moveInner(move: MediaMove, request: SipRequest, response: SipResponse): Promise<number> {
    try {
      return await this.#move(move, request, response);
    } catch (error) {
      if (!(error instanceof NoResponseError)) throw error;
      return respond(response, 504, 'The far end does not answer');
    }
  }

  #move(move: MediaMove, request: SipRequest, response: SipResponse): Promise<number> {
    const { inner, isRelaying } = this.options;
    const refuse = async (why: string): Promise<number> =>
      respond(response, 488, undefined, { headers: reasonHeader(why) });
    if (move === 'release-media-entirely') {
      if (!this.#mayBypass) return refuse('media may not go past the relay');
      if (this.options.isRecorded()) return refuse('a recording server is sent the call by the relay');
      return request.body
        ? this.#withOffer(inner, request, response, PAST_THE_RELAY)
        : this.#withoutOffer(inner, request, response, PAST_THE_RELAY);
    }
    if (!request.body) return refuse('no SDP');
    if (isRelaying && !this.#isBypassing) return this.#relayOnly(inner, request, response, move);
    // Nobody stands between the two ends: the far one must be told.
    if (move === 'anchor-media') return this.#withOffer(inner, request, response);
    return refuse('no relay has the media of this call');
  }

  /** The far end sees nothing of it. */
  async #relayOnly(from: Side, request: SipRequest, response: SipResponse, move: MediaMove): Promise<number> {
    const { legs, media } = this.options;
    const to = otherSide(from);
    const flags = move === 'release-media' ? FIXED_ENDPOINT : [];
    try {
      await media.offer(from, request.body, legs[from].sip.remoteTag, undefined, flags);
      const sdp = await media.answer(to, this.#agreed[to], legs[to].sip.remoteTag);
      this.#agreed[from] = request.body;
      return this.#accept(legs[from], response, sdp);
    } catch (error) {
      await this.restore(from);
      throw error;
    }
  }

  #agree(offerer: Side, offer: string, answer: string, { isBypass }: Passage): void {
    this.#agreed[offerer] = offer;
    this.#agreed[otherSide(offerer)] = answer;
    this.#isBypassing = isBypass;
    if (isBypass) this.options.renewMedia?.();
  }

  #accept(leg: SipDialog, response: SipResponse, body: string, headers: SipHeaders = {}): number {
    leg.local.sdp = body;
    return respond(response, 200, 'OK', {
      body,
      headers: { ...headers, Contact: leg.local.contact, 'Content-Type': 'application/sdp' },
    });
  }
}
