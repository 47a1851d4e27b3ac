import { setTimeout as sleep } from 'node:timers/promises';
import type { DialSpec, TransferSpec } from '@ringwire/verb-specs';
import type { DialledParty } from './call-dial.js';
import { talk } from './dial/connected.js';
import type { DialResult } from './dial/result.js';
import { Ringing } from './dial/ringing.js';
import { targetsOf } from './dial/targets.js';
import { referCall } from './sip-refer.js';
import { acceptedBy, tellEvent } from './transfer/acceptance.js';
import type { Verb, VerbContext } from './verb.js';

/** What the action hook is told (the published callback `transfer`). */
interface TransferResult {
  transferResult: 'bridged' | 'returned' | 'voicemail' | 'failed';
  transferReason: 'completed' | 'no-answer' | 'busy' | 'declined' | 'caller-abandoned' | 'error';
  dialCallSid?: string;
  sipStatus?: number;
}

type Failure = 'no-answer' | 'busy' | 'declined' | 'error';

/** The published default; `dial` rings longer. */
const DEFAULT_TIMEOUT_SEC = 30;
/** The hook for who is on hold is asked no more often. */
const HOLD_ROUND_MS = 1_000;

/**
 * Hands the call to somebody else: by REFER, by calling him, or by calling him and telling him first what it is about. What becomes of a
 * caller whom nobody took is for `disposition` to say.
 */
export const transfer: Verb<TransferSpec> = {
  needs: () => 'media',
  describe: ({ mode, target }) => `${mode} to ${target.map(addressOf).join(', ')}`,
  async run(ctx, spec, signal) {
    const byRefer = spec.mode === 'blind' && spec.blindMethod !== 'dial';
    const result = byRefer ? await refer(ctx, spec, signal) : await call(ctx, spec, signal);
    if (!result) return;
    ctx.journal.timeline.info('verb', `transfer: ${result.transferResult} (${result.transferReason})`, { ...result });
    if (ctx.call.isOver || signal.aborted) return ctx.app.inform(spec, { ...result });
    const failure = result.transferReason;
    const wish = failure === 'completed' || failure === 'caller-abandoned' ? 'return' : dispositionOf(spec, failure);
    if (wish === 'voicemail') return toVoicemail(ctx, spec, result, signal);
    if (wish === 'hangup') {
      ctx.app.inform(spec, { ...result });
      return ctx.call.hangup(`transfer: ${failure}`);
    }
    await ctx.app.action(spec, { ...result }, signal);
  },
};

const addressOf = ({ number, sipUri, name, type }: TransferSpec['target'][number]): string =>
  number ?? sipUri ?? name ?? type;

function dispositionOf({ disposition }: TransferSpec, failure: Failure): 'return' | 'voicemail' | 'hangup' {
  const { onNoAnswer, onBusy, onDecline, onFailure } = disposition ?? {};
  const wishes = { 'no-answer': onNoAnswer, busy: onBusy, declined: onDecline, error: onFailure };
  return wishes[failure] ?? 'return';
}

/** A failure as the action hook hears of it. */
const failed = (reason: Failure, more: Partial<TransferResult> = {}): TransferResult => ({
  transferResult: reason === 'error' ? 'failed' : 'returned',
  transferReason: reason,
  ...more,
});

function reasonOf(status: number, isDeclined: boolean): Failure {
  if (isDeclined || status === 603) return 'declined';
  if (status === 486 || status === 600) return 'busy';
  return [408, 480, 487].includes(status) ? 'no-answer' : 'error';
}

/** The far end calls the destination itself (RFC 3515). */
async function refer(ctx: VerbContext, spec: TransferSpec, signal: AbortSignal): Promise<TransferResult | undefined> {
  const [target] = spec.target;
  if (!target) return failed('error');
  const outcome = await referCall(ctx, { verb: 'sip:refer', referTo: addressOf(target) }, signal);
  if (!outcome) return undefined;
  const sipStatus = outcome.finalReferredCallStatus ?? outcome.referStatus;
  const isFine = sipStatus >= 200 && sipStatus < 300;
  return isFine
    ? { transferResult: 'bridged', transferReason: 'completed', sipStatus }
    : failed(reasonOf(sipStatus, false), { sipStatus });
}

/** We call the destination, which hears the brief and may have to press a key; then the two are connected. */
async function call(ctx: VerbContext, spec: TransferSpec, signal: AbortSignal): Promise<TransferResult | undefined> {
  const isWarm = spec.mode === 'warm';
  if (!isWarm && (spec.amd || spec.brief)) {
    ctx.journal.timeline.warn('verb', 'transfer: brief and amd are for the mode warm');
  }
  const dial: DialSpec = {
    verb: 'dial',
    target: spec.target,
    timeout: spec.timeout || DEFAULT_TIMEOUT_SEC,
    ...(spec.callerId !== undefined && { callerId: spec.callerId }),
  };
  const hold = new AbortController();
  const onHold =
    isWarm && !spec.callerPresent ? playOnHold(ctx, spec, AbortSignal.any([signal, hold.signal])) : undefined;
  let isDeclined = false;
  let turn: Promise<unknown> = Promise.resolve();
  const accept = async (party: DialledParty, over: AbortSignal): Promise<boolean> => {
    tellEvent(ctx, spec, 'destination-answered', party);
    // A caller who is present can be with one of them at a time.
    const before = spec.callerPresent ? turn : undefined;
    const answer = (async () => {
      await before;
      return acceptedBy(ctx, spec, party, over);
    })();
    turn = answer;
    const isTaken = await answer;
    isDeclined ||= !isTaken;
    return isTaken;
  };
  const rings = new Set<string>();
  const onRinging = (party: DialledParty): void => {
    if (rings.has(party.callSid)) return;
    rings.add(party.callSid);
    tellEvent(ctx, spec, 'destination-ringing', party);
  };
  const ringing = new Ringing(
    ctx,
    dial,
    targetsOf(ctx, dial).map((target) => ({ ...target, accept, onRinging })),
    signal,
  );
  try {
    const { winner, result } = await ringing.answered();
    hold.abort();
    await onHold;
    return await connect(ctx, dial, winner, result, isDeclined, signal);
  } finally {
    hold.abort();
    await ringing.close();
  }
}

async function connect(
  ctx: VerbContext,
  dial: DialSpec,
  winner: DialledParty | undefined,
  { dialCallSid, dialSipStatus: sipStatus }: DialResult,
  isDeclined: boolean,
  signal: AbortSignal,
): Promise<TransferResult | undefined> {
  const about = { sipStatus, ...(dialCallSid !== undefined && { dialCallSid }) };
  if (ctx.call.isOver) return { transferResult: 'failed', transferReason: 'caller-abandoned', ...about };
  if (signal.aborted) return undefined;
  if (!winner) return failed(reasonOf(sipStatus, isDeclined), about);
  if (!(await talk(ctx, dial, winner, signal))) return failed('error', about);
  return { transferResult: 'bridged', transferReason: 'completed', ...about };
}

/** What the caller hears while the destination is called and briefed: what the hook says, asked again and again. */
async function playOnHold(ctx: VerbContext, { onHoldHook }: TransferSpec, signal: AbortSignal): Promise<void> {
  if (onHoldHook === undefined) return;
  while (!signal.aborted) {
    const verbs = (await ctx.app.ask(onHoldHook, {}, signal))?.verbs ?? [];
    if (signal.aborted || verbs.length === 0) return;
    const round = sleep(HOLD_ROUND_MS, undefined, { signal }).catch(() => undefined);
    await ctx.nested.run(verbs, ['say', 'play', 'pause'], signal).catch((error: unknown) => {
      ctx.journal.log.debug({ err: error }, 'nothing is heard on hold');
    });
    await round;
  }
}

/** An HTTP address takes the caller as another application; anything else is called. */
async function toVoicemail(
  ctx: VerbContext,
  spec: TransferSpec,
  result: TransferResult,
  signal: AbortSignal,
): Promise<void> {
  const url = spec.disposition?.voicemailUrl ?? '';
  ctx.app.inform(spec, { ...result, transferResult: 'voicemail' });
  if (/^(https?:|\/)/i.test(url)) {
    await ctx.app.redirect({ actionHook: url }, signal);
    return;
  }
  const dial: DialSpec = { verb: 'dial', target: [{ type: 'sip', sipUri: url }] };
  const ringing = new Ringing(ctx, dial, targetsOf(ctx, dial), signal);
  try {
    const { winner } = await ringing.answered();
    if (winner && !signal.aborted) await talk(ctx, dial, winner, signal);
  } finally {
    await ringing.close();
  }
}
