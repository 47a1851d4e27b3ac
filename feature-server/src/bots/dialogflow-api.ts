import { BotError } from '../errors.js';
import { listOfAnswer, objectOf, type PostJson, readAnswer, textOf } from './bot-http.js';
import { CES_URL, runSession } from './ces-api.js';

/** Which agent, and where. */
export interface DialogflowAgent {
  /** `es`: Dialogflow ES, API version 2. `cx`: Conversational Agents, API version 3. `ces`: an application of Customer Engagement Suite, whose id is `agent`. */
  model: 'es' | 'cx' | 'ces';
  /** URL of the service. */
  base: string;
  project: string;
  region: string;
  /** cx and ces. */
  agent?: string;
  environment?: string;
  /** ces only. */
  deployment?: string;
  sessionId: string;
  /** `en-US` */
  lang: string;
}

/** What an agent is told. */
export type DialogflowInput =
  | { kind: 'text'; text: string }
  | { kind: 'event'; name: string; parameters?: Readonly<Record<string, unknown>> }
  | { kind: 'intent'; name: string }
  | { kind: 'dtmf'; digits: string }
  /** cx, of which the first counts, and ces. */
  | { kind: 'tools'; results: readonly ToolResult[] };

/** What an agent asks its client to do, as it came: cx `{ tool, action, inputParameters }`, ces `{ id, displayName, tool, args }`. */
export type ToolCall = Readonly<Record<string, unknown>>;

/** What came of it. */
export interface ToolResult {
  call: ToolCall;
  output: Readonly<Record<string, unknown>>;
  /** Why it failed. */
  error?: string;
}

/** What an agent answers. */
export interface DialogflowAnswer {
  /** What is to be heard, in order. */
  says: ({ text: string } | { url: string })[];
  intent?: string;
  /** What the agent waits for, before it goes on. */
  tools: readonly ToolCall[];
  /** The conversation is over. */
  ends: boolean;
  answer: Readonly<Record<string, unknown>>;
}

/** Regions are part of a host's name: whatever is not one would name another host. */
const REGION = /^[a-z]+(-[a-z]+\d+)?$/;
/** For ES this is no region of its own but jambonz's default, which means the global service. */
const DEFAULT_REGION = 'us-central1';

/**
 * Google's address of Dialogflow in a region.
 * @throws BotError where it is no region
 */
export function dialogflowUrl(model: DialogflowAgent['model'], region: string): string {
  if (!REGION.test(region)) throw new BotError(`"${region.slice(0, 40)}" is no region of Dialogflow`, {});
  if (model === 'ces') return CES_URL;
  const isGlobal = region === 'global' || (model === 'es' && region === DEFAULT_REGION);
  return isGlobal ? 'https://dialogflow.googleapis.com' : `https://${region}-dialogflow.googleapis.com`;
}

/**
 * Tells the agent something: detectIntent of API version 2 (ES) or 3 (CX), runSession of CES.
 * @throws BotError, and what `post` throws
 */
export async function detectIntent(
  agent: DialogflowAgent,
  input: DialogflowInput,
  token: string,
  post: PostJson,
  signal: AbortSignal,
): Promise<DialogflowAnswer> {
  if (agent.model === 'ces') return runSession(agent, input, token, post, signal);
  const url = new URL(`${agent.base.replace(/\/$/, '')}/${pathOf(agent)}:detectIntent`);
  const body = JSON.stringify(agent.model === 'cx' ? queryOfCx(agent, input) : { queryInput: queryOfEs(agent, input) });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const answer = objectOf(readAnswer('Dialogflow', await post(url, headers, body, signal)));
  const result = objectOf(answer.queryResult);
  return agent.model === 'cx' ? readCx(result, answer) : readEs(result, answer);
}

function pathOf({ model, project, region, agent, environment, sessionId }: DialogflowAgent): string {
  const isPlain = region === DEFAULT_REGION || region === 'global';
  const steps =
    model === 'cx'
      ? ['v3', 'projects', project, 'locations', region, 'agents', agent ?? '']
      : ['v2', 'projects', project, ...(isPlain ? [] : ['locations', region]), 'agent'];
  const where = environment === undefined ? [] : ['environments', environment];
  const user = environment !== undefined && model === 'es' ? ['users', '-'] : [];
  return [...steps, ...where, ...user, 'sessions', sessionId].map(encodeURIComponent).join('/');
}

function queryOfEs({ lang: languageCode }: DialogflowAgent, input: DialogflowInput): object {
  if (input.kind === 'event') {
    const { name, parameters } = input;
    return { event: { name, languageCode, ...(parameters && { parameters }) } };
  }
  if (input.kind === 'tools') return {};
  const text = input.kind === 'text' ? input.text : input.kind === 'dtmf' ? input.digits : input.name;
  return { text: { text, languageCode } };
}

function queryOfCx({ lang: languageCode }: DialogflowAgent, input: DialogflowInput): object {
  switch (input.kind) {
    case 'text':
      return { queryInput: { text: { text: input.text }, languageCode } };
    case 'dtmf':
      return { queryInput: { dtmf: { digits: input.digits }, languageCode } };
    case 'intent':
      return { queryInput: { intent: { intent: input.name }, languageCode } };
    case 'tools': {
      const [{ call, output, error } = { call: {}, output: {} }] = input.results;
      const { tool, action } = call;
      const result = error === undefined ? { outputParameters: output } : { error: { message: error } };
      return { queryInput: { toolCallResult: { tool, action, ...result }, languageCode } };
    }
    case 'event': {
      const { name, parameters } = input;
      return {
        queryInput: { event: { event: name }, languageCode },
        ...(parameters && { queryParams: { parameters } }),
      };
    }
  }
}

type Answered = Readonly<Record<string, unknown>>;

function readEs(result: Answered, answer: Answered): DialogflowAnswer {
  const messages = listOfAnswer(result.fulfillmentMessages)
    .map(objectOf)
    // Messages of other platforms (telephony apart) are for other ears.
    .filter(({ platform }) => platform === undefined || platform === 'PLATFORM_UNSPECIFIED' || platform === 'TELEPHONY')
    .flatMap(({ text, telephonySynthesizeSpeech, telephonyPlayAudio }) => [
      ...listOfAnswer(objectOf(text).text).map((one) => ({ text: textOf(one) })),
      { text: textOf(objectOf(telephonySynthesizeSpeech).ssml) ?? textOf(objectOf(telephonySynthesizeSpeech).text) },
      { url: textOf(objectOf(telephonyPlayAudio).audioUri) },
    ]);
  const whole = textOf(result.fulfillmentText);
  const says = messages.filter(isSaid);
  const intent = textOf(objectOf(result.intent).displayName);
  return {
    says: says.length === 0 && whole !== undefined ? [{ text: whole }] : says,
    ...(intent !== undefined && { intent }),
    tools: [],
    ends: objectOf(result.diagnosticInfo).end_conversation === true,
    answer,
  };
}

function readCx(result: Answered, answer: Answered): DialogflowAnswer {
  const messages = listOfAnswer(result.responseMessages).map(objectOf);
  const says = messages.flatMap(({ text, outputAudioText, playAudio }) => [
    ...listOfAnswer(objectOf(text).text).map((one) => ({ text: textOf(one) })),
    { text: textOf(objectOf(outputAudioText).ssml) ?? textOf(objectOf(outputAudioText).text) },
    { url: textOf(objectOf(playAudio).audioUri) },
  ]);
  const intent = textOf(objectOf(objectOf(result.match).intent).displayName);
  return {
    says: says.filter(isSaid),
    ...(intent !== undefined && { intent }),
    tools: messages.flatMap(({ toolCall }) => (toolCall === undefined ? [] : [objectOf(toolCall)])),
    ends: messages.some((message) => message.endInteraction !== undefined || message.liveAgentHandoff !== undefined),
    answer,
  };
}

function isSaid(
  said: { text?: string | undefined } | { url?: string | undefined },
): said is { text: string } | { url: string } {
  return ('text' in said && said.text !== undefined) || ('url' in said && said.url !== undefined);
}
