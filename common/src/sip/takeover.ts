import type { BranchedMedia } from '../media-relay/branched-media.js';
import { RelayRefusedError } from '../media-relay/errors.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import type { Bridge } from './bridge.js';
import { NoResponseError } from './errors.js';
import { SIP_HEADERS } from './headers.js';
import { askForOffer, hangUp } from './in-dialog.js';
import { respond } from './respond.js';
import { otherSide, reinvite } from './session-changes.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './stack.js';
import { ACK_DEADLINE_MS, acceptCall, type TwoLegs, whileConnected } from './two-leg-setup.js';

/** An INVITE that takes the place of somebody in a call. */
export interface TakingLeg {
  request: SipRequest;
  response: SipResponse;
  /** From `watchCancel`. */
  abandoned: AbortSignal;
  /** Its SDP; empty without. */
  offer: string;
  callerTag: string;
  /** Go out with the 200. */
  headers: SipHeaders;
}

/** What joining a leg to a call needs. */
interface Joined {
  stack: SipStack;
  media: BranchedMedia;
  lost: AbortSignal;
  /** Our tag in the new leg's dialog. */
  localTag: string;
}

/** The call of which one side changes. */
export interface TakenCall extends Joined {
  bridge: Bridge;
  /** Whose place is taken. */
  side: Side;
  /** Aborts when the call ends. */
  over: AbortSignal;
}

/** A call that rings, whose caller waits. */
export interface RingingCall extends Joined {
  request: SipRequest;
  response: SipResponse;
  /** The caller's SDP. */
  offer: string;
  /** Our tag in the caller's dialog. */
  callersTag: string;
  /** Go out with the 200 to the caller. */
  headers: SipHeaders;
}

/** What became of it: the status that the taking leg got, and why when it was refused. */
export interface TakeOver {
  status: number;
  why?: string;
}

/** The feature server is to forget who was there: what is proven of the one who comes is not told yet. */
const REPLACED: SipHeaders = { [SIP_HEADERS.replaced]: 'yes' };

/** The call ended, or the taking leg gave up. */
class TakeOverGoneError extends Error {}

/** The other side does not take the new media. */
class PeerRefusedError extends Error {
  constructor(readonly status: number) {
    super(`the other side answered ${status}`);
  }
}

/**
 * Puts a new leg in the place of one side's (RFC 3891 §3): the other side is re-invited with the new media, then the new leg is
 * answered and the old one gets a BYE. The new media has a session of its own at the relay; whatever fails, the call stays as it was.
 * Never rejects.
 */
export async function takeOverSide(call: TakenCall, leg: TakingLeg): Promise<TakeOver> {
  const { bridge } = call;
  if (bridge.ended) return refuse(leg, 603, 'the call has ended');
  const outcome = await bridge.changes.exclusively(() => takeOver(call, leg));
  return outcome ?? refuse(leg, 500, 'the call is being changed', { 'Retry-After': '1' });
}

async function takeOver(call: TakenCall, leg: TakingLeg): Promise<TakeOver> {
  const { bridge, media, over, lost, side } = call;
  const spare = media.spare();
  const peer = otherSide(side);
  const joining = new Joining(call, leg, {
    session: spare.session,
    side,
    over,
    peer: bridge.leg(peer),
    reinvite: (sdp) => bridge.changes.reinvite(peer, sdp, REPLACED),
  });
  try {
    const { dialog, agreed } = await joining.run();
    if (bridge.ended) {
      void hangUp(dialog, {}, lost);
      return { status: 200, why: 'the call ended at once' };
    }
    spare.use();
    bridge.changes.replaced(peer, agreed[peer]);
    bridge.replace(side, dialog, agreed[side]);
    dialog.queueRequests = false;
    return { status: 200 };
  } catch (error) {
    await spare.drop();
    if (lost.aborted) return { status: 0, why: 'connection to the SIP server lost' };
    if (error instanceof PeerRefusedError && (error.status === 481 || error.status === 408))
      void bridge.end(`re-INVITE was answered with ${error.status}`);
    else if (joining.hasMoved && !bridge.ended) await moveBack(call);
    if (bridge.ended) return refuse(leg, 603, 'the call has ended');
    return refuseFor(leg, error);
  }
}

/** The other side hears the old leg again. */
async function moveBack({ bridge, media, side }: TakenCall): Promise<void> {
  const { changes } = bridge;
  const peer = otherSide(side);
  try {
    const offer = await media.offer(side, changes.agreed(side), bridge.leg(side).sip.remoteTag);
    const answer = await changes.reinvite(peer, offer);
    if (answer.status >= 300) throw new Error(`re-INVITE was answered with ${answer.status}`);
    await media.answer(peer, answer.body, bridge.leg(peer).sip.remoteTag);
  } catch (error) {
    void bridge.end(`media was not given back: ${error instanceof Error ? error.message : error}`);
  }
}

/** How {@link pickUp} ended. The caller of a call that was not picked up is hung up, or `isAnswered` is false. */
export type PickUp =
  | { ok: true; legs: TwoLegs; callersSdp: string }
  | { ok: false; result: TakeOver; isAnswered: boolean; error: unknown };

/**
 * Gives a call that rings to another telephone (RFC 3891 §3, early dialogs): the caller is answered, without media at first, since what he offered
 * was for those who rang; then offered the new telephone's. Those who rang have been cancelled before. Never rejects.
 */
export async function pickUp(call: RingingCall, leg: TakingLeg): Promise<PickUp> {
  const { media, lost, stack, request, response, callersTag } = call;
  const spare = media.spare();
  const gone = new AbortController();
  let caller: SipDialog | undefined;
  try {
    assertWanted(leg, gone.signal);
    const headers = { ...call.headers, 'Content-Type': 'application/sdp' };
    const accepted = acceptCall({ stack, request, response, localTag: callersTag }, withoutMedia(call.offer), headers);
    const answered = await whileConnected(accepted, lost, ACK_DEADLINE_MS);
    caller = answered;
    answered.on('destroy', () => gone.abort());
    await acked(answered, lost);
    const { dialog, agreed } = await new Joining(call, leg, {
      session: spare.session,
      side: 'b',
      over: gone.signal,
      peer: answered,
      reinvite: (sdp) => reinvite(answered, sdp, { lost }),
    }).run();
    spare.use();
    return { ok: true, legs: { caller: answered, callee: dialog }, callersSdp: agreed.a };
  } catch (error) {
    await spare.drop();
    const isAnswered = caller !== undefined;
    if (caller) void hangUp(caller, {}, lost);
    if (lost.aborted) return { ok: false, result: { status: 0, why: 'SIP server lost' }, isAnswered, error };
    const result = gone.signal.aborted ? refuse(leg, 603, 'the call has ended') : refuseFor(leg, error);
    return { ok: false, result, isAnswered, error };
  }
}

/** The ACK of a caller who was answered just now. */
function acked(caller: SipDialog, lost: AbortSignal): Promise<SipRequest> {
  const ack = new Promise<SipRequest>((resolve, reject) => {
    caller.once('ack', resolve);
    caller.on('destroy', () => reject(new NoResponseError('the peer hung up before its ACK')));
    caller.queueRequests = false;
  });
  return whileConnected(ack, lost, ACK_DEADLINE_MS);
}

/** An answer that takes the first codec of each stream and sends and receives nothing (RFC 3264 §6.1, §8.4). */
function withoutMedia(offer: string): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 'c=IN IP4 0.0.0.0', 't=0 0'];
  for (const section of offer.split(/\r?\n(?=m=)/).slice(1)) {
    const [, kind = '', protocol = '', format = ''] = /^m=(\S+) \S+ (\S+) (\S+)/.exec(section) ?? [];
    const about = section.split(/\r?\n/).filter((line) => line.startsWith(`a=rtpmap:${format} `));
    lines.push(`m=${kind} 9 ${protocol} ${format}`, ...about, 'a=inactive');
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** How a new leg is joined to the side that stays. */
interface JoiningOptions {
  session: MediaSession;
  /** The new leg's side. */
  side: Side;
  over: AbortSignal;
  peer: SipDialog;
  reinvite(sdp: string): Promise<SipResponse>;
}

/** The new leg, answered; its requests are kept. */
interface Join {
  dialog: SipDialog;
  /** The SDP that each side gave. */
  agreed: Record<Side, string>;
}

/** One leg that is joined to the side of a call that stays, by offer and answer through a session of its own at the relay. */
class Joining {
  /** The other side has been told of the new media. */
  hasMoved = false;

  constructor(
    private readonly call: Joined,
    private readonly leg: TakingLeg,
    private readonly options: JoiningOptions,
  ) {}

  run(): Promise<Join> {
    return this.leg.offer ? this.#withOffer(this.leg.offer) : this.#withoutOffer();
  }

  async #withOffer(legSdp: string): Promise<Join> {
    const { session, side, over, peer } = this.options;
    const offer = await session.offer(side, legSdp, this.leg.callerTag);
    assertWanted(this.leg, over);
    const answer = await unless(over, this.options.reinvite(offer));
    if (answer.status >= 300) throw new PeerRefusedError(answer.status);
    this.hasMoved = true;
    const localSdp = await session.answer(otherSide(side), answer.body, peer.sip.remoteTag);
    assertWanted(this.leg, over);
    const dialog = await this.#accept(localSdp);
    return { dialog, agreed: agreed(side, legSdp, answer.body) };
  }

  /** The side that stays is asked for its offer, which the ACK of the new leg answers (RFC 3261 §13.2.1, §14.1). */
  async #withoutOffer(): Promise<Join> {
    const { session, side, over, peer } = this.options;
    const { lost } = this.call;
    const { response, ack } = await unless(
      over,
      askForOffer(peer, { ...REPLACED, Contact: peer.local.contact }, { lost }),
    );
    if (!ack) throw new PeerRefusedError(response.status < 300 ? 500 : response.status);
    let dialog: SipDialog | undefined;
    try {
      if (!response.body) throw new RelayRefusedError('the other side made no offer');
      const offer = await session.offer(otherSide(side), response.body, peer.sip.remoteTag);
      assertWanted(this.leg, over);
      dialog = await this.#accept(offer);
      const { body } = await unless(over, acked(dialog, lost));
      if (!body) throw new NoResponseError('ACK without SDP');
      dialog.queueRequests = true;
      const answer = await session.answer(side, body, this.leg.callerTag);
      ack(answer);
      peer.local.sdp = answer;
      return { dialog, agreed: agreed(side, body, response.body) };
    } catch (error) {
      // As it was: nothing has moved.
      ack(peer.local.sdp);
      if (dialog) void hangUp(dialog, {}, lost);
      throw error;
    }
  }

  async #accept(sdp: string): Promise<SipDialog> {
    const { stack, localTag, lost } = this.call;
    const { request, response } = this.leg;
    const headers = { ...this.leg.headers, 'Content-Type': 'application/sdp' };
    const accepted = acceptCall({ stack, request, response, localTag }, sdp, headers);
    return unless(this.options.over, accepted).catch((error: unknown) => {
      // It may still come, and is hung up then; that it never does is no news: the caller of this function is told the first error.
      accepted.then((late) => hangUp(late, {}, lost)).catch(() => {});
      throw error;
    });
  }
}

const agreed = (side: Side, own: string, others: string): Record<Side, string> =>
  side === 'a' ? { a: own, b: others } : { a: others, b: own };

function assertWanted({ abandoned }: TakingLeg, over: AbortSignal): void {
  if (over.aborted || abandoned.aborted) throw new TakeOverGoneError('nobody waits any more');
}

/** Rejects as soon as the signal aborts. */
function unless<T>(over: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onOver = (): void => reject(new TakeOverGoneError('the call has ended'));
    if (over.aborted) onOver();
    over.addEventListener('abort', onOver, { once: true });
    work.then(resolve, reject).finally(() => over.removeEventListener('abort', onOver));
  });
}

function refuseFor(leg: TakingLeg, error: unknown): TakeOver {
  if (leg.abandoned.aborted) return { status: 487, why: 'CANCEL' };
  const why = error instanceof Error ? error.message : String(error);
  return refuse(leg, error instanceof PeerRefusedError && error.status !== 488 ? 500 : 488, why);
}

function refuse({ response }: TakingLeg, status: number, why: string, headers: SipHeaders = {}): TakeOver {
  respond(response, status, undefined, { headers });
  return { status, why };
}
