import {
  DEFAULT_QUEUE_PRIORITY,
  type Queue,
  QueueAwayError,
  type QueueClaim,
  type QueueNews,
  type QueuePlace,
} from '@ringwire/common';
import type { EnqueueSpec } from '@ringwire/verb-specs';
import { within } from '../media/deadline.js';
import { needsName } from './quantities.js';
import type { Verb, VerbContext } from './verb.js';
import { loopWaitHook, pause } from './wait-hook.js';

const WAIT_VERBS = ['say', 'play', 'pause', 'leave', 'tag'] as const;
/** Who waits says so this often, and looks whether he has been taken: what Redis tells may be missed. */
const RENEW_MS = 3_000;
/** Longest wait for Redis. */
const REDIS_MS = 2_000;
const TRY_AGAIN_MS = 200;

/** What the action hook hears (compat 2.6). */
type QueueResult = 'bridged' | 'error' | 'hangup' | 'leave';

/** What goes along with a caller who moves to the feature server of him who takes him. */
interface Carried extends QueuePlace {
  name: string;
  startedAt: number;
  claim: QueueClaim;
}

/** Waits in a queue of the account until a `dequeue` takes the call and the two have talked. */
export const enqueue: Verb<EnqueueSpec> = {
  needs: () => 'media',
  describe: ({ name }) => name,
  async run(ctx, spec, signal) {
    needsName(spec.name);
    const stay = new QueueStay(ctx, spec);
    const result = await stay.wait(signal);
    if (result === 'moved') return;
    // Who replaced the verb has other plans; who hung up leaves its outcome to be told.
    if (signal.aborted && !ctx.call.isOver) return;
    const facts = { ...stay.facts, queueResult: result };
    ctx.journal.timeline.info('verb', `enqueue ${spec.name}: ${result} after ${facts.queueTime} s`, facts);
    if (ctx.call.isOver) ctx.app.inform(spec, facts);
    else await ctx.app.action(spec, facts, signal);
  },
};

type Talked = Promise<'bridged' | 'error'>;

/** One call's stay in a queue. */
class QueueStay {
  readonly #queue: Queue;
  readonly #startedAt: number;
  readonly #carried: Carried | undefined;
  #place: QueuePlace | undefined;
  #position = 0;
  #size = 0;
  #attempt: Promise<void> = Promise.resolve();
  /** The call does not wait any more. */
  #isOver = false;
  /** The claim of somebody to whom the call could not go. */
  #failed: string | undefined;
  /** It goes on waiting at another feature server. */
  #hasMoved = false;

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: EnqueueSpec,
  ) {
    this.#queue = ctx.rooms.queue(ctx.rooms.accountSid, spec.name);
    const carried = ctx.rooms.carried?.enqueue as Carried | undefined;
    ctx.rooms.carried = undefined;
    this.#carried = carried?.name === spec.name ? carried : undefined;
    this.#startedAt = this.#carried?.startedAt ?? Date.now();
  }

  get facts() {
    return { queueSid: `queue:${this.ctx.rooms.accountSid}:${this.spec.name}`, queueTime: this.#seconds };
  }

  get #seconds(): number {
    return Math.floor((Date.now() - this.#startedAt) / 1000);
  }

  async wait(signal: AbortSignal): Promise<QueueResult | 'moved'> {
    const { ctx, spec } = this;
    const { callSid } = ctx.call;
    const { priority = spec.priority ?? DEFAULT_QUEUE_PRIORITY, place: kept } = this.#carried ?? {};
    try {
      const { size, ...place } = await this.#join(priority, kept, signal);
      this.#place = place;
      this.#size = size;
    } catch (error) {
      ctx.journal.timeline.error('verb', `enqueue ${spec.name}: ${textOf(error)}`);
      // It may have joined all the same, and nobody would be there for him who took it.
      this.#queue
        .leave(callSid)
        .catch((err: unknown) => ctx.journal.log.warn({ err }, 'a place in a queue was not given back'));
      return 'error';
    }
    if (!this.#carried) this.#tellAccount({ event: 'join', length: this.#size });
    return this.#waitInQueue(signal);
  }

  /** Redis may be connecting anew: it has its time for that too. */
  async #join(priority: number, kept: string | undefined, signal: AbortSignal): Promise<QueuePlace & { size: number }> {
    const startedAt = performance.now();
    for (;;) {
      try {
        return await soon(this.#queue.join(this.ctx.call.callSid, priority, kept));
      } catch (error) {
        const isLate = performance.now() - startedAt >= REDIS_MS;
        if (!(error instanceof QueueAwayError) || isLate || signal.aborted) throw error;
        await pause(TRY_AGAIN_MS, signal);
      }
    }
  }

  async #waitInQueue(signal: AbortSignal): Promise<QueueResult | 'moved'> {
    const { ctx } = this;
    const { callSid } = ctx.call;
    const served = new AbortController();
    let met: { talked: Talked } | undefined;
    const onClaim = (claim: QueueClaim): void => {
      // One after the other: a claim that comes to nothing may be followed by the next.
      this.#attempt = this.#attempt.then(async () => {
        if (signal.aborted || served.signal.aborted || this.#isOver) return;
        met = await this.#goTo(claim, signal);
        if (met) served.abort();
      });
    };
    const subscription = ctx.rooms.subscriptions.on(this.#queue.channel, (text) => {
      const news = text === undefined ? undefined : (JSON.parse(text) as QueueNews);
      if (news?.news === 'claimed' && news.callSid === callSid) onClaim(news.claim);
      else if (!news) void this.#renew(onClaim);
    });
    if (this.#carried) onClaim(this.#carried.claim);
    const timer = setInterval(() => void this.#renew(onClaim), RENEW_MS);
    void subscription.ready.then(() => this.#renew(onClaim));
    const over = AbortSignal.any([signal, served.signal]);
    let hasLeft = false;
    try {
      hasLeft = (await this.#hear(over)) === 'left';
      await this.#settled();
      if (this.#hasMoved) return 'moved';
      if (met) return await met.talked;
      return hasLeft ? 'leave' : 'hangup';
    } finally {
      clearInterval(timer);
      subscription.stop();
      if (!met && !this.#hasMoved) this.#leave();
    }
  }

  /** Resolves when no claim is looked at any more. */
  async #settled(): Promise<void> {
    let seen: Promise<void>;
    do {
      seen = this.#attempt;
      await seen;
    } while (seen !== this.#attempt);
    this.#isOver = true;
  }

  async #hear(over: AbortSignal): Promise<'left' | 'over'> {
    const { waitHook } = this.spec;
    if (waitHook === undefined) {
      await new Promise<void>((resolve) => {
        if (over.aborted) resolve();
        else over.addEventListener('abort', () => resolve(), { once: true });
      });
      return 'over';
    }
    const payload = async (): Promise<Record<string, unknown>> => {
      await this.#renew();
      return { ...this.facts, queueSize: this.#size, queuePosition: this.#position };
    };
    return loopWaitHook(this.ctx, waitHook, { payload, allowed: WAIT_VERBS }, over);
  }

  /** Goes to him who took the call; undefined where it stays in the queue. */
  async #goTo(claim: QueueClaim, signal: AbortSignal): Promise<{ talked: Talked } | undefined> {
    const { ctx } = this;
    const { callSid } = ctx.call;
    const { meetings, instanceId } = ctx.rooms;
    if (claim.featureServer !== instanceId) await this.#moveTo(claim);
    if (claim.featureServer !== instanceId || !meetings.has(claim.id)) return undefined;
    // Renewing would give the call its place back after it was taken, and it would be taken once more.
    const place = this.#place;
    this.#place = undefined;
    const confirmed = await soon(this.#queue.confirm(callSid, claim)).catch(() => undefined);
    if (!confirmed?.isOurs) {
      this.#place = place;
      return undefined;
    }
    let isMet = false;
    const talked: Talked = new Promise((done) => {
      isMet = meetings.bring(claim.id, { callSid, endpoint: ctx.media.endpoint(), gone: signal, done });
    });
    if (!isMet) {
      // Who took the call has given up meanwhile: it goes back to where it was.
      this.#place = place;
      await this.#renew();
      return undefined;
    }
    this.#tellAccount({ event: 'leave', length: confirmed.size, leaveReason: 'dequeued', dequeuer: claim.callSid });
    ctx.journal.timeline.info('verb', `enqueue ${this.spec.name}: taken by ${claim.callSid}`, { claim });
    return { talked };
  }

  /** To where he is who has taken the call; where that fails others may take it. */
  async #moveTo(claim: QueueClaim): Promise<void> {
    const { ctx, spec } = this;
    // Told again until it is known to be released.
    if (claim.id === this.#failed) return;
    this.#failed = claim.id;
    // A move takes seconds, in which nobody says that he waits.
    void this.#renew();
    const place = this.#place;
    // Nor here: the other feature server renews it, and may have it taken before we hear that the call is there.
    this.#place = undefined;
    const carried = { ...place, name: spec.name, startedAt: this.#startedAt, claim };
    this.#hasMoved = await ctx.call.move(claim.sipAddress, spec, { enqueue: carried });
    if (this.#hasMoved) return;
    this.#place = place;
    this.#queue
      .release(ctx.call.callSid, claim)
      .catch((err: unknown) => ctx.journal.log.debug({ err }, 'a claim was not released; it expires'));
  }

  async #renew(onClaim?: (claim: QueueClaim) => void): Promise<void> {
    const place = this.#place;
    if (!place || this.#hasMoved) return;
    try {
      const { position, size, claim } = await soon(this.#queue.renew(this.ctx.call.callSid, place));
      this.#position = position;
      this.#size = size;
      if (claim) onClaim?.(claim);
    } catch (err) {
      // It is tried again; whoever Redis has forgotten gets his place back then.
      this.ctx.journal.log.debug({ err }, 'the place in the queue was not renewed');
    }
  }

  #leave(): void {
    const { ctx } = this;
    this.#place = undefined;
    this.#queue.leave(ctx.call.callSid).then(
      ({ wasThere, size }) => {
        if (wasThere) this.#tellAccount({ event: 'leave', length: size, leaveReason: 'abandoned' });
      },
      (err: unknown) => ctx.journal.log.debug({ err }, 'the queue was not left; the place expires'),
    );
  }

  #tellAccount(facts: Record<string, unknown>): void {
    const { queueEventHook } = this.ctx.rooms;
    if (!queueEventHook) return;
    const leave = facts.event === 'leave' && { leaveTime: Date.now() };
    const about = { ...facts, queue: this.spec.name, joinTime: this.#startedAt, ...leave };
    this.ctx.app.tell(queueEventHook, about, 'queue:status');
  }
}

/** Redis may be away, and then its answer never comes. */
const soon = <T>(work: Promise<T>): Promise<T> => within(REDIS_MS, work, () => new Error('Redis does not answer'));
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
