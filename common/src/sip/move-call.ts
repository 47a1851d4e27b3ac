import type { MediaSession, Side } from '../media-relay/media-relay.js';
import type { Bridge } from './bridge.js';
import { reasonHeader } from './header-policy.js';
import { hangUp, sendInDialog } from './in-dialog.js';
import { isPending, type LegTarget, placeLeg } from './place-leg.js';
import { otherSide } from './session-changes.js';
import type { SipDialog, SipStack } from './stack.js';

/** A feature server that has the call in its hands already answers at once. */
const ANSWER_MS = 8_000;
const CONFIRM_MS = 5_000;
/** `X-Reason` of the BYE to a feature server whose call another one has from now on, and of the INFO to that one. */
export const MOVED = 'moved';
/** `X-Reason` of a BYE: the call goes on where it was, and the one who gets this has never had it. */
export const NOT_MOVED = 'not moved';

/** A connected call of which one feature server is to take the place of another. */
export interface MovingCall {
  bridge: Bridge;
  /** The feature servers' side. */
  inner: Side;
  media: MediaSession;
  /** Whether media goes through a relay: the far end need not know then. */
  isRelaying: boolean;
  stack: SipStack;
  lost: AbortSignal;
  /** Aborts when the call ends. */
  over: AbortSignal;
}

/** What became of it. */
export type Move = { ok: true; dialog: SipDialog } | { ok: false; why: string };

/**
 * Calls another feature server and, when it answers, puts its leg in the place of the one that there is, which gets a BYE. The far end hears nothing of
 * it where a relay stands between, else a re-INVITE. Whatever fails leaves the call as it was. The new one is told by INFO that the call is its own. Never rejects.
 */
export async function moveCall(call: MovingCall, target: LegTarget): Promise<Move> {
  const moved = await call.bridge.changes.exclusively(() => move(call, target));
  return moved ?? { ok: false, why: 'the call is being changed' };
}

async function move(call: MovingCall, target: LegTarget): Promise<Move> {
  const { bridge, inner, stack, lost, over } = call;
  const offer = bridge.leg(inner).local.sdp;
  if (!offer) return { ok: false, why: 'the call has no SDP' };
  const placed = await placeLeg(stack, target, offer, { answerMs: ANSWER_MS, abandoned: over, lost }, () => {});
  if (!placed.ok) {
    const { status, reason, headers } = placed.failure;
    return { ok: false, why: headers['X-Reason'] ?? `${status} ${reason}` };
  }
  const dialog = placed.leg;
  if (isPending(dialog)) return { ok: false, why: 'no answer to the offer' };
  dialog.queueRequests = true;
  try {
    await connect(call, dialog);
    if (bridge.ended || over.aborted) throw new Error('the call has ended');
  } catch (error) {
    void hangUp(dialog, reasonHeader(NOT_MOVED), lost);
    if (!bridge.ended) await bridge.changes.restore(inner);
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
  dialog.local.sdp = offer;
  bridge.replace(inner, dialog, dialog.remote.sdp, reasonHeader(MOVED));
  dialog.queueRequests = false;
  // Whether it has heard of it or not, it has the call: the watch on its dialog tells where it does not.
  sendInDialog(dialog, { method: 'INFO', headers: reasonHeader(MOVED) }, { lost, deadlineMs: CONFIRM_MS }).catch(
    () => {},
  );
  return { ok: true, dialog };
}

/** Has the new leg and the far end hear each other. */
async function connect({ bridge, inner, media, isRelaying }: MovingCall, dialog: SipDialog): Promise<void> {
  const far = otherSide(inner);
  const { changes } = bridge;
  media.keepTag(inner);
  const sdp = await media.offer(inner, dialog.remote.sdp, dialog.sip.remoteTag);
  if (isRelaying) {
    await media.answer(far, changes.agreed(far), bridge.leg(far).sip.remoteTag);
    return;
  }
  const answer = await changes.reinvite(far, sdp);
  if (answer.status >= 300) throw new Error(`the far end answered ${answer.status} to its re-INVITE`);
}
