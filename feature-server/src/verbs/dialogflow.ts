import type { DialogflowSpec } from '@ringwire/verb-specs';
import { BotTalk } from '../bots/bot-talk.js';
import {
  type DialogflowAgent,
  type DialogflowAnswer,
  type DialogflowInput,
  detectIntent,
  dialogflowUrl,
} from '../bots/dialogflow-api.js';
import { readServiceAccount, signToken } from '../bots/google-token.js';
import { BotError } from '../errors.js';
import { playAll } from './play.js';
import { noInputMs } from './quantities.js';
import type { Verb, VerbContext } from './verb.js';

const DEFAULT_EVENTS = ['intent', 'transcription', 'dtmf', 'start-play', 'stop-play', 'no-input'];
const DEFAULT_SILENCE_MS = 20_000;
const DEFAULT_SILENCE_EVENT = 'actions_intent_NO_INPUT';
/** For whom a token is; the same for all regions. */
const AUDIENCE = 'https://dialogflow.googleapis.com/';
/** A token is made anew well before it ends. */
const TOKEN_LIFE_MS = 50 * 60_000;

/** Talks with an agent of Google Dialogflow, ES or CX: speech is recognized here, and its text goes to the agent. */
export const dialogflow: Verb<DialogflowSpec> = {
  needs: () => 'media',
  describe: ({ project, model }) => `${project} (${model ?? 'es'})`,
  async run(ctx, spec, signal) {
    if (spec.toolHook !== undefined)
      ctx.journal.timeline.warn('verb', 'dialogflow: toolHook is not asked in this version');
    const talk = new BotTalk(
      ctx,
      {
        spec,
        events: spec.events ?? DEFAULT_EVENTS,
        resultField: 'dialogflowResult',
        name: 'Dialogflow',
        bargein: spec.bargein ?? false,
        takesDigits: true,
        recognizer: { language: spec.lang },
        ...(spec.tts && { tts: spec.tts }),
      },
      signal,
    );
    await talk.run(() => converse(ctx, spec, talk, signal), 'error');
  },
};

async function converse(
  ctx: VerbContext,
  spec: DialogflowSpec,
  talk: BotTalk,
  signal: AbortSignal,
): Promise<string | undefined> {
  const agent = agentOf(ctx, spec);
  const account = readServiceAccount(spec.credentials);
  let token = { text: '', madeAt: Number.NEGATIVE_INFINITY };
  const ask = async (input: DialogflowInput): Promise<DialogflowAnswer> => {
    if (Date.now() - token.madeAt > TOKEN_LIFE_MS) {
      token = { text: signToken(account, AUDIENCE, Date.now()), madeAt: Date.now() };
    }
    const answer = await withMusic(ctx, spec, signal, () =>
      detectIntent(agent, input, token.text, ctx.bots.post, signal),
    );
    talk.event('intent', { data: answer.answer });
    return answer;
  };
  /** Whether the agent has ended the conversation. */
  const speak = async ({ says, ends }: DialogflowAnswer): Promise<boolean> => {
    if (says.length > 0) {
      talk.event('start-play');
      await talk.say(says);
      talk.event('stop-play');
    }
    return ends;
  };
  const first = firstInput(spec);
  if (first && (await speak(await ask(first)))) return 'completed';
  const silenceMs = noInputMs(spec.noInputTimeout) ?? DEFAULT_SILENCE_MS;
  for (;;) {
    const turn = await talk.listen(silenceMs);
    if (turn === undefined) return undefined;
    let input: DialogflowInput | undefined;
    if (turn.kind === 'speech') {
      talk.event('end-utterance');
      talk.event('transcription', { data: { transcript: turn.transcript } });
      input = { kind: 'text', text: turn.transcript };
    } else if (turn.kind === 'digits') {
      talk.event('dtmf', { data: { digits: turn.digits } });
      if (spec.passDtmfAsTextInput) input = { kind: 'text', text: turn.digits };
      // ES knows no keys: they are for the application alone.
      else if (agent.model === 'cx') input = { kind: 'dtmf', digits: turn.digits };
    } else {
      talk.event('no-input');
      input = { kind: 'event', name: spec.noInputEvent ?? DEFAULT_SILENCE_EVENT };
    }
    if (input && (await speak(await ask(input)))) return 'completed';
  }
}

function agentOf(ctx: VerbContext, spec: DialogflowSpec): DialogflowAgent {
  // `ces` is handled as es (compat 1.3.17).
  const model = spec.model === 'cx' ? 'cx' : 'es';
  const region = spec.region ?? 'us-central1';
  if (model === 'cx' && spec.agent === undefined) throw new BotError('cx needs the id of an agent', {});
  return {
    model,
    base: ctx.bots.base('dialogflow', dialogflowUrl(model, region)),
    project: spec.project,
    region,
    sessionId: spec.sessionId ?? ctx.call.callSid,
    lang: spec.lang,
    ...(spec.agent !== undefined && { agent: spec.agent }),
    ...(spec.environment !== undefined && { environment: spec.environment }),
  };
}

/** What the agent is told before the caller has said anything. */
function firstInput({
  queryInput,
  welcomeEvent,
  welcomeEventParams: parameters,
}: DialogflowSpec): DialogflowInput | undefined {
  if (queryInput?.event) return { kind: 'event', name: queryInput.event };
  if (queryInput?.intent) return { kind: 'intent', name: queryInput.intent };
  if (queryInput?.dtmf) return { kind: 'dtmf', digits: queryInput.dtmf };
  if (queryInput?.text) return { kind: 'text', text: queryInput.text };
  return welcomeEvent ? { kind: 'event', name: welcomeEvent, ...(parameters && { parameters }) } : undefined;
}

/** Plays the thinking music, where there is some, while something is awaited. */
async function withMusic<T>(
  ctx: VerbContext,
  { thinkingMusic }: DialogflowSpec,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  if (thinkingMusic === undefined) return work();
  const done = new AbortController();
  const until = AbortSignal.any([signal, done.signal]);
  const music = playAll(ctx, { url: thinkingMusic, loop: 'forever' }, until).catch((error: unknown) => {
    if (until.aborted) return;
    const reason = error instanceof Error ? error.message : String(error);
    ctx.journal.timeline.warn('media', `dialogflow: thinking music cannot be played: ${reason}`);
  });
  try {
    return await work();
  } finally {
    done.abort();
    await music;
  }
}
