import type { RasaSpec } from '@ringwire/verb-specs';
import { listOfAnswer, objectOf, readAnswer, textOf } from '../bots/bot-http.js';
import { BotTalk } from '../bots/bot-talk.js';
import { opening } from './quantities.js';
import type { Verb } from './verb.js';

/** How long a caller may be silent before the conversation ends (compat 1.3.24). */
const SILENCE_MS = 10_000;

/** The verb with another time of silence, ms. */
export const rasaWith = (silenceMs: number): Verb<RasaSpec> => ({
  needs: () => 'media',
  describe: ({ url }) => opening(url),
  async run(ctx, spec, signal) {
    const talk = new BotTalk(
      ctx,
      {
        spec,
        resultField: 'rasaResult',
        name: 'Rasa',
        bargein: false,
        takesDigits: false,
        ...(spec.recognizer && { recognizer: spec.recognizer }),
        ...(spec.tts && { tts: spec.tts }),
      },
      signal,
    );
    await talk.run(async () => {
      if (spec.prompt !== undefined) await talk.say([{ text: spec.prompt }]);
      for (;;) {
        const turn = await talk.listen(silenceMs);
        if (turn === undefined) return undefined;
        if (turn.kind === 'silence') return 'timeout';
        if (turn.kind !== 'speech') continue;
        const message = turn.transcript;
        talk.event('userMessage', { message });
        const url = new URL(spec.url);
        const body = JSON.stringify({ sender: ctx.call.callSid, message });
        const answer = await ctx.bots.post(url, { 'content-type': 'application/json' }, body, signal);
        const texts = listOfAnswer(readAnswer('Rasa', answer))
          .map((one) => textOf(objectOf(one).text))
          .filter((text) => text !== undefined);
        if (texts.length === 0) continue;
        talk.event('botMessage', { message: texts.join(' ') });
        await talk.say(texts.map((text) => ({ text })));
      }
    }, 'webhookError');
  },
});

/** Talks with a Rasa bot over its REST channel: what the caller says is posted, what it answers is spoken. */
export const rasa: Verb<RasaSpec> = rasaWith(SILENCE_MS);
