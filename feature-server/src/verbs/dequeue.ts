import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { deadline, type Queue, type QueueClaim, type QueueNews } from '@ringwire/common';
import type { DequeueSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../errors.js';
import { within } from '../media/deadline.js';
import type { QueuedCaller } from '../rooms/meetings.js';
import { needsName, secondsToMs } from './quantities.js';
import type { Verb, VerbContext } from './verb.js';
import { pause } from './wait-hook.js';

/** Who is taken has this long to come; then he is left to others. */
const MEET_MS = 12_000;
const CLAIM_MS = 15_000;
/** Who waits for callers looks again this often: what Redis tells may be missed. */
const LOOK_AGAIN_MS = 5_000;
/** Who waits for one caller looks so often whether that one is to come still. */
const LOOK_AFTER_MS = 1_000;
/** A claim that is gone twice in a row was not just confirmed. */
const MOST_MISSED = 2;
const REDIS_MS = 2_000;
const BEEP = 'tone_stream://%(300,0,850)';

/** What the action hook hears (compat 2.6). */
type DequeueResult = 'timeout' | 'complete' | 'hangup';

/** Takes the next caller, or a certain one, out of a queue of the account and talks with him. */
export const dequeue: Verb<DequeueSpec> = {
  needs: () => 'media',
  describe: ({ name, callSid }) => (callSid === undefined ? name : `${name}, ${callSid}`),
  async run(ctx, spec, signal) {
    needsName(spec.name);
    const limitMs = secondsToMs(spec.timeout);
    const late = limitMs ? deadline(limitMs) : undefined;
    const caller = await takeCaller(ctx, spec, late ? AbortSignal.any([signal, late]) : signal);
    const dequeueResult = caller ? await talk(ctx, spec, caller, signal) : signal.aborted ? 'hangup' : 'timeout';
    if (signal.aborted && !ctx.call.isOver) return;
    ctx.journal.timeline.info('verb', `dequeue ${spec.name}: ${dequeueResult}`);
    if (ctx.call.isOver) ctx.app.inform(spec, { dequeueResult });
    else await ctx.app.action(spec, { dequeueResult }, signal);
  },
};

/** Waits for a caller; undefined when the signal aborts before. */
async function takeCaller(ctx: VerbContext, spec: DequeueSpec, signal: AbortSignal): Promise<QueuedCaller | undefined> {
  const { rooms, journal } = ctx;
  const queue = rooms.queue(rooms.accountSid, spec.name);
  let wake = new AbortController();
  const gone = new EventEmitter();
  const subscription = rooms.subscriptions.on(queue.channel, (text) => {
    const news = text === undefined ? undefined : (JSON.parse(text) as QueueNews);
    if (!news || news.news === 'waiting') wake.abort();
    else if (news.news === 'left' && news.callSid !== undefined) gone.emit(news.callSid);
  });
  try {
    await Promise.race([subscription.ready, pause(REDIS_MS, signal)]);
    while (!signal.aborted) {
      wake = new AbortController();
      const caller = await takeOne(ctx, queue, { wanted: spec.callSid, gone }, signal).catch((err: unknown) => {
        journal.log.warn({ err, queue: spec.name }, 'nobody can be taken out of the queue now');
        return 'none' as const;
      });
      if (caller === 'none') await pause(LOOK_AGAIN_MS, AbortSignal.any([signal, wake.signal]));
      else if (caller !== 'lost') return caller;
    }
    return undefined;
  } finally {
    subscription.stop();
  }
}

/** The next caller; `lost`: he did not come, somebody else may. */
async function takeOne(
  ctx: VerbContext,
  queue: Queue,
  { wanted, gone }: { wanted: string | undefined; gone: EventEmitter },
  signal: AbortSignal,
): Promise<QueuedCaller | 'none' | 'lost'> {
  const { rooms, journal } = ctx;
  const claim: QueueClaim = {
    id: randomUUID(),
    callSid: ctx.call.callSid,
    featureServer: rooms.instanceId,
    sipAddress: rooms.sipAddress(),
  };
  // Before he is told: he may be here at once.
  const given = new AbortController();
  const met = rooms.meetings.expect(claim.id, MEET_MS, AbortSignal.any([signal, given.signal]));
  const release = (callSid: string): Promise<void> =>
    queue
      .release(callSid, claim)
      .catch((err: unknown) => journal.log.debug({ err }, 'a claim was not released; it expires'));
  const taking = queue.take(claim, CLAIM_MS, wanted);
  let taken: string | undefined;
  let isSettled = false;
  try {
    taken = await within(REDIS_MS, taking, () => new Error('Redis does not answer'));
    isSettled = true;
  } finally {
    if (taken === undefined) given.abort();
    // Who is taken after all is not waited for any more.
    if (!isSettled)
      taking.then(
        (late) => {
          if (late !== undefined) void release(late);
        },
        () => {},
      );
  }
  if (taken === undefined) return (await met) ?? 'none';
  const caller = await coming(queue, { taken, claim, gone, met, giveUp: () => given.abort() });
  if (caller) return caller;
  journal.timeline.warn('verb', `dequeue ${queue.name}: ${taken} does not come`);
  // Before the next one is taken, who may be the same: he is there still.
  await Promise.race([release(taken), pause(REDIS_MS, signal)]);
  return 'lost';
}

/** Waits for him who was taken, as long as he is to come. */
async function coming(queue: Queue, { taken, claim, gone, met, giveUp }: Taken): Promise<QueuedCaller | undefined> {
  let missed = 0;
  let isLooking = false;
  const look = async (): Promise<void> => {
    // Looks that waited for Redis together would see the same, at the same time.
    if (isLooking) return;
    isLooking = true;
    try {
      missed = (await queue.holds(taken, claim)) ? 0 : missed + 1;
    } finally {
      isLooking = false;
    }
    if (missed >= MOST_MISSED) giveUp();
  };
  // A look that fails says nothing of him, and the next one comes in a second; `met` has a time limit of its own.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_AFTER_MS);
  gone.once(taken, giveUp);
  try {
    return await met;
  } finally {
    clearInterval(timer);
    gone.off(taken, giveUp);
  }
}

interface Taken {
  taken: string;
  claim: QueueClaim;
  gone: EventEmitter;
  met: Promise<QueuedCaller | undefined>;
  giveUp(): void;
}

/** Lets the two talk until one of them does something else. */
async function talk(
  ctx: VerbContext,
  spec: DequeueSpec,
  caller: QueuedCaller,
  signal: AbortSignal,
): Promise<DequeueResult> {
  const { journal } = ctx;
  const apart = AbortSignal.any([signal, caller.gone]);
  const endpoint = ctx.media.endpoint();
  let isBridged = false;
  try {
    if (spec.beep) await caller.endpoint.play([BEEP], { signal: apart });
    if (apart.aborted) return 'complete';
    await caller.endpoint.outlive();
    await endpoint.bridge(caller.endpoint);
    isBridged = true;
    journal.timeline.info('media', `bridged with ${caller.callSid} out of queue ${spec.name}`);
    await new Promise<void>((resolve) => {
      if (apart.aborted) resolve();
      else apart.addEventListener('abort', () => resolve(), { once: true });
    });
    return signal.aborted && ctx.call.isOver ? 'hangup' : 'complete';
  } catch (error) {
    if (apart.aborted) return 'complete';
    const text = error instanceof Error ? error.message : String(error);
    journal.timeline.error('media', `not bridged with ${caller.callSid}: ${text}`);
    return 'hangup';
  } finally {
    if (isBridged) await part(ctx);
    caller.done(isBridged ? 'bridged' : 'error');
  }
}

/** Before either goes on with his verbs. */
async function part(ctx: VerbContext): Promise<void> {
  try {
    await ctx.media.endpoint().unbridge();
  } catch (error) {
    if (!(error instanceof MediaServerError)) throw error;
  }
}
