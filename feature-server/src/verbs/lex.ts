import type { LexSpec } from '@ringwire/verb-specs';
import { BotTalk } from '../bots/bot-talk.js';
import { type LexBot, lexUrl, readAwsCredentials, recognizeText } from '../bots/lex-api.js';
import { noInputMs } from './quantities.js';
import type { Verb, VerbContext } from './verb.js';

/** Talks with a bot of Amazon Lex V2: speech is recognized here, and its text goes to the bot. */
export const lex: Verb<LexSpec> = {
  needs: () => 'media',
  describe: ({ botId, botAlias, region }) => `${botId}/${botAlias} in ${region}`,
  async run(ctx, spec, signal) {
    const talk = new BotTalk(
      ctx,
      {
        spec,
        resultField: 'lexResult',
        name: 'Lex',
        bargein: spec.bargein ?? false,
        takesDigits: spec.passDtmf ?? false,
        recognizer: { language: localeOf(spec).replace('_', '-') },
        ...(spec.tts && { tts: spec.tts }),
      },
      signal,
    );
    await talk.run(() => converse(ctx, spec, talk, signal), 'error');
  },
};

const localeOf = ({ locale }: LexSpec): string => locale ?? 'en_US';

async function converse(
  ctx: VerbContext,
  spec: LexSpec,
  talk: BotTalk,
  signal: AbortSignal,
): Promise<string | undefined> {
  const bot: LexBot = {
    base: ctx.bots.base('lex', lexUrl(spec.region)),
    region: spec.region,
    botId: spec.botId,
    botAlias: spec.botAlias,
    locale: localeOf(spec),
    sessionId: ctx.call.callSid,
    credentials: readAwsCredentials(spec.credentials),
  };
  const silenceMs = noInputMs(spec.noInputTimeout);
  let state = openingState(spec);
  let lastSaid: { text: string }[] = [];
  const speak = async (texts: readonly string[]): Promise<void> => {
    lastSaid = texts.map((text) => ({ text }));
    if (texts.length === 0) return;
    for (const text of texts) talk.event('response-text', { data: { text } });
    talk.event('start-play');
    talk.event((await talk.say(lastSaid)) ? 'play-interrupted' : 'stop-play');
  };
  if (spec.welcomeMessage !== undefined) await speak([spec.welcomeMessage]);
  for (;;) {
    const turn = await talk.listen(silenceMs);
    if (turn === undefined) return undefined;
    if (turn.kind === 'speech') talk.event('transcription', { data: { transcript: turn.transcript } });
    if (turn.kind === 'digits') talk.event('dtmf', { data: { digits: turn.digits } });
    const said = turn.kind === 'speech' ? turn.transcript : turn.kind === 'digits' ? turn.digits : undefined;
    if (said === undefined) {
      // Lex takes no empty text: the caller hears the question again.
      await talk.say(lastSaid);
      continue;
    }
    const { messages, answer } = await recognizeText(bot, said, state, ctx.bots.post, signal);
    state = undefined;
    talk.event('intent', { data: answer });
    await speak(messages);
  }
}

/** The state in which a conversation begins, where the application says anything of it. */
function openingState({ intent, metadata }: LexSpec): Record<string, unknown> | undefined {
  if (!intent && !metadata) return undefined;
  return {
    ...(intent && {
      intent: { name: intent.name, state: 'InProgress', slots: slotsOf(intent.slots ?? {}) },
      dialogAction: { type: 'Delegate' },
    }),
    ...(metadata && { sessionAttributes: metadata }),
  };
}

/** Slots as Lex V2 has them; a plain text is what it was interpreted as. */
function slotsOf(slots: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const asSlot = (value: unknown): unknown =>
    typeof value === 'string'
      ? { value: { originalValue: value, interpretedValue: value, resolvedValues: [] } }
      : value;
  return Object.fromEntries(Object.entries(slots).map(([name, value]) => [name, asSlot(value)]));
}
