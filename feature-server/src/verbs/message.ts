import type { MessageSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** How long an action hook waits for a carrier's answer; a message that takes longer is told as `queued`. */
const WAIT_MS = 15_000;

/** Sends a text message. With an action hook it waits for what a carrier says; without one the call goes on at once. */
export const message: Verb<MessageSpec> = {
  needs: () => 'nothing',
  describe: ({ from, to }) => `from ${from} to ${to}`,
  async run({ app, messages, journal }, spec, signal) {
    const { media = [], account_sid: accountSid, message_sid: messageSid } = spec;
    const words = {
      from: spec.from,
      to: spec.to,
      media: typeof media === 'string' ? [media] : media,
      ...(spec.text !== undefined && { text: spec.text }),
      ...(spec.carrier !== undefined && { carrier: spec.carrier }),
      ...(accountSid !== undefined && { accountSid }),
      ...(messageSid !== undefined && { messageSid }),
    };
    const result = await messages.send(words, spec.actionHook === undefined ? 0 : WAIT_MS, signal);
    const isFine = result.messageStatus === 'success' || result.messageStatus === 'queued';
    const why = result.messageFailureReason === undefined ? '' : ` (${result.messageFailureReason})`;
    journal.timeline[isFine ? 'info' : 'error']('verb', `message: ${result.messageStatus}${why}`, { ...result });
    await app.action(spec, { ...result }, signal);
  },
};
