import type { DialSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../errors.js';
import type { DialTarget } from '../session/dialler.js';
import { Conversation } from './conversation.js';
import { secondsToMs } from './quantities.js';
import type { DialledParty, Verb, VerbContext } from './verb.js';

/** jambonz's time to ring. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** jambonz calls no more targets than these at once. */
const MAX_TARGETS = 10;

/** Why a telephone stops to ring: it is not to show a missed call (RFC 3326). */
const ELSEWHERE = { Reason: 'SIP;cause=200;text="Call completed elsewhere"' };

/** What of `dial` is accepted and does not take effect yet. */
const NOT_AVAILABLE = [
  ...(['onHoldHook', 'confirmHook', 'referHook', 'dtmfCapture', 'dtmfHook', 'codecs', 'exitMediaPath'] as const),
  ...(['boostAudioSignal', 'listen', 'stream', 'transcribe', 'amd', 'dub', 'srtpEncryption'] as const),
] as const;

/** What the action hook hears of the outcome. */
interface DialResult {
  dialCallStatus: 'completed' | 'no-answer' | 'busy' | 'failed';
  dialSipStatus: number;
  dialCallSid?: string;
  dialSbcCallid?: string;
}

/** Calls one or several at once, and bridges the caller with the first who answers. */
export const dial: Verb<DialSpec> = {
  needs: ({ answerOnBridge }) => (answerOnBridge ? 'nothing' : 'media'),
  describe: ({ target }) => target.map((one) => one.number ?? one.sipUri ?? one.name ?? one.type).join(', '),
  async run(ctx, spec, signal) {
    const missing = NOT_AVAILABLE.filter((name) => spec[name] !== undefined);
    if (missing.length > 0) {
      ctx.journal.timeline.warn('verb', `dial: ${missing.join(', ')} not available in this version`, { missing });
    }
    const result = await dialTargets(ctx, spec, targetsOf(ctx, spec), signal);
    // Who replaced the verb has other plans; who hung up, or transferred his call, leaves its outcome to be told.
    if (signal.aborted && !ctx.call.isOver) return;
    ctx.journal.timeline.info('verb', `dial: ${result.dialCallStatus} (${result.dialSipStatus})`, { ...result });
    if (spec.answerOnBridge && result.dialCallStatus !== 'completed')
      ctx.call.setRefusal(outwardStatus(result.dialSipStatus));
    if (ctx.call.isOver) ctx.app.inform(spec, { ...result });
    else await ctx.app.action(spec, { ...result }, signal);
  },
};

async function dialTargets(
  ctx: VerbContext,
  spec: DialSpec,
  targets: readonly DialTarget[],
  signal: AbortSignal,
): Promise<DialResult> {
  const music = new AbortController();
  const parties = targets.map((target) => {
    const party = ctx.dial.call(target, {
      ...(spec.callerId !== undefined && { callerId: spec.callerId }),
      ...(spec.callerName !== undefined && { callerName: spec.callerName }),
      // Who is hidden behind another number is not to be named beside it.
      forwardsIdentity: spec.forwardPAI ?? spec.callerId === undefined,
      ...(spec.tag && { tag: spec.tag }),
      answerMs: secondsToMs(spec.timeout) ?? DEFAULT_TIMEOUT_MS,
      onProgress: (status) => {
        ctx.journal.timeline.info('sip', `${target.address}: ${status}`, { status, callSid: party.callSid });
        if (status === 180 || status === 183) ctx.call.ring();
      },
    });
    return party;
  });
  const playing = playMusic(ctx, spec, AbortSignal.any([signal, music.signal]));
  try {
    const { winner, result } = await firstAnswer(parties, signal);
    // Nobody's BYE keeps the two apart: the others' end is awaited below.
    for (const party of parties) if (party !== winner) void party.end(ELSEWHERE);
    music.abort();
    await playing;
    if (winner && !signal.aborted && !(await talk(ctx, spec, winner, signal))) {
      return { ...result, dialCallStatus: 'failed', dialSipStatus: 503 };
    }
    return result;
  } finally {
    music.abort();
    await Promise.all(parties.map((party) => ctx.dial.end(party)));
  }
}

/** Whoever answers first; else the last failure, which is `failed` where nobody could be called at all. */
function firstAnswer(
  parties: readonly DialledParty[],
  signal: AbortSignal,
): Promise<{ winner?: DialledParty; result: DialResult }> {
  return new Promise((resolve) => {
    let waiting = parties.length;
    const gaveUp = (): void => {
      const dialCallSid = parties[0]?.callSid;
      resolve({ result: { dialCallStatus: 'no-answer', dialSipStatus: 487, ...(dialCallSid && { dialCallSid }) } });
    };
    if (signal.aborted) return gaveUp();
    if (waiting === 0) return resolve({ result: { dialCallStatus: 'failed', dialSipStatus: 400 } });
    signal.addEventListener('abort', gaveUp, { once: true });
    for (const party of parties) {
      void party.outcome.then((outcome) => {
        waiting--;
        const dialCallSid = party.callSid;
        if (outcome.ok) {
          const dialSbcCallid = outcome.outerCallId;
          const result = { dialCallStatus: 'completed', dialSipStatus: 200, dialCallSid } as const;
          resolve({ winner: party, result: { ...result, ...(dialSbcCallid && { dialSbcCallid }) } });
        } else if (waiting === 0) {
          const { status } = outcome;
          resolve({ result: { dialCallStatus: statusWord(status), dialSipStatus: status, dialCallSid } });
        }
      });
    }
  });
}

/**
 * What a caller gets who waited unanswered for nothing. 487 is for those who gave up themselves; for 408 and 5xx the edge would try
 * another feature server.
 */
const outwardStatus = (status: number): number =>
  status < 400 || status === 408 || status === 487 || (status >= 500 && status < 600) ? 480 : status;

/** jambonz's words for the outcomes of a dialled leg, as its status hooks have them (compat 2.5). */
function statusWord(status: number): DialResult['dialCallStatus'] {
  if (status === 486 || status === 600) return 'busy';
  return status === 487 ? 'no-answer' : 'failed';
}

/**
 * Bridges until nobody is left to talk with, the time is over, or the verb is ended. False when the media server would not bridge
 * them; a party that is gone already was talked to as long as it wished.
 */
async function talk(ctx: VerbContext, spec: DialSpec, party: DialledParty, signal: AbortSignal): Promise<boolean> {
  // Before the caller is answered: his telephone may be quick to transfer.
  const conversation = new Conversation(ctx, party, signal, { toAnybody: spec.referHook !== undefined });
  try {
    return await converse(ctx, spec, conversation, signal);
  } finally {
    conversation.close();
    await ctx.dial.end(conversation.party);
  }
}

async function converse(
  ctx: VerbContext,
  spec: DialSpec,
  conversation: Conversation,
  signal: AbortSignal,
): Promise<boolean> {
  const { party } = conversation;
  if (!conversation.isOver) await ctx.call.answer();
  try {
    if (!party.isEnded) await ctx.dial.bridge(party);
  } catch (error) {
    // The loss of the caller's own media ends the call, and the signal tells it; another's is no reason to.
    if (signal.aborted || !(error instanceof MediaServerError)) throw error;
    if (!party.isEnded) {
      ctx.journal.timeline.error('media', `caller and callee were not bridged: ${error.message}`);
      return false;
    }
  }
  const { callSid } = party;
  const how = party.isEnded ? 'the callee was gone before the bridge' : 'caller and callee are bridged';
  ctx.journal.timeline.info('media', how, { callSid });
  const limitMs = secondsToMs(spec.timeLimit);
  conversation.tellBridged();
  await new Promise<void>((resolve) => {
    const limit = limitMs ? setTimeout(resolve, limitMs) : undefined;
    const over = (): void => {
      clearTimeout(limit);
      resolve();
    };
    void conversation.over.then(over);
    if (signal.aborted) over();
    else signal.addEventListener('abort', over, { once: true });
  });
  return true;
}

/** `dialMusic` for an answered caller until somebody answers. What cannot be played is no reason not to dial. */
async function playMusic(ctx: VerbContext, { dialMusic }: DialSpec, signal: AbortSignal): Promise<void> {
  if (dialMusic === undefined || !ctx.call.isAnswered) return;
  try {
    const source = await ctx.media.resolveSource(dialMusic);
    while (!signal.aborted) await ctx.media.play([source], { signal });
  } catch (error) {
    if (signal.aborted) return;
    const text = error instanceof Error ? error.message : String(error);
    ctx.journal.timeline.warn('verb', `dial: dialMusic failed: ${text}`);
  }
}

function targetsOf(ctx: VerbContext, spec: DialSpec): DialTarget[] {
  const targets: DialTarget[] = [];
  for (const one of spec.target.slice(0, MAX_TARGETS)) {
    const address = one.type === 'sip' ? one.sipUri : one.type === 'user' ? one.name : one.number;
    if (address === undefined) {
      ctx.journal.timeline.warn('verb', `dial: targets of type ${one.type} are not available in this version`);
      continue;
    }
    if (one.auth && one.type !== 'sip') {
      ctx.journal.timeline.warn('verb', `dial: auth of a target is for SIP URIs, not for ${one.type}`);
    }
    const proxy = one.proxy ?? spec.proxy;
    const { user, host } = one.from ?? {};
    targets.push({
      routing: one.type,
      address,
      headers: textHeaders({ ...spec.headers, ...one.headers }),
      ...(one.trunk !== undefined && { trunk: one.trunk }),
      ...(proxy !== undefined && { proxy }),
      ...(one.auth && one.type === 'sip' && { auth: one.auth }),
      ...(one.overrideTo !== undefined && { overrideTo: one.overrideTo }),
      ...(one.tenant !== undefined && { tenant: one.tenant }),
      ...(one.vmail !== undefined && { vmail: one.vmail }),
      ...(one.from && { from: { ...(user !== undefined && { user }), ...(host !== undefined && { host }) } }),
    });
  }
  return targets;
}

function textHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [[name, String(value)]],
    ),
  );
}
