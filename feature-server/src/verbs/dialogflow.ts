import type { DialogflowSpec } from '@ringwire/verb-specs';
import { runTools } from '../bots/agent-tools.js';
import { BotTalk } from '../bots/bot-talk.js';
import { CES_URL } from '../bots/ces-api.js';
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
const AUDIENCES = {
  es: 'https://dialogflow.googleapis.com/',
  cx: 'https://dialogflow.googleapis.com/',
  ces: `${CES_URL}/`,
} as const;
/** Where an agent is whose region is not named. */
const REGIONS = { es: 'us-central1', cx: 'us-central1', ces: 'us' } as const;
/** An agent that asks for its tools more often than this before it waits for the caller again asks for ever. */
const MOST_TOOLS = 20;
/** A token is made anew well before it ends. */
const TOKEN_LIFE_MS = 50 * 60_000;

/** Talks with an agent of Google Dialogflow, ES, CX or CES: speech is recognized here, and its text goes to the agent. */
export const dialogflow: Verb<DialogflowSpec> = {
  needs: () => 'media',
  describe: ({ project, model }) => `${project} (${model ?? 'es'})`,
  async run(ctx, spec, signal) {
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
      token = { text: signToken(account, AUDIENCES[agent.model], Date.now()), madeAt: Date.now() };
    }
    const answer = await withMusic(ctx, spec, signal, () =>
      detectIntent(agent, input, token.text, ctx.bots.post, signal),
    );
    talk.event('intent', { data: answer.answer });
    return answer;
  };
  /** Lets an answer be heard, and does what the agent asks for before it goes on. @returns whether it has ended the conversation */
  const take = async (first: DialogflowAnswer): Promise<boolean> => {
    let answer = first;
    for (let asked = 0; ; asked++) {
      if (answer.says.length > 0) {
        talk.event('start-play');
        await talk.say(answer.says);
        talk.event('stop-play');
      }
      const { tools, ends } = answer;
      if (ends || tools.length === 0 || signal.aborted) return ends;
      if (asked === MOST_TOOLS) throw new BotError(`the agent has asked for its tools ${MOST_TOOLS} times on end`, {});
      // CX takes the result of one.
      const due = agent.model === 'cx' ? tools.slice(0, 1) : tools;
      const results = await withMusic(ctx, spec, signal, () => runTools(ctx, spec.toolHook, due, signal));
      if (signal.aborted) return false;
      answer = await ask({ kind: 'tools', results });
    }
  };
  const first = firstInput(spec);
  if (first && (await take(await ask(first)))) return 'completed';
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
      else if (agent.model !== 'es') input = { kind: 'dtmf', digits: turn.digits };
    } else {
      talk.event('no-input');
      // An application of CES knows no events but its own.
      const name = spec.noInputEvent ?? (agent.model === 'ces' ? undefined : DEFAULT_SILENCE_EVENT);
      if (name !== undefined) input = { kind: 'event', name };
    }
    if (input && (await take(await ask(input)))) return 'completed';
  }
}

function agentOf(ctx: VerbContext, spec: DialogflowSpec): DialogflowAgent {
  const model = spec.model ?? 'es';
  const region = spec.region ?? REGIONS[model];
  if (model !== 'es' && spec.agent === undefined) throw new BotError(`${model} needs the id of an agent`, {});
  return {
    model,
    base: ctx.bots.base('dialogflow', dialogflowUrl(model, region)),
    project: spec.project,
    region,
    sessionId: spec.sessionId ?? ctx.call.callSid,
    lang: spec.lang,
    ...(spec.agent !== undefined && { agent: spec.agent }),
    ...(spec.environment !== undefined && { environment: spec.environment }),
    ...(spec.deployment !== undefined && { deployment: spec.deployment }),
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
