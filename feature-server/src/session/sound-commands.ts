import type { CommandTaker } from '../control/command-desk.js';
import type { CommandResult } from '../control/commands.js';
import type { MediaEndpoint } from '../media/media.js';
import { sendKeys } from '../verbs/dtmf.js';
import { changeTrack } from '../verbs/dub.js';
import type { VerbContext } from '../verbs/verb.js';
import type { BackgroundTask } from './background-tasks.js';

const DONE: CommandResult = { ok: true };
const wrongState = (reason: string): CommandResult => ({ ok: false, because: 'wrong state', reason });
const NO_MEDIA = wrongState('the call has no media yet');
/** jambonz's length of a key that a command sends (compat 4.2). */
const COMMAND_KEY_MS = 250;
/** Keys that wait for those before them. */
const MOST_KEYS = 512;

/** What can be done to a call's sound at any time: keys, tracks, loudness. `signal` aborts when the call is over. */
export function takeSoundCommands(desk: Pick<CommandTaker, 'on'>, ctx: VerbContext, signal: AbortSignal): void {
  takeKeys(desk, ctx, signal);
  desk.on('dub', async ({ spec }) => {
    const endpoint = endpointOf(ctx);
    if (!endpoint) return NO_MEDIA;
    await changeTrack(ctx, endpoint, spec, signal);
    return DONE;
  });
  desk.on('boostAudioSignal', async ({ gainDb }) => {
    const endpoint = endpointOf(ctx);
    if (!endpoint) return NO_MEDIA;
    await endpoint.dub.setGain(gainDb);
    ctx.defaults.gainDb = gainDb;
    return DONE;
  });
}

/** Keys go out one after the other, also those of several commands. */
function takeKeys(desk: Pick<CommandTaker, 'on'>, ctx: VerbContext, signal: AbortSignal): void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  // While keys are being sent the call's sound stays where they are sent.
  const task: BackgroundTask = { stop: async () => {} };
  desk.on('dtmf', ({ digits, durationMs = COMMAND_KEY_MS }) => {
    const endpoint = endpointOf(ctx);
    if (!ctx.call.isAnswered || !endpoint) return wrongState('the call is not answered');
    if (waiting + digits.length > MOST_KEYS) return wrongState(`${waiting} keys wait to be sent`);
    if (waiting === 0) void ctx.background.start('dtmf', task);
    waiting += digits.length;
    last = last
      .then(() => sendKeys(endpoint.keys, digits, durationMs, signal))
      .catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        ctx.journal.timeline.error('dtmf', `keys were not sent: ${text}`);
      })
      .finally(() => {
        waiting -= digits.length;
        if (waiting === 0) ctx.background.ended('dtmf', task);
      });
    return DONE;
  });
}

function endpointOf(ctx: VerbContext): MediaEndpoint | undefined {
  try {
    return ctx.media.endpoint();
  } catch {
    // There is none, or no more.
    return undefined;
  }
}
