import type { DialSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../../errors.js';
import type { DialledParty } from '../call-dial.js';
import { Conversation } from '../conversation.js';
import { secondsToMs } from '../quantities.js';
import type { VerbContext } from '../verb.js';
import { Asides } from './asides.js';
import { captureDigits } from './capture-digits.js';
import { takeDialCommands } from './dial-commands.js';
import { playWhileHeld } from './hold-music.js';
import { MediaRelease } from './media-release.js';
import { NestedTasks } from './nested.js';
import { askAboutTransfers } from './refer-hook.js';

/**
 * Bridges until nobody is left to talk with, the time is over, or the verb is ended. False when the media server would not bridge
 * them; a party that is gone already was talked to as long as it wished.
 */
export async function talk(
  ctx: VerbContext,
  spec: DialSpec,
  party: DialledParty,
  signal: AbortSignal,
): Promise<boolean> {
  // Before the caller is answered: his telephone may be quick to transfer.
  let known: Conversation | undefined;
  const conversation: Conversation = new Conversation(
    ctx,
    party,
    signal,
    askAboutTransfers(ctx, spec, () => known, signal),
  );
  known = conversation;
  try {
    return await converse(ctx, spec, conversation, signal);
  } finally {
    // Who transfers may hang up as soon as that is accepted.
    await conversation.asked;
    conversation.close();
    await ctx.dial.end(conversation.party);
    await takeCallerBack(ctx, spec);
  }
}

/** What comes next may need the caller at the media server. */
async function takeCallerBack(ctx: VerbContext, { actionHook }: DialSpec): Promise<void> {
  const goesOn = ctx.queue.hasMore() || actionHook !== undefined || ctx.app.isSocket;
  if (ctx.call.isOver || !goesOn) return;
  try {
    await ctx.media.anchor();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (!ctx.call.isOver) ctx.call.hangup(`the caller is not to be had at the media server: ${text}`);
  }
}

/** The bridge of the two, which is opened for what one of them hears alone. */
function asidesOf(
  ctx: VerbContext,
  conversation: Conversation,
  anchor: () => Promise<void>,
  signal: AbortSignal,
): Asides {
  return new Asides({
    open: async () => {
      await anchor();
      await ctx.dial.unbridge();
    },
    close: async () => {
      const { party } = conversation;
      if (signal.aborted || conversation.isOver || party.isEnded) return;
      try {
        await ctx.dial.bridge(party);
      } catch (error) {
        if (!party.isEnded && !signal.aborted) {
          const text = error instanceof Error ? error.message : String(error);
          ctx.journal.timeline.error('media', `caller and callee were not joined again: ${text}`);
          void party.end();
        }
      }
    },
  });
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
  conversation.tellBridged();
  if (!conversation.isOver) await untilOver(ctx, spec, conversation, signal);
  return true;
}

/** While the two hear each other: what beside that the verb does for them. */
async function untilOver(
  ctx: VerbContext,
  spec: DialSpec,
  conversation: Conversation,
  signal: AbortSignal,
): Promise<void> {
  const asides: Asides = asidesOf(ctx, conversation, () => media.anchor(), signal);
  const media = new MediaRelease(ctx, spec, conversation, asides, () => commands.isMuted);
  conversation.beforeJoin = async () => {
    await asides.stop();
    await media.anchor();
  };
  const over = new AbortController();
  const during = AbortSignal.any([signal, over.signal]);
  const commands = takeDialCommands(ctx, conversation, asides, during);
  const release = captureDigits(ctx, spec, conversation);
  playWhileHeld(ctx, spec, conversation, asides, during);
  const nested = new NestedTasks(ctx, spec, conversation);
  try {
    await theirEnd(conversation, secondsToMs(spec.timeLimit), signal);
    await commands.settled();
  } finally {
    commands.end();
    release();
    over.abort();
    await asides.close();
    await nested.stop();
    await media.end();
  }
}

async function theirEnd(conversation: Conversation, limitMs: number | undefined, signal: AbortSignal): Promise<void> {
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
}
