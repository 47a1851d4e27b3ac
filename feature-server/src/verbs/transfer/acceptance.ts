import { randomUUID } from 'node:crypto';
import type { AmdSpec, TransferSpec } from '@ringwire/verb-specs';
import type { AmdEvent } from '../../amd/judge.js';
import type { ConferenceSeat } from '../../media/conference.js';
import type { MediaEndpoint } from '../../media/media.js';
import type { DialledParty, LegVerbs } from '../call-dial.js';
import { untilEnded } from '../dial/confirm.js';
import type { VerbContext } from '../verb.js';

/** How long a destination may think about taking the call. */
const CONFIRM_TIMEOUT_SEC = 15;

/** What is found out, once and for all, by a detection. */
const VERDICTS: readonly AmdEvent['type'][] = [
  'amd_human_detected',
  'amd_machine_detected',
  'amd_no_speech_detected',
  'amd_decision_timeout',
  'amd_stopped',
];

/** Tells the event hook of a transfer how it goes. */
export function tellEvent(
  ctx: VerbContext,
  { eventHook }: Pick<TransferSpec, 'eventHook'>,
  event: 'destination-ringing' | 'destination-answered' | 'brief-started',
  { callSid }: DialledParty,
): void {
  if (eventHook !== undefined) ctx.app.tell(eventHook, { event, dialCallSid: callSid });
}

/**
 * Asks a destination who has answered: no machine may take the call (`amd`); he hears what it is about (`brief`), with `callerPresent` together with the
 * caller, and presses the key that he is asked for (`confirm`).
 * @returns whether he takes the call. Never rejects: who cannot be asked does not take it.
 */
export async function acceptedBy(
  ctx: VerbContext,
  spec: TransferSpec,
  party: DialledParty,
  over: AbortSignal,
): Promise<boolean> {
  const leg = party.verbs;
  if (!leg) return true;
  const during = AbortSignal.any([over, untilEnded(party)]);
  const isWarm = spec.mode === 'warm';
  const ask = (): Promise<boolean> => asked(ctx, spec, party, leg, during);
  try {
    if (isWarm && spec.amd && (await isMachine(leg.ctx, spec.amd, during))) {
      ctx.journal.timeline.info('verb', 'transfer: a machine has answered, which declines');
      return false;
    }
    if (during.aborted) return false;
    return await (isWarm && spec.callerPresent ? together(ctx, leg, ask) : ask());
  } catch (error) {
    if (!during.aborted) {
      const text = error instanceof Error ? error.message : String(error);
      ctx.journal.timeline.error('media', `transfer: the destination cannot be asked: ${text}`);
    }
    return false;
  }
}

async function asked(
  ctx: VerbContext,
  { mode, brief, confirm, callerPresent, eventHook }: TransferSpec,
  party: DialledParty,
  leg: LegVerbs,
  during: AbortSignal,
): Promise<boolean> {
  if (mode === 'warm' && brief) {
    tellEvent(ctx, { eventHook }, 'brief-started', party);
    const said = { verb: 'say', ...brief } as const;
    await Promise.all([
      leg.run([said], ['say'], during),
      // Synthesized once: both play the same file.
      callerPresent && ctx.nested.run([said], ['say'], during),
    ]);
  }
  if (!confirm || during.aborted) return !during.aborted;
  return pressed(leg.ctx, confirm, during);
}

/** Whether a machine is at the far end of a leg. What is found out goes to the hook, whose answer changes nothing; without a verdict it is none. */
async function isMachine(leg: VerbContext, { actionHook, ...spec }: AmdSpec, signal: AbortSignal): Promise<boolean> {
  let decide: (isIt: boolean) => void = () => {};
  const verdict = new Promise<boolean>((resolve) => {
    decide = resolve;
  });
  const task = await leg.machines.detect({
    spec,
    endpoint: leg.media.endpoint(),
    onEvent: (event) => {
      leg.app.tell(actionHook, { ...event });
      if (VERDICTS.includes(event.type)) decide(event.type === 'amd_machine_detected');
    },
  });
  const onAbort = (): void => decide(false);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  void task.ended.then(onAbort);
  try {
    return await verdict;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await task.stop();
  }
}

/** Lets caller and destination hear each other, and each what is played to him, while something is done. */
async function together<T>(ctx: VerbContext, leg: LegVerbs, work: () => Promise<T>): Promise<T> {
  const seat = {
    room: `transfer-${randomUUID()}`,
    isMuted: false,
    isDeaf: false,
    isModerator: false,
    sharesKeys: false,
  };
  const seats: ConferenceSeat[] = [];
  const join = async ({ conference }: MediaEndpoint): Promise<void> => {
    seats.push(await conference.join(seat));
  };
  try {
    await join(leg.ctx.media.endpoint());
    await join(ctx.media.endpoint());
    return await work();
  } finally {
    await Promise.all(seats.map((one) => one.leave()));
  }
}

/** Whether the destination presses the key that he is asked for; another one, or none, declines. */
async function pressed(
  ctx: VerbContext,
  { prompt, digit }: { prompt: string; digit: string },
  signal: AbortSignal,
): Promise<boolean> {
  const isSound = /^https?:/i.test(prompt);
  let heard: (key: string | undefined) => void = () => {};
  const key = new Promise<string | undefined>((resolve) => {
    heard = resolve;
  });
  const over = new AbortController();
  const during = AbortSignal.any([signal, over.signal]);
  const stop = ctx.media.onDigit((one) => heard(one.key));
  const onAbort = (): void => heard(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const said = ctx.nested
    .run([isSound ? { verb: 'play', url: prompt } : { verb: 'say', text: prompt }], ['say', 'play'], during)
    .catch(() => undefined);
  const late = setTimeout(() => heard(undefined), CONFIRM_TIMEOUT_SEC * 1000);
  try {
    return (await key) === digit && !signal.aborted;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
    stop();
    over.abort();
    await said;
  }
}
