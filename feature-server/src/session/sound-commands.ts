import type { CommandTaker } from '../control/command-desk.js';
import type { CommandResult } from '../control/commands.js';
import { keysProblem, sendKeys } from '../verbs/dtmf.js';
import { changeTrack } from '../verbs/dub.js';
import type { VerbContext } from '../verbs/verb.js';

const DONE: CommandResult = { ok: true };
/** jambonz's length of a key that a command sends. */
const COMMAND_KEY_MS = 250;
/** Orders of keys that wait for those before them. */
const MOST_ORDERS = 20;

/** What can be done to a call's sound at any time: keys, tracks, loudness. `signal` aborts when the call is over. */
export function takeSoundCommands(desk: Pick<CommandTaker, 'on'>, ctx: VerbContext, signal: AbortSignal): void {
  let orders = 0;
  let sent: Promise<void> = Promise.resolve();
  desk.on('dtmf', ({ digits, durationMs = COMMAND_KEY_MS }) => {
    const problem = keysProblem(digits);
    if (problem) return { ok: false, because: 'failed', reason: problem };
    if (orders >= MOST_ORDERS) return { ok: false, because: 'wrong state', reason: 'too many keys wait to be sent' };
    const { keys } = ctx.media.endpoint();
    orders += 1;
    sent = sent
      .then(() => sendKeys(keys, digits, durationMs, signal))
      .catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        ctx.journal.timeline.error('dtmf', `keys were not sent: ${text}`);
      })
      .finally(() => {
        orders -= 1;
      });
    return DONE;
  });
  desk.on('dub', async ({ spec }) => {
    await changeTrack(ctx, ctx.media.endpoint(), spec, signal);
    return DONE;
  });
  desk.on('boostAudioSignal', async ({ gainDb }) => {
    await ctx.media.endpoint().dub.setGain(gainDb);
    return DONE;
  });
}
