import type { VerbSpec } from '@ringwire/verb-specs';
import type { CommandResult } from '../../control/commands.js';
import type { Conversation } from '../conversation.js';
import type { VerbContext } from '../verb.js';
import type { Asides } from './asides.js';

const DONE: CommandResult = { ok: true };
const NOT_THERE: CommandResult = {
  ok: false,
  because: 'wrong state',
  reason: 'the callee cannot be given an application of his own',
};

/** Whispers that wait for those before them to give way. */
const MAX_WHISPERS = 8;
const TOO_MANY: CommandResult = { ok: false, because: 'wrong state', reason: 'too many whispers at once' };

/** The commands that a `dial` takes. */
export interface DialCommands {
  /** Whether one of the two is kept from being heard. */
  readonly isMuted: boolean;
  end(): void;
  /** Resolves when the call is where commands have sent it. */
  settled(): Promise<void>;
}

/**
 * Live call control of two who talk with each other: `mute:status` and `whisper` for the leg that is named, `redirect:hooks` and `redirect:legs` for both.
 */
export function takeDialCommands(
  ctx: VerbContext,
  conversation: Conversation,
  asides: Asides,
  signal: AbortSignal,
): DialCommands {
  const muted = new Set<VerbContext>();
  let whispers = 0;
  const ofLeg = (leg: VerbContext): (() => void)[] => [
    leg.commands.on('mute:status', async ({ isMuted }) => {
      if (isMuted) muted.add(leg);
      else muted.delete(leg);
      await leg.call.mute(isMuted);
      leg.journal.timeline.info('call', isMuted ? 'muted' : 'unmuted');
      return DONE;
    }),
    leg.commands.on('whisper', ({ verbs }) => {
      if (whispers >= MAX_WHISPERS) return TOO_MANY;
      whispers++;
      void whisper(leg, verbs, asides, signal).finally(() => whispers--);
      return DONE;
    }),
  ];
  // What one of them hears alone is over before: what ends it would end the first sound of the callee's own application.
  const adult = async (start: Parameters<VerbContext['dial']['adult']>[1]): Promise<boolean> => {
    let isGone = false;
    await asides.run(async () => {
      isGone = !conversation.isOver && (await ctx.dial.adult(conversation.party, start));
      if (isGone) void asides.close();
    }, signal);
    return isGone;
  };
  // Without the callee the dial would be over, and the next verb's turn, before the call is where it is to go.
  let moving: Promise<unknown> = Promise.resolve();
  const move = (start: Parameters<typeof adult>[0] | undefined, goOn: () => unknown): Promise<CommandResult> => {
    let gone: unknown;
    const moved = (async (): Promise<CommandResult> => {
      if (start && !(await adult(start))) return NOT_THERE;
      gone = goOn();
      return DONE;
    })();
    moving = moved.then(() => gone).catch(() => undefined);
    return moved;
  };
  const taken = [
    ...ofLeg(ctx),
    ctx.commands.on('redirect:hooks', ({ callHook, childCallHook, statusHook }) => {
      if (statusHook) ctx.call.setStatusHook(statusHook);
      return move(
        childCallHook && { hook: childCallHook },
        () => callHook && ctx.app.redirect({ actionHook: callHook }, signal, { stopsCurrent: true }),
      );
    }),
    ctx.commands.on('redirect:legs', ({ parentCall, childCall }) =>
      move(childCall && { verbs: childCall }, () => parentCall && ctx.call.redirect(parentCall)),
    ),
  ];
  conversation.onParty(({ verbs }) => {
    const ends = verbs ? ofLeg(verbs.ctx) : [];
    return () => {
      for (const end of ends) end();
    };
  });
  return {
    get isMuted() {
      return muted.size > 0;
    },
    end() {
      for (const end of taken) end();
      // Whoever goes on is to be heard by what comes next; a leg that is over takes no harm.
      for (const leg of muted)
        leg.call.mute(false).catch((err: unknown) => leg.journal.log.debug({ err }, 'not unmuted'));
    },
    async settled() {
      await moving;
    },
  };
}

/** Says or plays something that only this leg hears, and not the one that it talks with. */
async function whisper(
  leg: VerbContext,
  verbs: readonly VerbSpec[],
  asides: Asides,
  signal: AbortSignal,
): Promise<void> {
  const { timeline } = leg.journal;
  try {
    const said = await asides.run(async (stop) => {
      await leg.nested.run(verbs, ['say', 'play', 'pause'], stop);
    }, signal);
    timeline.info('call', `whisper: ${said}`);
  } catch (error) {
    if (!signal.aborted) timeline.warn('media', `whisper: ${error instanceof Error ? error.message : String(error)}`);
  }
}
