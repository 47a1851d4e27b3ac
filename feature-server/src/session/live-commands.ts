import type { CommandDesk, CommandTaker } from '../control/command-desk.js';
import type { CommandResult } from '../control/commands.js';
import { requestHeaders } from '../verbs/sip-request.js';
import type { VerbContext } from '../verbs/verb.js';
import type { BaseCommandOptions } from './base-commands.js';

const DONE: CommandResult = { ok: true };
const wrongState = (reason: string): CommandResult => ({ ok: false, because: 'wrong state', reason });
/** What can be done to a call's leg at any time: redirected, sent SIP requests. */
export function takeLiveCommands(desk: CommandDesk, options: BaseCommandOptions): void {
  takeRedirects(desk, options);
  takeSipRequests(desk, options.ctx);
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
