import type { CommandDesk, CommandTaker } from '../control/command-desk.js';
import type { CommandResult } from '../control/commands.js';
import type { MediaEndpoint } from '../media/media.js';
import { sendKeys } from '../verbs/dtmf.js';
import { changeTrack } from '../verbs/dub.js';
import { requestHeaders } from '../verbs/sip-request.js';
import type { VerbContext } from '../verbs/verb.js';
import type { BaseCommandOptions } from './base-commands.js';

const DONE: CommandResult = { ok: true };
const wrongState = (reason: string): CommandResult => ({ ok: false, because: 'wrong state', reason });
/** jambonz's length of a key of the command (compat 4.2). */
const KEY_MS = 250;
/** Keys that wait for those before them. */
const MAX_KEYS = 512;

/** What can be done to a call's leg at any time: redirected, sent keys and SIP requests, mixed further sound. */
export function takeLiveCommands(desk: CommandDesk, options: BaseCommandOptions): void {
  takeRedirects(desk, options);
  takeKeys(desk, options);
  const { ctx, signal } = options;
  takeSipRequests(desk, ctx);
  desk.on('boostAudioSignal', async ({ gainDb }) => {
    const endpoint = endpointOf(options);
    if (!endpoint) return wrongState('the call has no media yet');
    await endpoint.dub.setGain(gainDb);
    return DONE;
  });
  desk.on('dub', async ({ spec }) => {
    const endpoint = endpointOf(options);
    if (!endpoint) return wrongState('the call has no media yet');
    await changeTrack(ctx, endpoint, spec, signal);
    return DONE;
  });
}

/** Requests within the dialog of the call, or of one of its legs. */
export function takeSipRequests(desk: Pick<CommandTaker, 'on'>, ctx: VerbContext): void {
  desk.on('sip:request', async ({ method, headers, content, contentType }) => {
    if (!ctx.call.isAnswered) return wrongState('the call is not answered');
    const body = content === undefined || content === '' ? undefined : content;
    const { status, reason } = await ctx.dialog.request({
      method,
      headers: requestHeaders({ ...headers, ...(contentType !== undefined && { 'Content-Type': contentType }) }, body),
      ...(body !== undefined && { body }),
    });
    return { ok: true, facts: { status, reason } };
  });
}

function endpointOf({ ctx }: BaseCommandOptions): MediaEndpoint | undefined {
  try {
    return ctx.media.endpoint();
  } catch {
    // There is none, or no more.
    return undefined;
  }
}

/** The call's new application; the leg that a `dial` has connected is that verb's to give away. */
function takeRedirects(desk: CommandDesk, { call, ctx, runner, signal }: BaseCommandOptions): void {
  let asked: AbortController | undefined;
  desk.on('redirect:hooks', ({ callHook, childCallHook, statusHook }) => {
    if (childCallHook || !callHook) return wrongState('no dial is connected');
    if (statusHook) call.setStatusHook(statusHook);
    // The newest redirect counts, whichever application answers first.
    asked?.abort();
    asked = new AbortController();
    const both = AbortSignal.any([signal, asked.signal]);
    runner.expect(ctx.app.redirect({ actionHook: callHook }, both, { stopsCurrent: true }));
    return DONE;
  });
  desk.on('redirect:legs', ({ parentCall, childCall }) => {
    if (childCall || !parentCall) return wrongState('no dial is connected');
    asked?.abort();
    runner.replace(parentCall, { stopCurrent: true });
    return DONE;
  });
}

/** Keys go out one after the other, also those of several commands. */
function takeKeys(desk: CommandDesk, options: BaseCommandOptions): void {
  const { call, journal, signal } = options;
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  desk.on('dtmf', ({ digits, durationMs = KEY_MS }) => {
    const endpoint = endpointOf(options);
    if (!call.isAnswered || !endpoint) return wrongState('the call is not answered');
    if (waiting + digits.length > MAX_KEYS) return wrongState(`${waiting} keys wait to be sent`);
    waiting += digits.length;
    last = last
      .then(() => sendKeys(endpoint.keys, digits, durationMs, signal))
      .catch((err: unknown) => {
        journal.timeline.error('dtmf', `keys were not sent: ${err instanceof Error ? err.message : String(err)}`);
      })
      .finally(() => {
        waiting -= digits.length;
      });
    return DONE;
  });
}
