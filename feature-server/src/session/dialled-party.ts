import { CallGoneError } from '../errors.js';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import { withCodecs } from '../sip/chosen-codecs.js';
import type { DialledParty, DialOptions, LegVerbs } from '../verbs/call-dial.js';
import type { CallMedia, TransferHandler, TransferOptions } from '../verbs/verb.js';
import type { LeavingLeg } from './adulting.js';
import type { SessionDialogOptions } from './call-dialog.js';
import { joinMedia } from './caller-as-party.js';
import type { ChildCall } from './child-calls.js';
import type { DialCaller, DialledUser, Dialler, DialOutcome, DialTarget, PlacedLeg } from './dialler.js';
import { HoldNews } from './hold-news.js';
import type { Journal } from './journal.js';
import { LegMedia } from './leg-media.js';
import { LegSeat } from './leg-seat.js';
import type { PlacedLegVerbs } from './leg-verbs.js';
import { MediaProblems } from './media-problems.js';
import type { TalkEnd } from './talk-path.js';
import type { Telephone } from './talks.js';
import { takeRefers } from './transfer-target.js';

const TERMINATED = { ok: false, status: 487, reason: 'Request Terminated' } as const;

/** What a {@link Party} needs of the call that places it. */
export interface PartyOptions {
  dialler: Dialler;
  mediaServer: MediaServer;
  /** Of the call that dials. */
  journal: Journal;
  /** The call that dials, as it is known now. */
  caller(): DialCaller;
  /** Whether the account has a user of this name. */
  isUser(name: string): boolean;
  /** Of the call that dials. */
  media: CallMedia;
  /** Makes what verbs on a leg need. */
  verbsOn(party: Party): PlacedLegVerbs;
}

/** Somebody whom a call has called: a leg and its media, from the INVITE to the end of both. */
export class Party implements DialledParty {
  readonly outcome: Promise<DialOutcome>;
  readonly ended: Promise<void>;
  readonly media: LegMedia;
  /** Where the leg sits at the media server. */
  readonly seat: LegSeat;
  #user: (DialledUser & { outerCallId: string | undefined }) | undefined;
  #leg: PlacedLeg | undefined;
  #ending: Promise<void> | undefined;
  #hasHungUp = false;
  #divertsKeys = false;
  readonly #hold = new HoldNews();
  readonly #problems: MediaProblems;
  #verbs: PlacedLegVerbs | undefined;
  #tellEnd: () => void = () => {};

  constructor(
    target: DialTarget,
    dial: DialOptions,
    /** The same leg as its status hooks, and who controls it, see it. */
    readonly child: ChildCall,
    private readonly options: PartyOptions,
    private readonly onReleased: () => void,
  ) {
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#problems = new MediaProblems(options.journal);
    this.seat = new LegSeat({
      server: options.mediaServer,
      callSid: this.callSid,
      leg: () => this.#leg,
      onMade: (endpoint) => this.#watch(endpoint),
    });
    this.media = new LegMedia({ seat: this.seat, hold: this.#hold, call: options.media });
    this.#takeCommands();
    this.outcome = this.#dial(target, dial).catch(async (err: unknown): Promise<DialOutcome> => {
      const reason = err instanceof Error ? err.message : String(err);
      options.journal.log.warn({ err, callSid: this.callSid }, 'a leg could not be placed');
      return this.#fail({ ok: false, status: 503, reason });
    });
  }

  get callSid(): string {
    return this.child.callSid;
  }

  get outerCallId(): string | undefined {
    return this.#user?.outerCallId ?? this.#leg?.outerCallId;
  }

  get isEnded(): boolean {
    return this.#ending !== undefined;
  }

  get endpoint(): MediaEndpoint | undefined {
    return this.seat.endpoint;
  }

  async anchor(): Promise<void> {
    if (this.seat.isReleased && !this.isEnded) await this.seat.allocate();
  }

  /** As one of two who talk with each other. */
  get asEnd(): TalkEnd {
    const { seat } = this;
    const needs = this.#divertsKeys ? 'keys are told to the callee by INFO' : undefined;
    return { seat, needs, request: (request) => this.dialog.request(request), isOver: () => this.isEnded };
  }

  /** The dialog with its far end, for requests beside those of the call. */
  get dialog(): SessionDialogOptions['leg'] {
    return {
      peerHost: this.#leg?.peerHost,
      request: async (request) => {
        if (!this.#leg || this.isEnded) throw new CallGoneError('the leg has no dialog');
        return this.#leg.request(request);
      },
      onRequest: (handler) => this.#leg?.onRequest(handler),
      // Its transfers are those of the `dial`.
      onRefer: () => {},
    };
  }

  get verbs(): LegVerbs {
    this.#verbs ??= this.options.verbsOn(this);
    return this.#verbs;
  }

  get telephone(): Telephone | undefined {
    const { accountSid } = this.options.caller();
    return this.#user && telephoneOf(accountSid, this.#user);
  }

  onTransfer(handler: TransferHandler | undefined, options: TransferOptions = {}): void {
    const { isUser, journal } = this.options;
    const transferor = () => ({ user: this.#user?.user, mayCallUsers: this.#user?.mayCallUsers ?? false });
    const note = (text: string): void => journal.timeline.info('sip', text, { callSid: this.callSid });
    this.#leg?.onRefer(handler && takeRefers({ who: 'callee', transferor, isUser, note }, handler, options));
  }

  async join(other: DialledParty): Promise<void> {
    await joinMedia(this, other);
  }

  end(headers: Record<string, string> = {}): Promise<void> {
    this.#ending ??= this.#end(headers);
    return this.#ending;
  }

  /** The answered leg leaves, to become a call of its own: it is over for whoever talks with it. Undefined where it is not there (any more). */
  leave(): LeavingLeg | undefined {
    const leg = this.#leg;
    const { endpoint } = this.seat;
    if (!leg || !endpoint || this.isEnded || this.child.info.progress.status !== 'in-progress') return undefined;
    this.#ending = this.#verbs?.close() ?? Promise.resolve();
    leg.onRefer(undefined);
    leg.onRequest(undefined);
    this.media.close();
    this.#tellEnd();
    this.onReleased();
    return { leg, endpoint, child: this.child };
  }

  /** What can be done to the leg at any time. */
  #takeCommands(): void {
    const { commands, info } = this.child;
    commands.on('hangup', ({ headers }) => {
      void this.end(headers);
      return { ok: true };
    });
    commands.on('call:status', ({ callStatus }) => {
      const isAnswered = info.answeredAt !== undefined;
      if ((callStatus === 'completed') !== isAnswered) {
        const reason = isAnswered ? 'the leg is answered' : 'the leg is not answered';
        return { ok: false, because: 'wrong state', reason };
      }
      void this.end();
      return { ok: true };
    });
  }

  async #end(headers: Record<string, string>): Promise<void> {
    this.#tellEnd();
    if (this.child.info.answeredAt !== undefined) this.child.ended('jambonz');
    await this.#leg?.end(headers);
    // Whoever gave up does not wait for what the far end says to it.
    this.child.refused(TERMINATED);
    await this.#verbs?.close();
    await this.seat.close();
    this.onReleased();
  }

  #offer(localSdp: string, codecs: readonly string[] | undefined): string {
    if (codecs === undefined || codecs.length === 0) return localSdp;
    const offer = withCodecs(localSdp, codecs);
    if (offer !== undefined) return offer;
    const text = `dial: codecs ${codecs.join(', ').slice(0, 100)} are not all offered by the media server: its own are`;
    this.options.journal.alert('invalid-app-payload', text);
    return localSdp;
  }

  #watch(endpoint: MediaEndpoint): void {
    endpoint.onDigit((digit) => this.media.pressed(digit));
    this.#problems.of(endpoint);
    endpoint.onLost(() => {
      this.child.lost();
      void this.end();
    });
  }

  async #fail(outcome: Extract<DialOutcome, { ok: false }>): Promise<DialOutcome> {
    this.child.refused(outcome);
    await this.end();
    return outcome;
  }

  async #dial(target: DialTarget, { answerMs, onProgress, ...dial }: DialOptions): Promise<DialOutcome> {
    const { dialler, caller } = this.options;
    const { child } = this;
    const endpoint = await this.seat.allocate();
    if (this.isEnded) return TERMINATED;
    const known = caller();
    const leg = dialler.place({
      target,
      caller: {
        ...known,
        ...(dial.callerId !== undefined && { from: dial.callerId }),
        ...(dial.callerName !== undefined && { displayName: dial.callerName }),
        ...(!dial.forwardsIdentity && { identity: {} }),
      },
      callSid: this.callSid,
      callId: child.callId,
      offer: this.#offer(endpoint.localSdp, dial.codecs),
      answerMs,
      onProgress: (status, sdp) => {
        child.progress(status, sdp);
        onProgress(status, sdp);
      },
    });
    this.#leg = leg;
    const outcome = await leg.outcome;
    if (!outcome.ok) return this.#fail(outcome);
    this.#user = outcome;
    this.#divertsKeys = outcome.sendKey !== undefined;
    child.answered(outcome);
    // Whoever ended it while it was being answered has told nobody yet.
    if (this.isEnded) child.ended('jambonz');
    child.mute = async (isMuted) => muteFarEnd(leg, this.media.endpoint(), isMuted);
    leg.onDigit((key, durationMs) => {
      const digit = { key, ...(durationMs !== undefined && { durationMs }) };
      this.media.pressed(digit);
      this.seat.passKey(digit);
    });
    leg.onModify(async (remoteSdp, isReplaced, parties, isAnswer) => {
      const localSdp = await (isAnswer ? this.seat.answered(remoteSdp) : this.seat.offered(remoteSdp));
      if (isReplaced) this.#user = undefined;
      this.#hold.offered(remoteSdp, parties);
      return localSdp;
    });
    leg.onEnd((end) => {
      this.#hasHungUp = true;
      if (end.how === 'bye') child.ended('caller', end.headers, end.reasonHeader);
      else child.lost();
      void this.end();
    });
    await Promise.race([takeUp(endpoint, outcome), this.ended]);
    // Who hangs up at once has answered all the same; otherwise the media server lost the leg, or nobody waits for it.
    if (this.isEnded && !this.#hasHungUp) return { ok: false, status: 503, reason: 'the leg was lost' };
    return outcome;
  }
}

/**
 * Keeps back what the far end of a leg says: the media server does not pass on its sound, nor the edge its keys, where it has them in its hands
 * (docs/interfaces.md).
 * @throws MediaServerError
 */
export async function muteFarEnd(
  leg: Pick<PlacedLeg, 'request'>,
  endpoint: MediaEndpoint,
  isMuted: boolean,
): Promise<void> {
  await endpoint.mute(isMuted);
  leg.request({ method: 'INFO', headers: {}, order: isMuted ? 'mute' : 'unmute' }).catch(() => {
    // The leg is over, or leads to no edge: its sound is kept back all the same.
  });
}

/** Gives the media of a leg what its far end answered. */
export async function takeUp(
  endpoint: MediaEndpoint,
  { sdp, sendKey }: Extract<DialOutcome, { ok: true }>,
): Promise<void> {
  if (sendKey) await endpoint.divertKeys(({ key, durationMs }) => sendKey(key, durationMs));
  await endpoint.modify(sdp);
}

/** The telephone of a user whose dialog the edge has told of; undefined where it has not, or it is nobody's. */
export function telephoneOf(
  accountSid: string,
  { user, outerCallId: callId, outerTags }: DialledUser & { outerCallId: string | undefined },
): Telephone | undefined {
  if (user === undefined || callId === undefined || !outerTags) return undefined;
  return { accountSid, user, dialog: { callId, ...outerTags } };
}
