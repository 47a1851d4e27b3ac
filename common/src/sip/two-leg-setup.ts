import { isDeepStrictEqual } from 'node:util';
import type { BranchedMedia } from '../media-relay/branched-media.js';
import { RelayRefusedError } from '../media-relay/errors.js';
import type { FarMedia } from '../media-relay/media-profile.js';
import { LinkLostError, NoResponseError } from './errors.js';
import { passableHeaders } from './header-policy.js';
import { hangUp, inheritProof } from './in-dialog.js';
import { placeFork } from './place-fork.js';
import { discard, isPending, type LegFailure, type LegLimits, type LegTarget, placeLeg } from './place-leg.js';
import { respond } from './respond.js';
import type { PendingDialog, SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './stack.js';

/** Both dialogs of a call that was answered. Requests of the caller are kept until a bridge has joined them. */
export interface TwoLegs {
  caller: SipDialog;
  callee: SipDialog;
}

/** How the set-up of a call ended. Only `abandoned` has been answered (487); for the rest the caller of this answers. */
export type SetupResult =
  | { ok: true; legs: TwoLegs; answer: SipResponse }
  | { ok: false; kind: 'target'; failure: LegFailure; target: LegTarget | null }
  | { ok: false; kind: 'media'; error: unknown }
  | { ok: false; kind: 'abandoned' }
  /** Nobody rings any more, the caller waits for what {@link Setup.pickedUp} brings. */
  | { ok: false; kind: 'picked-up' }
  /** `callee` was answered, `accepted` says that the 200 to the caller may be on the wire: both still want a BYE. */
  | { ok: false; kind: 'lost'; callee?: SipDialog; accepted?: boolean }
  | { ok: false; kind: 'caller'; error: unknown };

/** What a set-up tells while it goes on. */
export interface SetupObserver {
  /** An INVITE is to go out. */
  trying?(target: LegTarget): void;
  /** It went out, under this Call-ID. */
  sent?(target: LegTarget, sipCallId: string): void;
  /** The far end answered with 200; the caller has not been told yet. */
  answered?(target: LegTarget, response: SipResponse): void;
  /** A provisional response above 100 came from the far end. */
  progress?(target: LegTarget, response: SipResponse): void;
  /** An attempt failed; another one may follow. */
  failed?(target: LegTarget, failure: LegFailure): void;
}

/** What a set-up needs. */
export interface Setup {
  stack: SipStack;
  request: SipRequest;
  response: SipResponse;
  /** The caller's SDP; empty when the INVITE carries no offer. */
  offer: string;
  callerTag: string;
  /** Our tag in the caller's dialog: chosen by us, so that the dialog can be named even when its answer was lost. */
  localTag: string;
  media: BranchedMedia;
  /** The next place to try, given the last failure; null when there is none. Asked first without a failure. */
  nextTarget(failure?: LegFailure): LegTarget | null | Promise<LegTarget | null>;
  /** Headers of responses to the caller besides those that the far end sent in this one. */
  responseHeaders?(response: SipResponse): SipHeaders;
  abandoned: AbortSignal;
  /** Aborts when another telephone takes the call that rings; its reason may be the headers of the CANCEL to those who ring. */
  pickedUp?: AbortSignal;
  lost: AbortSignal;
  answerMs: number;
  observer: SetupObserver;
}

/** Media to a target that says nothing of it, after one that did. */
const PLAIN: FarMedia = { profile: 'plain', padCrypto: false, removeIce: false, dtlsOff: false, codecs: [] };
/** How long the caller has for its ACK with SDP; then our own SIP server ends the call as well (RFC 3261 §13.3.1.4). */
export const ACK_DEADLINE_MS = 32_000;

/**
 * Follows the caller's CANCEL: answers the INVITE with 487 at once and aborts; the signal's reason holds the headers that go
 * on with our CANCEL. Must be called before anything is awaited.
 */
export function watchCancel(request: SipRequest, response: SipResponse): AbortSignal {
  const controller = new AbortController();
  request.on('cancel', (cancel) => {
    const headers: SipHeaders = {};
    const reason = cancel?.get('Reason');
    if (reason) headers.Reason = reason;
    respond(response, 487);
    controller.abort(headers);
  });
  return controller.signal;
}

const sdpHeaders = (body: string): SipHeaders => (body ? { 'Content-Type': 'application/sdp' } : {});
const toTag = (message: SipResponse): string => message.getParsedHeader('to').params.tag ?? '';

/** Rejects when the control connection is lost or the time is over before the work is done. */
export function whileConnected<T>(work: Promise<T>, lost: AbortSignal, deadlineMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const onLost = (): void => reject(new LinkLostError('connection to the SIP server lost'));
    const timer = setTimeout(() => reject(new NoResponseError('no ACK', { elapsedMs: deadlineMs })), deadlineMs);
    if (lost.aborted) onLost();
    lost.addEventListener('abort', onLost, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      lost.removeEventListener('abort', onLost);
    });
  });
}

/** Passes the far end's provisional responses on, in order, one after the other. */
class ProvisionalRelay {
  #last: Promise<void> = Promise.resolve();
  /** What went wrong with early media; the call cannot go on then. */
  error: unknown;

  constructor(private readonly setup: Setup) {}

  pass(provisional: SipResponse): void {
    this.#last = this.#last.then(async () => {
      try {
        await this.#send(provisional);
      } catch (error) {
        this.error ??= error;
      }
    });
  }

  /** Resolves when everything that came so far has been passed on. */
  done(): Promise<void> {
    return this.#last;
  }

  async #send(provisional: SipResponse): Promise<void> {
    const { setup } = this;
    if (setup.response.finalResponseSent) return;
    const headers = { ...passableHeaders(provisional), ...setup.responseHeaders?.(provisional) };
    let body = '';
    // Without the caller's offer there is nothing that early media could answer.
    if (provisional.body && setup.offer) {
      body = await setup.media.answer('b', provisional.body, toTag(provisional));
    }
    respond(setup.response, provisional.status, provisional.reason, {
      headers: { ...headers, ...sdpHeaders(body), To: `;tag=${setup.localTag}` },
      ...(body ? { body } : {}),
    });
  }
}

/** Sets a call up: offers the caller's media to one target after the other until one answers, then answers the caller. */
export async function setUpTwoLegs(setup: Setup): Promise<SetupResult> {
  let offered: { sdp: string; media: LegTarget['media'] } | undefined;
  /** Whether the media's first branch may have been offered to a browser. */
  let hasForked = false;
  let failure: LegFailure | undefined;
  let last: LegTarget | null = null;
  for (;;) {
    const ended = over(setup);
    if (ended) return ended;
    const target = await setup.nextTarget(failure);
    const endedByNow = over(setup);
    if (endedByNow) return endedByNow;
    if (!target) {
      const none: LegFailure = { kind: 'gone', status: 480, reason: 'Temporarily Unavailable', headers: {} };
      return { ok: false, kind: 'target', failure: failure ?? none, target: last };
    }
    last = target;
    if (target.alongside && target.alongside.length > 0) {
      const fork = await tryFork(setup, [target, ...target.alongside]);
      if ('result' in fork) return fork.result;
      failure = fork.failure;
      last = fork.target;
      offered = undefined;
      hasForked = true;
      continue;
    }
    // One offer serves all targets whose media travels alike.
    if (setup.offer && (!offered || !isDeepStrictEqual(offered.media, target.media))) {
      try {
        const far = target.media ?? (offered || hasForked ? PLAIN : undefined);
        const sdp = await setup.media.offer('a', setup.offer, setup.callerTag, far);
        offered = { sdp, media: target.media };
      } catch (error) {
        return over(setup) ?? { ok: false, kind: 'media', error };
      }
      const endedMeanwhile = over(setup);
      if (endedMeanwhile) return endedMeanwhile;
    }
    const attempt = await tryTarget(setup, target, offered?.sdp);
    if ('result' in attempt) return attempt.result;
    failure = attempt.failure;
    setup.observer.failed?.(target, failure);
  }
}

function legLimits({ answerMs, lost, abandoned, pickedUp, observer }: Setup): LegLimits {
  return {
    answerMs,
    lost,
    abandoned: pickedUp ? AbortSignal.any([abandoned, pickedUp]) : abandoned,
    sent: (target, sipCallId) => observer.sent?.(target, sipCallId),
  };
}

/** Whether the caller or the SIP server has gone, or nobody is to ring any more. */
function over(setup: Setup): SetupResult | null {
  if (setup.lost.aborted) return { ok: false, kind: 'lost' };
  if (setup.abandoned.aborted) return { ok: false, kind: 'abandoned' };
  if (setup.pickedUp?.aborted) return { ok: false, kind: 'picked-up' };
  return null;
}

const lostWith = (leg: SipDialog | PendingDialog, accepted: boolean): SetupResult => ({
  ok: false,
  kind: 'lost',
  accepted,
  ...(isPending(leg) ? {} : { callee: leg }),
});

/**
 * Targets whose media travels alike share a branch of the media, and its offer. Those for whose media there is no offer (a browser without
 * rtpengine) are left out.
 *
 * @throws the media relay's error where there is an offer for nobody
 */
async function offerToAll(setup: Setup, targets: readonly LegTarget[]) {
  const branches: { media: LegTarget['media']; offer: string | undefined }[] = [];
  const errors: unknown[] = [];
  const indexOf = (target: LegTarget): number =>
    Math.max(
      0,
      branches.findIndex(({ media }) => isDeepStrictEqual(media, target.media)),
    );
  for (const { media } of setup.offer ? targets : []) {
    if (branches.some((branch) => isDeepStrictEqual(branch.media, media))) continue;
    const session = setup.media.branch(branches.length);
    const offer = await session.offer('a', setup.offer, setup.callerTag, media ?? PLAIN).catch((error: unknown) => {
      errors.push(error);
      return undefined;
    });
    branches.push({ media, offer });
  }
  const offerOf = (target: LegTarget): string | undefined => branches[indexOf(target)]?.offer;
  const [first, ...others] = setup.offer ? targets.filter((target) => offerOf(target) !== undefined) : targets;
  if (!first) throw errors[0];
  const reachable: readonly [LegTarget, ...LegTarget[]] = [first, ...others];
  return { indexOf, offerOf, reachable };
}

const NO_MEDIA: LegFailure = {
  kind: 'unsent',
  status: 488,
  reason: 'Not Acceptable Here',
  headers: { 'X-Reason': 'the media relay has no offer for its media' },
};

/** Rings several targets at once. Early media is not passed on: there would be one for each of them. */
async function tryFork(
  setup: Setup,
  targets: readonly [LegTarget, ...LegTarget[]],
): Promise<{ result: SetupResult } | { failure: LegFailure; target: LegTarget }> {
  const { observer } = setup;
  let offers: Awaited<ReturnType<typeof offerToAll>>;
  try {
    offers = await offerToAll(setup, targets);
  } catch (error) {
    return { result: over(setup) ?? { ok: false, kind: 'media', error } };
  }
  const ended = over(setup);
  if (ended) return { result: ended };
  const { reachable } = offers;
  for (const target of targets) {
    if (reachable.includes(target)) observer.trying?.(target);
    else observer.failed?.(target, NO_MEDIA);
  }
  const told = new Set<number>();
  const { target, result } = await placeFork(setup.stack, reachable, offers.offerOf, legLimits(setup), {
    onProvisional(from, response) {
      if (response.status <= 100) return;
      observer.progress?.(from, response);
      const status = response.body ? 180 : response.status;
      if (told.has(status)) return;
      told.add(status);
      const headers = { ...setup.responseHeaders?.(response), To: `;tag=${setup.localTag}` };
      respond(setup.response, status, undefined, { headers });
    },
    failed: (from, failure) => observer.failed?.(from, failure),
  });
  if (!result.ok) {
    const endedMeanwhile = over(setup);
    return endedMeanwhile ? { result: endedMeanwhile } : { failure: result.failure, target };
  }
  const { leg } = result;
  observer.answered?.(target, leg.res);
  setup.media.choose(offers.indexOf(target));
  if (setup.lost.aborted) return { result: lostWith(leg, false) };
  const gone = over(setup);
  if (gone) {
    discard(leg, setup.lost);
    return { result: gone };
  }
  return { result: await answerCaller(setup, leg) };
}

async function tryTarget(
  setup: Setup,
  target: LegTarget,
  offer: string | undefined,
): Promise<{ result: SetupResult } | { failure: LegFailure }> {
  setup.observer.trying?.(target);
  const provisionals = new ProvisionalRelay(setup);
  const placed = await placeLeg(setup.stack, target, offer, legLimits(setup), (provisional) => {
    if (provisional.status <= 100) return;
    setup.observer.progress?.(target, provisional);
    provisionals.pass(provisional);
  });
  await provisionals.done();
  if (!placed.ok) return over(setup) ? { result: over(setup)! } : { failure: placed.failure };
  const { leg } = placed;
  setup.observer.answered?.(target, leg.res);
  const ended = over(setup);
  const error = provisionals.error;
  if (setup.lost.aborted) return { result: lostWith(leg, false) };
  if (ended || error) {
    discard(leg, setup.lost);
    return { result: ended ?? { ok: false, kind: 'media', error } };
  }
  return { result: await answerCaller(setup, leg) };
}

async function answerCaller(setup: Setup, leg: SipDialog | PendingDialog): Promise<SetupResult> {
  const answer = leg.res;
  // Requests of the far end wait until the caller has its answer.
  if (!isPending(leg)) leg.queueRequests = true;
  let caller: SipDialog | undefined;
  let accepted = false;
  try {
    const sdp = await sdpForCaller(setup, leg);
    accepted = true;
    caller = await whileConnected(
      acceptCall(setup, sdp, { ...passableHeaders(answer), ...setup.responseHeaders?.(answer), ...sdpHeaders(sdp) }),
      setup.lost,
      ACK_DEADLINE_MS,
    );
    if (isPending(leg)) return { ok: true, legs: { caller, callee: await lateOffer(setup, leg, caller) }, answer };
    const callee = leg;
    caller.once('ack', () => {
      callee.queueRequests = false;
    });
    return { ok: true, legs: { caller, callee }, answer };
  } catch (error) {
    if (setup.lost.aborted) return lostWith(leg, accepted);
    discard(leg, setup.lost);
    if (caller) void hangUp(caller, {}, setup.lost);
    const kind = caller || !isMediaError(error) ? 'caller' : 'media';
    return over(setup) ?? { ok: false, kind, error };
  }
}

/**
 * Answers the caller with 200. Its requests are kept until `queueRequests` is set to false: ACK and re-INVITE may arrive together
 * with the confirmation that the 200 was sent, and drachtio-srf would answer what nobody listens for yet.
 */
export function acceptCall(
  setup: Pick<Setup, 'stack' | 'request' | 'response' | 'localTag'>,
  localSdp: string,
  passed: SipHeaders,
): Promise<SipDialog> {
  const { stack, request, response } = setup;
  const headers = { ...passed, To: `;tag=${setup.localTag}` };
  return new Promise((resolve, reject) => {
    stack.createUAS(request, response, { localSdp, headers }, (error, dialog) => {
      if (error || !dialog) {
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      dialog.queueRequests = true;
      resolve(dialog);
    });
  });
}

const isMediaError = (error: unknown): boolean =>
  error instanceof RelayRefusedError ||
  (error instanceof Error && 'code' in error && String(error.code).startsWith('media-relay/'));

function sdpForCaller(setup: Setup, leg: SipDialog | PendingDialog): Promise<string> {
  const sdp = isPending(leg) ? leg.sdp : leg.res.body;
  if (!sdp) return Promise.reject(new RelayRefusedError('the far end answered without SDP'));
  // Without an offer in the INVITE the far end's 200 is the offer, and the caller's ACK the answer (RFC 3261 §13.2.1).
  return isPending(leg) ? setup.media.offer('b', sdp, toTag(leg.res)) : setup.media.answer('b', sdp, toTag(leg.res));
}

async function lateOffer(setup: Setup, leg: PendingDialog, caller: SipDialog): Promise<SipDialog> {
  const acked = new Promise<SipRequest>((resolve, reject) => {
    caller.once('ack', resolve);
    caller.on('destroy', () => reject(new NoResponseError('the caller hung up before its ACK')));
    caller.queueRequests = false;
  });
  const ack = await whileConnected(acked, setup.lost, ACK_DEADLINE_MS);
  if (!ack.body) throw new NoResponseError('ACK without SDP');
  const sdp = await setup.media.answer('a', ack.body, setup.callerTag);
  const dialog = await whileConnected(leg.ack(sdp), setup.lost, ACK_DEADLINE_MS);
  inheritProof(leg, dialog);
  return dialog;
}
