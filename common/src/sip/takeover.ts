import type { BranchedMedia } from '../media-relay/branched-media.js';
import type { Bridge } from './bridge.js';
import { hangUp } from './in-dialog.js';
import { respond } from './respond.js';
import type { SipHeaders, SipRequest, SipResponse, SipStack } from './stack.js';
import { acceptCall } from './two-leg-setup.js';

/** An INVITE that takes the place of a call's caller. */
export interface TakingLeg {
  request: SipRequest;
  response: SipResponse;
  /** From `watchCancel`. */
  abandoned: AbortSignal;
  /** Its SDP. */
  offer: string;
  callerTag: string;
  /** Go out with the 200. */
  headers: SipHeaders;
}

/** The call whose caller changes. */
export interface TakenCall {
  stack: SipStack;
  bridge: Bridge;
  media: BranchedMedia;
  /** Aborts when the call ends. */
  over: AbortSignal;
  lost: AbortSignal;
  localTag: string;
}

/** What became of it: the status that the taking leg got, and why when it was refused. */
export interface TakeOver {
  status: number;
  why?: string;
}

/** The call ended, or the taking leg gave up. */
class TakeOverGoneError extends Error {}

/**
 * Puts a new leg in the place of the caller's (RFC 3891 §3): the other side is re-invited with the new media, then the new leg is
 * answered and the old one gets a BYE. The new media has a session of its own at the relay; whatever fails, the call stays as it was.
 * Never rejects.
 */
export async function takeOverCaller(call: TakenCall, leg: TakingLeg): Promise<TakeOver> {
  const { bridge } = call;
  if (bridge.ended) return refuse(leg, 603, 'the call has ended');
  const outcome = await bridge.changes.exclusively(() => takeOver(call, leg));
  return outcome ?? refuse(leg, 500, 'the call is being changed', { 'Retry-After': '1' });
}

async function takeOver(call: TakenCall, leg: TakingLeg): Promise<TakeOver> {
  const { bridge, media, over, lost, stack, localTag } = call;
  const { changes } = bridge;
  const { request, response, abandoned } = leg;
  const spare = media.spare();
  let isMoved = false;
  try {
    const offer = await spare.session.offer('a', leg.offer, leg.callerTag);
    assertWanted(bridge, abandoned);
    const answer = await unless(over, changes.reinvite('b', offer));
    if (answer.status >= 300) {
      await spare.drop();
      if (answer.status === 481 || answer.status === 408)
        void bridge.end(`re-INVITE was answered with ${answer.status}`);
      return refuse(leg, answer.status === 488 ? 488 : 500, `the other side answered ${answer.status}`);
    }
    isMoved = true;
    const localSdp = await spare.session.answer('b', answer.body, bridge.leg('b').sip.remoteTag);
    assertWanted(bridge, abandoned);
    const headers = { ...leg.headers, 'Content-Type': 'application/sdp' };
    const accepted = acceptCall({ stack, request, response, localTag }, localSdp, headers);
    const dialog = await unless(over, accepted).catch((error: unknown) => {
      // It may still come, and is hung up then; that it never does is no news: the caller of this function is told the first error.
      accepted.then((late) => hangUp(late, {}, lost)).catch(() => {});
      throw error;
    });
    if (bridge.ended) {
      void hangUp(dialog, {}, lost);
      return { status: 200, why: 'the call ended at once' };
    }
    spare.use();
    bridge.replace('a', dialog, leg.offer);
    dialog.queueRequests = false;
    return { status: 200 };
  } catch (error) {
    await spare.drop();
    if (lost.aborted) return { status: 0, why: 'connection to the SIP server lost' };
    if (isMoved && !bridge.ended) await moveBack(call);
    if (bridge.ended) return refuse(leg, 603, 'the call has ended');
    if (abandoned.aborted) return { status: 487, why: 'CANCEL' };
    return refuse(leg, 488, error instanceof Error ? error.message : String(error));
  }
}

/** The other side hears the old caller again. */
async function moveBack({ bridge, media }: TakenCall): Promise<void> {
  const { changes } = bridge;
  try {
    const offer = await media.offer('a', changes.agreed('a'), bridge.leg('a').sip.remoteTag);
    const answer = await changes.reinvite('b', offer);
    if (answer.status >= 300) throw new Error(`re-INVITE was answered with ${answer.status}`);
    await media.answer('b', answer.body, bridge.leg('b').sip.remoteTag);
  } catch (error) {
    void bridge.end(`media was not given back to the caller: ${error instanceof Error ? error.message : error}`);
  }
}

function assertWanted(bridge: Bridge, abandoned: AbortSignal): void {
  if (bridge.ended || abandoned.aborted) throw new TakeOverGoneError('nobody waits any more');
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

function refuse({ response }: TakingLeg, status: number, why: string, headers: SipHeaders = {}): TakeOver {
  respond(response, status, undefined, { headers });
  return { status, why };
}
