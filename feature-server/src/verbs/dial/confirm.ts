import type { HookSpec, VerbSpec } from '@ringwire/verb-specs';
import type { DialledParty } from '../call-dial.js';

/** What may run on a leg before it is connected. */
const ALLOWED: readonly VerbSpec['verb'][] = ['config', 'gather', 'say', 'play', 'tag', 'pause', 'hangup'];

/**
 * Asks the hook (`dial:confirm`) what whoever answered is to hear, or to press, before he is connected, and does it on his leg alone.
 * @returns whether he takes the call: he is still there when the verbs are over. A hook that fails declines for him.
 */
export async function confirm(party: DialledParty, hook: HookSpec, signal: AbortSignal): Promise<boolean> {
  const { verbs: leg } = party;
  if (!leg) return true;
  const over = AbortSignal.any([signal, untilEnded(party)]);
  const reply = await leg.ctx.app.ask(hook, {}, over, 'dial:confirm');
  if (over.aborted) return false;
  const { timeline } = leg.ctx.journal;
  if (!reply) {
    timeline.warn('verb', 'confirmHook failed: the leg is taken for declined');
    return false;
  }
  if (reply.verbs) await leg.run(reply.verbs, ALLOWED, over);
  const isTaken = !over.aborted;
  timeline.info('verb', isTaken ? 'the callee takes the call' : 'the callee declines the call');
  return isTaken;
}

/** Aborts when a party is gone. */
export function untilEnded(party: DialledParty): AbortSignal {
  const over = new AbortController();
  if (party.isEnded) over.abort();
  void party.ended.then(() => over.abort());
  return over.signal;
}
