import { randomBytes } from 'node:crypto';
import type { TerminationReason } from '../events/types.js';
import { BranchedMedia } from '../media-relay/branched-media.js';
import { RelayRefusedError } from '../media-relay/errors.js';
import { profileOf } from '../media-relay/media-profile.js';
import type { Side } from '../media-relay/media-relay.js';
import { CallRecording } from '../siprec/call-recording.js';
import { Bridge, type BridgeEnd } from './bridge.js';
import { BridgeWatch, PLATFORM_FAILURE, partyAt } from './bridge-watch.js';
import type { BridgedCallContext, BridgedCallPlan } from './bridged-call-plan.js';
import type { CallJournal } from './call-journal.js';
import { outwardStatus, unrefreshed, whyOf } from './call-outcome.js';
import { failureOf } from './failure-reason.js';
import { reasonHeader } from './header-policy.js';
import { SIP_HEADERS } from './headers.js';
import { moveCall } from './move-call.js';
import { acceptedBye, orphanBye } from './orphans.js';
import { nameOf, RingingDialogs } from './outer-dialogs.js';
import { ELSEWHERE } from './place-fork.js';
import type { LegFailure, LegTarget } from './place-leg.js';
import { withHostOf } from './refer.js';
import { dialogName, type Replaces } from './replaces.js';
import { respond } from './respond.js';
import { otherSide } from './session-changes.js';
import type { SipDialog, SipResponse } from './stack.js';
import { pickUp, type TakeOver, type TakingLeg, takeOverSide } from './takeover.js';
import { type SetupObserver, type SetupResult, setUpTwoLegs, type TwoLegs } from './two-leg-setup.js';

const DRAINED = 'Q.850;cause=16;text="shutting down"';
/** Entries of the timeline for requests that were passed on: a flood within one call must not push the records of others out. */
const MAX_RELAYED_ENTRIES = 100;
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Connects a call and lives with it until its end. Resolves when everything it used is given back; never rejects. Whatever
 * happens, the caller gets an answer or a BYE, the media session is deleted and the record is written once.
 */
export class BridgedCall {
  readonly #media: BranchedMedia;
  readonly #lost: AbortSignal;
  #bridge: Bridge | undefined;
  #watches: BridgeWatch | undefined;
  /** From the first order on. */
  #recording: CallRecording | undefined;
  #recordingClosed: Promise<void> | undefined;
  #target: LegTarget | undefined;
  #drain: (() => void) | undefined;
  #stopping = false;
  readonly #ringing = new RingingDialogs();
  readonly #pickedUp = new AbortController();
  /** Another telephone's INVITE that takes the call while it rings. */
  #picking: { leg: TakingLeg; isDone: boolean; done(result: TakeOver): void } | undefined;
  #relayedRequests = 0;
  readonly #abort = new AbortController();
  /** Aborts when the call ends, before its legs are released. */
  readonly #ended = new AbortController();
  readonly #localTag: string;

  constructor(
    private readonly context: BridgedCallContext,
    private readonly plan: BridgedCallPlan,
  ) {
    this.#lost = context.link.lost;
    this.#localTag = plan.localTag ?? randomBytes(8).toString('hex');
    // Not the Call-ID: a proxy that forks sends several INVITEs with one. The call sid is there for whoever looks it up at rtpengine.
    const name = `${plan.journal.call.callSid};${this.#localTag}`;
    this.#media = new BranchedMedia((branch) => context.relay.session(branch === 0 ? name : `${name};${branch}`));
  }

  get journal(): CallJournal {
    return this.plan.journal;
  }

  /**
   * Whether this is the dialog with the outside; both tags must be right (RFC 3891 §3). `ringing`: one of those that we called and that has not
   * answered; a caller who is not answered yet is not to be replaced.
   */
  holds(replaces: Replaces): 'answered' | 'ringing' | null {
    const bridge = this.#bridge;
    if (!bridge) return this.#ringing.has(replaces) ? 'ringing' : null;
    return nameOf(bridge.leg(this.#outer)) === dialogName(replaces) ? 'answered' : null;
  }

  /**
   * Puts another leg in the place of the one with the outside, see {@link takeOverSide}, or has it take the call that rings, see {@link pickUp}; the record goes
   * on. Never rejects.
   */
  async takeOver(leg: TakingLeg): Promise<TakeOver> {
    const bridge = this.#bridge;
    if (!bridge) {
      if (this.#picking || this.journal.ended || this.#ringing.names.length === 0)
        return { status: respond(leg.response, 481), why: 'the call does not ring' };
      return new Promise((resolve) => {
        const picking = {
          ...{ leg, isDone: false },
          done: (result: TakeOver): void => {
            picking.isDone = true;
            resolve(result);
          },
        };
        this.#picking = picking;
        this.#pickedUp.abort(ELSEWHERE);
      });
    }
    const over = this.#ended.signal;
    const call = { ...this.#joined(), bridge, side: this.#outer, over };
    return this.#orphaned(leg, call.localTag, await takeOverSide(call, leg));
  }

  get #outer(): Side {
    return otherSide(this.plan.watchedSide);
  }

  #joined() {
    const localTag = randomBytes(8).toString('hex');
    return { stack: this.context.link.stack, media: this.#media, lost: this.#lost, localTag };
  }

  /** The 200 of a leg may have left before the SIP server died, and the bridge knows nothing of the dialog. */
  #orphaned(leg: TakingLeg, localTag: string, result: TakeOver): TakeOver {
    if (result.status !== 200 && this.#lost.aborted)
      this.context.orphans.add(acceptedBye(leg.request, localTag, PLATFORM_FAILURE));
    return result;
  }

  /** Whoever wants to take the call while it rings must hear something. Does nothing when that was told already. */
  #refusePicking(): void {
    if (!this.#picking || this.#picking.isDone) return;
    const { leg, done } = this.#picking;
    const status = this.#lost.aborted ? 0 : respond(leg.response, 603);
    done({ status, why: 'the call has ended' });
  }

  async #pickUp({ leg, done }: { leg: TakingLeg; done(result: TakeOver): void }): Promise<void> {
    const { plan } = this;
    const { request, response, offer } = plan;
    const joined = this.#joined();
    const headers = plan.responseHeaders?.(leg.request) ?? {};
    const picked = await pickUp({ ...joined, request, response, offer, callersTag: this.#localTag, headers }, leg);
    if (picked.ok) {
      done({ status: 200 });
      await this.#live(picked.legs, picked.callersSdp);
      return;
    }
    done(this.#orphaned(leg, joined.localTag, picked.result));
    const why = `the call was picked up and lost: ${picked.result.why ?? ''}`;
    if (!picked.isAnswered && !this.#lost.aborted) this.#refuse(480, 'Temporarily Unavailable', why);
    else {
      if (this.#lost.aborted) this.context.orphans.add(acceptedBye(request, this.#localTag, PLATFORM_FAILURE));
      this.#end(500, 'Server Internal Error', this.#lost.aborted ? 'platform failure' : 'failed', why);
    }
  }

  async run(): Promise<void> {
    const { plan, context } = this;
    context.calls.add(this);
    plan.counted?.();
    plan.abandoned.addEventListener('abort', () => this.#abort.abort(plan.abandoned.reason), { once: true });
    try {
      const result = await setUpTwoLegs({
        stack: context.link.stack,
        request: plan.request,
        response: plan.response,
        offer: plan.offer,
        callerTag: plan.callerTag,
        localTag: this.#localTag,
        media: this.#media,
        nextTarget: (failure) => plan.nextTarget(failure),
        responseHeaders: (response) => plan.responseHeaders?.(response) ?? {},
        abandoned: plan.abandoned.aborted ? plan.abandoned : this.#abort.signal,
        pickedUp: this.#pickedUp.signal,
        lost: this.#lost,
        answerMs: context.answerMs,
        observer: this.#observer(),
      });
      if (result.ok) {
        this.#refusePicking();
        await this.#live(result.legs);
      } else if (result.kind === 'picked-up' && this.#picking) await this.#pickUp(this.#picking);
      else {
        this.#refusePicking();
        this.#failed(result);
      }
    } catch (error) {
      this.journal.logger.error({ err: error }, 'call failed');
      respond(plan.response, 500);
      this.#end(500, 'Server Internal Error', 'failed', textOf(error));
    } finally {
      this.#refusePicking();
      this.#watches?.close();
      await this.#media.delete();
      // A process that ends must have said its BYE; else nobody waits for a recording server.
      if (this.#stopping) await this.#recordingClosed;
      context.calls.remove(this);
    }
  }

  /** Ends the call because the process stops. */
  stop(): void {
    this.#stopping = true;
    if (this.#bridge) {
      this.#drain?.();
      return;
    }
    respond(this.plan.response, 503, undefined, { headers: reasonHeader('shutting down') });
    this.#abort.abort({});
  }

  abandon(): void {
    if (this.#bridge) void this.#bridge.abandon('the edge was shut down');
    else this.#end(500, 'Server Internal Error', 'platform failure', 'the edge was shut down');
  }

  #observer(): SetupObserver {
    const { timeline } = this.journal;
    const own = this.plan.observer;
    return {
      trying: (target: LegTarget) => {
        this.#target = target;
        this.journal.placedOn(target.name);
        own?.trying?.(target);
      },
      sent: (target: LegTarget, sipCallId: string) => {
        // By its Call-ID the messages of the leg are found (api-server's call-history/sip-captures.ts).
        timeline.info('routing', `INVITE to ${target.name}`, {
          target: target.name,
          uri: target.uri,
          proxy: target.proxy,
          sipCallId,
        });
      },
      progress: (target: LegTarget, response: SipResponse) => {
        const { status, reason, body } = response;
        own?.progress?.(target, response);
        timeline.info('sip', `${status} ${reason} from ${this.plan.farEnd}`, { status, earlyMedia: Boolean(body) });
        // Without the caller's offer there is nothing to offer anybody else.
        if (!this.plan.mayBePickedUp || !this.plan.offer) return;
        if (this.#ringing.add(response)) this.journal.dialogs(this.#ringing.names);
      },
      answered: (target: LegTarget, response: SipResponse) => {
        this.#target = target;
        if (!this.#pickedUp.signal.aborted) this.#ringing.clear();
        own?.answered?.(target, response);
      },
      failed: (target: LegTarget, failure: LegFailure) => {
        if (own?.failed) return own.failed(target, failure);
        const { kind, status, reason, headers } = failure;
        timeline.warn('routing', `${target.name} failed: ${status} ${reason}`, {
          target: target.name,
          kind,
          status,
          reason: headers['X-Reason'] ?? reason,
        });
      },
    };
  }

  #failed(result: Exclude<SetupResult, { ok: true }>): void {
    const { plan, journal } = this;
    switch (result.kind) {
      case 'abandoned':
        if (plan.abandoned.aborted) {
          journal.timeline.info('sip', 'CANCEL from the caller: 487 Request Terminated');
          this.#end(487, 'Request Terminated', 'caller abandoned');
        } else {
          this.#end(503, 'Service Unavailable', 'platform failure', 'the edge was shut down');
        }
        break;
      case 'lost':
        // The INVITE's transaction died with the SIP server; nothing can answer it any more.
        if (result.callee) this.context.orphans.add(orphanBye(result.callee, PLATFORM_FAILURE));
        if (result.accepted) this.context.orphans.add(acceptedBye(plan.request, this.#localTag, PLATFORM_FAILURE));
        this.#end(500, 'Server Internal Error', 'platform failure', 'connection to the SIP server lost');
        break;
      case 'media':
        this.#mediaFailed(result.error);
        break;
      case 'picked-up':
      case 'caller':
        this.#refuse(500, 'Server Internal Error', 'error' in result ? textOf(result.error) : 'picked up by nobody');
        break;
      case 'target':
        this.#targetFailed(result.failure);
    }
  }

  #mediaFailed(error: unknown): void {
    const message = textOf(error);
    this.journal.timeline.error('media', message, { relay: this.context.relay.description });
    if (error instanceof RelayRefusedError) {
      this.#refuse(488, 'Not Acceptable Here', message);
      return;
    }
    this.journal.alert({
      alertType: 'media-relay-unavailable',
      message: 'media relay does not answer: calls are refused',
      detail: `${this.context.relay.description}: ${message}`,
    });
    this.#refuse(480, 'Temporarily Unavailable', 'media relay not available');
  }

  #targetFailed(failure: LegFailure): void {
    const { status, reason } = failure;
    const why =
      failure.headers['X-Reason'] ?? (failure.kind === 'refused' ? undefined : whyOf(failure, this.plan.farEnd));
    const isOutbound = this.#outer === 'b';
    const headers = {
      ...failure.headers,
      ...(why ? reasonHeader(why) : {}),
      ...(isOutbound && failure.callId !== undefined && { [SIP_HEADERS.outerCallId]: failure.callId }),
    };
    const outward = this.plan.outwardStatus?.(failure) ?? outwardStatus(failure);
    const sent = respond(this.plan.response, outward, outward === status ? reason : undefined, { headers }) || outward;
    this.#end(sent, sent === status ? reason : 'Service Unavailable', 'failed', why);
  }

  #refuse(status: number, reason: string, why: string): void {
    respond(this.plan.response, status, reason, { headers: reasonHeader(why) });
    this.#end(status, reason, 'failed', why);
  }

  /** @param callersSdp - what the caller gave last, where that is not what came with the INVITE */
  async #live(legs: TwoLegs, callersSdp?: string): Promise<void> {
    const { journal, context, plan } = this;
    journal.answeredNow(nameOf(this.#outer === 'a' ? legs.caller : legs.callee));
    journal.timeline.info('sip', `200 OK from ${plan.farEnd}: call connected`, { relay: context.relay.description });
    await new Promise<void>((resolve) => {
      const bridge = new Bridge(legs, {
        media: this.#media,
        lost: this.#lost,
        observer: {
          relayed: (from, method, status, detail) => {
            this.#relayed(from, method, status, detail);
            if (status < 300 && /^(INVITE|UPDATE)$/.test(method)) this.#recording?.mediaChanged();
          },
          replaced: (side, dialog) => {
            const sipCallId = dialog.sip.callId;
            journal.timeline.info('sip', `another leg takes the place of the ${partyAt(side)}'s`, { sipCallId });
            journal.dialogs([nameOf(dialog)]);
            this.#recording?.mediaChanged();
          },
        },
        inner: plan.watchedSide,
        isRelaying: context.relay.isRelaying,
        isRecorded: () => this.#recording?.leg !== undefined,
        ...(callersSdp === undefined && this.#mayBypass() && { renewMedia: () => this.#media.renew() }),
        refer: {
          ...(plan.refer ??
            (this.#outer === 'b'
              ? { referTo: (uri) => withHostOf(uri, plan.calledUri?.() ?? legs.callee.req.uri) }
              : {})),
          move: (uri, address) => this.#move(uri, address),
        },
        record: (request) => {
          this.#recording ??= this.#newRecording();
          return this.#recording.order(request);
        },
        onEnd: (end) => {
          this.#bridgeEnded(end);
          // `closed` is set right after this returns.
          queueMicrotask(() => void bridge.closed.then(resolve));
        },
      });
      this.#bridge = bridge;
      if (callersSdp !== undefined) {
        bridge.changes.replaced('a', callersSdp);
        legs.callee.queueRequests = false;
      }
      this.#drain = () => void bridge.end('the edge was shut down', { Reason: DRAINED });
      this.#watch(bridge, legs);
      if (this.#stopping) this.#drain();
    });
  }

  /** Whether the far end may talk past the relay: it then hears from the other one what nobody translates. */
  #mayBypass(): boolean {
    const { relay, allowsBypass } = this.context;
    if (!relay.isRelaying) return true;
    const far = this.#outer === 'b' ? this.#target?.media : undefined;
    const isPlain = !far || (far.profile === 'plain' && far.codecs.length === 0 && far.keys === undefined);
    return allowsBypass && isPlain && (this.#outer === 'b' || profileOf(this.plan.offer) === 'plain');
  }

  #newRecording(): CallRecording {
    const { link, siprec } = this.context;
    return new CallRecording({
      ...{ ...siprec, stack: link.stack, lost: this.#lost, over: this.#ended.signal },
      ...{ media: this.#media, outer: this.#outer, journal: this.journal },
    });
  }

  #watch(bridge: Bridge, legs: TwoLegs): void {
    const { plan, journal } = this;
    const watched = plan.watchedSide === 'a' ? legs.caller : legs.callee;
    const recorder = (): SipDialog | undefined => this.#recording?.leg;
    this.#watches = new BridgeWatch(this.context, {
      ...{ bridge, journal, recorder },
      media: this.#media,
      inner: plan.watchedSide,
    });
    this.#watches.inner(watched, this.#target && plan.watched?.(this.#target));
  }

  /** Gives the feature server's side of the call to another one, as that asked by REFER; null when it is done, or why not. */
  async #move(uri: string, address: string): Promise<string | null> {
    const { context, plan, journal } = this;
    const bridge = this.#bridge;
    const server = context.featureServerAt(address);
    if (!bridge || !server) return 'no feature server is there';
    const { instanceId: name } = server;
    const { accountSid, callSid } = journal.call;
    const target = {
      name,
      uri,
      headers: {
        [SIP_HEADERS.callSid]: callSid,
        ...(accountSid !== null && { [SIP_HEADERS.accountSid]: accountSid }),
        'Content-Type': 'application/sdp',
      },
    };
    const moved = await moveCall(
      {
        ...{ bridge, inner: plan.watchedSide, media: this.#media, isRelaying: context.relay.isRelaying },
        ...{ stack: context.link.stack, lost: this.#lost, over: this.#ended.signal },
      },
      target,
    );
    if (!moved.ok) {
      journal.timeline.warn('routing', `the call was not moved to ${name}: ${moved.why}`, { target: name });
      return moved.why;
    }
    journal.timeline.info('routing', `the call was moved to ${name}`, { target: name });
    journal.placedOn(name);
    if (!bridge.ended) this.#watches?.inner(moved.dialog, name);
    return null;
  }

  #relayed(from: Side, method: string, status: number, detail: Record<string, unknown>): void {
    const text = `${method} from the ${partyAt(from)}: ${status}`;
    const { timeline } = this.journal;
    this.#relayedRequests++;
    if (this.#relayedRequests > MAX_RELAYED_ENTRIES) return;
    if (status >= 400) timeline.warn('sip', text, { method, status, ...detail });
    else timeline.info('sip', text, { method, status, ...detail });
  }

  #bridgeEnded(end: BridgeEnd): void {
    this.#ended.abort();
    this.#recordingClosed = this.#recording?.close();
    this.#watches?.stop();
    const untold = this.#relayedRequests - MAX_RELAYED_ENTRIES;
    if (untold > 0) this.journal.timeline.info('sip', `${untold} more requests were passed on`, { count: untold });
    if (end.by === 'platform') {
      this.journal.timeline.error('call', end.why);
      this.#end(200, 'OK', 'platform failure', end.why);
      return;
    }
    // Anybody outside may write a Reason; only our own side's is a failure of ours.
    const failure = end.by === this.plan.watchedSide ? failureOf(end.reason) : null;
    if (failure !== null) {
      this.#watches?.suspect();
      this.journal.timeline.error('call', `feature server failed: ${failure}`, { reason: end.reason });
      this.#end(200, 'OK', 'platform failure', failure);
      return;
    }
    const cause = end.why === 'BYE' ? unrefreshed(end.reason) : end.why;
    if (cause === undefined) this.journal.timeline.info('sip', `BYE from the ${partyAt(end.by)}`);
    else this.journal.timeline.warn('sip', `the ${partyAt(end.by)} is gone: ${cause}`);
    this.#end(200, 'OK', end.by === 'a' ? 'caller hungup' : 'called party hungup', cause);
  }

  #end(status: number, reason: string, termination: TerminationReason, cause?: string): void {
    this.journal.endedNow({ status, reason, termination, ...(cause ? { cause } : {}) });
  }
}
