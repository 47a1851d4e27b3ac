import type { PlacedCallReply } from '@ringwire/common';
import { LIMITS, type VerbSpec } from '@ringwire/verb-specs';
import type { CommandDesk } from '../control/command-desk.js';
import type { CommandResult } from '../control/commands.js';
import { headerValue } from '../sip/header-value.js';
import { config } from '../verbs/config.js';
import type { CallControl, VerbContext } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import { takeLiveCommands } from './live-commands.js';
import type { VerbRunner } from './verb-runner.js';

/** Places another call, with the body of REST create call. @throws HttpError that names what is wrong */
export type PlaceCall = (body: Readonly<Record<string, unknown>>) => Promise<PlacedCallReply>;

/** What the commands of every call need. */
export interface BaseCommandOptions {
  call: CallControl;
  runner: VerbRunner;
  journal: Journal;
  ctx: VerbContext;
  placeCall?: PlaceCall;
  /** Aborts when the call is over. */
  signal: AbortSignal;
}

/** Of the verbs that queued commands have left waiting, as JSON; the longest message of a WebSocket is a quarter of it. */
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;

const DONE: CommandResult = { ok: true };

/** What can be done to a call at any time; what needs a running verb is taken by that verb. */
export function takeBaseCommands(desk: CommandDesk, options: BaseCommandOptions): void {
  const { call, runner, journal, ctx, signal, placeCall } = options;
  takeLiveCommands(desk, options);
  desk.on('dial', async ({ body }) => {
    if (!placeCall) return { ok: false, because: 'wrong state', reason: 'no calls can be placed here' };
    const { sid, callId } = await placeCall(body);
    journal.timeline.info('call', `call ${sid} is placed`, { sid, callId });
    return { ok: true, facts: { sid, callId } };
  });
  desk.on('hangup', ({ reason, headers, sipStatus }) => {
    journal.timeline.warn('call', reason);
    if (call.isAnswered) call.hangup(reason, headers);
    else call.decline(sipStatus ?? 480, undefined, { 'X-Reason': headerValue(reason), ...headers });
    return DONE;
  });
  const sizes = new WeakMap<VerbSpec, number>();
  desk.on('redirect', ({ verbs, isQueued }) => {
    if (!isQueued) {
      runner.replace(verbs, { stopCurrent: true });
      return DONE;
    }
    const { waiting } = runner;
    if (waiting.length + verbs.length > LIMITS.verbs) {
      return { ok: false, because: 'wrong state', reason: `${waiting.length} verbs wait already` };
    }
    for (const verb of verbs) sizes.set(verb, JSON.stringify(verb).length);
    const characters = [...waiting, ...verbs].reduce((sum, verb) => sum + (sizes.get(verb) ?? 0), 0);
    if (characters > MAX_WAITING_CHARACTERS) {
      const reason = `more than ${MAX_WAITING_CHARACTERS} characters of verbs would wait`;
      return { ok: false, because: 'wrong state', reason };
    }
    runner.append(verbs);
    return DONE;
  });
  desk.on('call:status', ({ callStatus }) => {
    if ((callStatus === 'completed') !== call.isAnswered) {
      const reason = call.isAnswered ? 'the call is answered' : 'the call is not answered';
      return { ok: false, because: 'wrong state', reason };
    }
    const reason = 'ended by call control';
    if (call.isAnswered) call.hangup(reason);
    else call.decline(call.facts().direction === 'outbound' ? 487 : 503, undefined, { 'X-Reason': reason });
    return DONE;
  });
  desk.on('tag', ({ data }) => {
    call.setCustomerData(data);
    return DONE;
  });
  desk.on('record', (command) => ctx.recorder.obey(command));
  desk.on('config', async ({ spec }) => {
    const whole = { verb: 'config' as const, ...spec };
    if (config.needs(whole) === 'media') await call.answer();
    await config.run(ctx, whole, signal);
    return DONE;
  });
}
