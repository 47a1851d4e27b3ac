import { MediaServerError } from '../errors.js';
import { CallerAsParty } from '../session/caller-as-party.js';
import { joinTalks, type Talk } from '../session/talks.js';
import { reasonPhrase } from '../sip/header-value.js';
import type { DialledParty } from './call-dial.js';
import type { CallTransfer, TransferOptions, VerbContext } from './verb.js';

/** How long whom a user names may ring. */
const RING_MS = 60_000;

/** A transfer that may be done. */
type WantedTransfer = Required<Pick<CallTransfer, 'target' | 'notify'>>;

/** Begins something with a party; what it returns ends that. */
export type PartyFollower = (party: DialledParty) => () => void;

/**
 * What the caller of a `dial` and the party that answered have with each other until one of them leaves. Where they are users of the account both may
 * transfer the other (REFER), one transfer at a time: to somebody who is called then, or to whom they talk with in another call. When the callee does,
 * another party takes his place here.
 */
export class Conversation {
  /** Resolves when there is nobody left for the caller to talk with. */
  readonly over: Promise<void>;
  /** Asked for before the two are joined with somebody else: resolves when what only one of them hears is over. */
  beforeJoin: () => Promise<void> = async () => {};
  /** Resolves when the application has said what it wants of the transfer that it was asked about last: until then whom the caller talks with is kept. */
  asked: Promise<void> = Promise.resolve();
  readonly #bridged: Promise<void>;
  readonly #followers: { follow: PartyFollower; unfollow: () => void }[] = [];
  tellBridged: () => void = () => {};
  #tellOver: () => void = () => {};
  #party: DialledParty;
  #isTransferring = false;
  #isClosed = false;
  readonly #caller: Talk;
  #callee: Talk;
  readonly #unpublishCaller: () => void;
  #unpublishCallee: () => void;

  constructor(
    private readonly ctx: VerbContext,
    party: DialledParty,
    private readonly signal: AbortSignal,
    private readonly options: { caller: TransferOptions; callee: TransferOptions },
  ) {
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    this.#bridged = new Promise((resolve) => {
      this.tellBridged = resolve;
    });
    this.#party = party;
    this.#caller = this.#talkOfCaller();
    this.#unpublishCaller = ctx.dial.publish(this.#caller);
    ctx.call.onTransfer((asked) => this.#take(this.#caller, asked), options.caller);
    this.#callee = this.#talkOfCallee(party);
    this.#unpublishCallee = ctx.dial.publish(this.#callee);
    this.#follow(party);
  }

  /** Resolves when the two hear each other, or will not any more: after {@link tellBridged}. */
  get bridged(): Promise<void> {
    return this.#bridged.then(() => this.beforeJoin());
  }

  /** Follows whom the caller talks with: called for him now, and for each who takes his place; what it returns ends that. */
  onParty(follow: PartyFollower): void {
    this.#followers.push({ follow, unfollow: follow(this.#party) });
  }

  /** Whom the caller talks with now. */
  get party(): DialledParty {
    return this.#party;
  }

  /** Whether it is {@link over}, or about to be. */
  get isOver(): boolean {
    return this.#party.isEnded && !this.#isTransferring;
  }

  /** Takes no transfers any more, and gives up that which is under way; a callee whose caller has left him to another goes on waiting for him. */
  close(): void {
    this.#isClosed = true;
    for (const { unfollow } of this.#followers.splice(0)) unfollow();
    this.ctx.call.onTransfer(undefined);
    this.#unpublishCaller();
    this.#unpublishCallee();
    if (this.ctx.dial.owns(this.#party)) this.#party.onTransfer(undefined);
    this.tellBridged();
    this.#tellOver();
  }

  #talkOfCaller(): Talk {
    const { ctx } = this;
    const bridged = (): Promise<void> => this.bridged;
    return {
      get bridged() {
        return bridged();
      },
      // Another telephone may have taken its place.
      get telephone() {
        return ctx.dial.telephone;
      },
      goesOn: false,
      ...this.#both(),
      leave: () => {
        ctx.dial.giveAway(this.#party);
        return this.#party;
      },
      admit: () => {},
      release: () => ctx.call.hangup('the call was transferred'),
    };
  }

  #talkOfCallee(party: DialledParty): Talk {
    const { ctx } = this;
    const bridged = (): Promise<void> => this.bridged;
    return {
      get bridged() {
        return bridged();
      },
      get telephone() {
        return party.telephone;
      },
      goesOn: true,
      ...this.#both(),
      leave: () => ctx.dial.asParty({ ended: this.over, end: () => this.#tellOver() }),
      admit: (other) => {
        if (this.#isClosed) {
          void other.end();
          return;
        }
        ctx.dial.adopt(other);
        this.#replace(other);
      },
      release: () => void party.end(),
    };
  }

  #both(): Pick<Talk, 'callSid' | 'isClosed' | 'reserve' | 'note'> {
    const { call, journal } = this.ctx;
    return {
      callSid: call.callSid,
      isClosed: () => this.#isClosed,
      reserve: () => this.#reserve(),
      note: (text) => journal.timeline.info('call', text),
    };
  }

  #reserve(): (() => void) | undefined {
    const isHere = !this.signal.aborted && !this.#party.isEnded && this.ctx.dial.owns(this.#party);
    // A caller of another call lives as long as that one's talk with ours: neither can be given away.
    const isShared = this.#party instanceof CallerAsParty;
    if (this.#isTransferring || this.#isClosed || isShared || !isHere) return undefined;
    this.#isTransferring = true;
    return () => {
      this.#isTransferring = false;
      if (this.isOver) this.#tellOver();
    };
  }

  /** Another party takes the callee's place, who is left alone. */
  #replace(party: DialledParty): void {
    this.#unpublishCallee();
    this.#party.onTransfer(undefined);
    for (const { unfollow } of this.#followers) unfollow();
    this.#party = party;
    for (const one of this.#followers) one.unfollow = one.follow(party);
    this.#callee = this.#talkOfCallee(party);
    this.#unpublishCallee = this.ctx.dial.publish(this.#callee);
    this.#follow(party);
  }

  #follow(party: DialledParty): void {
    party.onTransfer((asked) => this.#take(this.#callee, asked), this.options.callee);
    void party.ended.then(() => {
      // A callee who transfers may hang up before it is done: many telephones do so as soon as their REFER is accepted.
      if (party === this.#party && this.isOver) this.#tellOver();
    });
  }

  #take(talk: Talk, asked: CallTransfer): boolean {
    const done = this.#reserve();
    if (!done) return false;
    void asked.notify(100, 'Trying');
    this.#transfer(talk, asked)
      .catch((err: unknown) => {
        this.ctx.journal.log.error({ err }, 'transfer failed');
        void asked.notify(500, 'Server Internal Error');
      })
      .finally(done);
    return true;
  }

  async #transfer(talk: Talk, asked: CallTransfer): Promise<void> {
    const { notify, refusal = 403 } = asked;
    if (asked.ask) {
      const taken = this.#askedFirst(talk, asked.ask(), notify);
      // What it failed with is told below; who waits wants to know only that it is over.
      this.asked = taken.then(
        () => undefined,
        () => undefined,
      );
      if (await taken) return;
    }
    const { target } = asked;
    if (!target) {
      await notify(refusal, reasonPhrase(refusal));
      return;
    }
    const other = this.ctx.dial.findTalk(target);
    // What this process does not know, another may.
    await (other ? this.#join(talk, other, { target, notify }) : this.#call(talk, { target, notify }));
  }

  /** Whether the application has taken a transfer in hand. He who asked for it hears so before he is released: a callee is, by the end of the `dial`. */
  async #askedFirst(talk: Talk, answer: Promise<boolean>, notify: CallTransfer['notify']): Promise<boolean> {
    if (!(await answer)) return false;
    await notify(200, 'OK');
    if (!talk.goesOn) talk.release();
    return true;
  }

  /** Lets those talk with each other with whom a user talks here and in another call. */
  async #join(own: Talk, other: Talk, { target, notify }: WantedTransfer): Promise<void> {
    const { timeline } = this.ctx.journal;
    const done = other.reserve();
    if (!done) {
      timeline.warn('call', `transfer into ${target.address} failed: it is being transferred itself`);
      void notify(491, 'Request Pending');
      return;
    }
    try {
      await joinTalks(own, other, (one, two) => this.ctx.dial.handOver(one, two));
      await notify(200, 'OK');
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      timeline.error('media', `transfer into ${target.address} failed: ${error.message}`);
      await notify(503, 'Service Unavailable');
    } finally {
      own.release();
      other.release();
      done();
    }
  }

  /** Calls whom a user names, and lets the other talk with him instead; then the user is released. Until then, and where it fails, he stays. */
  async #call(user: Talk, { target, notify }: WantedTransfer): Promise<void> {
    const { ctx } = this;
    const { timeline } = ctx.journal;
    const party = this.#party;
    const third = ctx.dial.call(target, {
      forwardsIdentity: false,
      answerMs: RING_MS,
      onProgress: (status) => {
        if (status === 180 || status === 183) void notify(status, status === 180 ? 'Ringing' : 'Session Progress');
      },
    });
    const fail = (status: number, reason: string): void => {
      void third.end();
      timeline.warn('call', `transfer to ${target.address} failed: ${status} ${reason}`, { status });
      void notify(status, reason);
    };
    // Who is to be transferred: a caller whose `dial` is over is with his next verb.
    const isGone = (): boolean => (user.goesOn ? this.#isClosed : party.isEnded);
    const outcome = await Promise.race([third.outcome, this.#otherGone(user, third)]);
    if (outcome !== 'gone' && !outcome.ok) return fail(outcome.status, outcome.reason);
    if (outcome === 'gone' || isGone()) return fail(487, 'Request Terminated');
    try {
      await this.bridged;
      if (isGone()) return fail(487, 'Request Terminated');
      await (user.goesOn ? ctx.dial.bridge(third) : party.join(third));
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      void third.end();
      timeline.error('media', `transfer to ${target.address} failed: ${error.message}`);
      void notify(503, 'Service Unavailable');
      return;
    }
    if (isGone()) return fail(487, 'Request Terminated');
    const who = user.goesOn ? 'caller' : 'callee';
    timeline.info('call', `the ${who} is transferred to ${target.address}`, { callSid: third.callSid });
    if (user.goesOn) this.#replace(third);
    else if (ctx.dial.owns(party)) ctx.dial.handOver(party, third);
    await notify(200, 'OK');
    user.release();
  }

  /** Resolves when he is gone who is to be transferred. */
  #otherGone(user: Talk, third: DialledParty): Promise<'gone'> {
    const { ctx, signal } = this;
    const party = this.#party;
    return new Promise((resolve) => {
      const gone = (): void => resolve('gone');
      void (user.goesOn ? this.over : party.ended).then(gone);
      const onOver = (): void => {
        // A caller who hangs up as soon as his REFER is accepted leaves the callee waiting for the other alone.
        // Whom an earlier, failed transfer has called is nobody to wait for.
        const isWaitedFor = !party.isEnded && !third.isEnded;
        if (!user.goesOn && ctx.call.isOver && isWaitedFor) ctx.dial.handOver(party, third);
        else gone();
      };
      if (signal.aborted) onOver();
      else signal.addEventListener('abort', onOver, { once: true });
    });
  }
}
