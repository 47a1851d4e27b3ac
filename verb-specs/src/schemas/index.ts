import type { Component, JsonSchema, VerbSchema } from '../schema.js';
import { body } from '../schema.js';
import { type AgentSpec, agent } from './agent.js';
import { agentBargeIn, agentLanguage, agentLlm } from './agent-parts.js';
import { type AlertSpec, alert } from './alert.js';
import { amd, amdTimers } from './amd.js';
import { type AnswerSpec, answer } from './answer.js';
import {
  actionHookDelayAction,
  bidirectionalAudio,
  fillerNoise,
  noiseIsolation,
  record,
  turnTaking,
  vad,
} from './audio.js';
import { type ConferenceSpec, conference } from './conference.js';
import { type ConfigSpec, config } from './config.js';
import { bargeIn, listenOptions, recordOptions, transcribeOptions, ttsStream } from './config-parts.js';
import { type DequeueSpec, dequeue } from './dequeue.js';
import { type DialSpec, dial } from './dial.js';
import { type DialogflowSpec, dialogflow } from './dialogflow.js';
import { type DtmfSpec, dtmf } from './dtmf.js';
import { type DubSpec, dub } from './dub.js';
import { type EnqueueSpec, enqueue } from './enqueue.js';
import { type FaxSpec, fax } from './fax.js';
import { type GatherSpec, gather } from './gather.js';
import { type HangupSpec, hangup } from './hangup.js';
import { auth, clearableHook, hook } from './hook.js';
import { type LeaveSpec, leave } from './leave.js';
import { type LexSpec, lex } from './lex.js';
import { type ListenSpec, listen } from './listen.js';
import { type LlmSpec, llm } from './llm.js';
import { handoff, hangupTool, mcpServer } from './llm-parts.js';
import { type MessageSpec, message } from './message.js';
import { type PauseSpec, pause } from './pause.js';
import { type PipelineSpec, pipeline } from './pipeline.js';
import { type PlaySpec, play } from './play.js';
import { type RasaSpec, rasa } from './rasa.js';
import { recognizer } from './recognizer.js';
import { deepgramOptions } from './recognizer-deepgram.js';
import { awsOptions, azureOptions, googleOptions } from './recognizer-google-aws-azure.js';
import { houndifyOptions } from './recognizer-houndify.js';
import { formatting, nuanceOptions, resource, resourceReference } from './recognizer-nuance.js';
import { openaiOptions, promptTemplates, turnDetection } from './recognizer-openai.js';
import {
  assemblyAiOptions,
  cobaltOptions,
  customOptions,
  elevenlabsOptions,
  ibmOptions,
  modulateOptions,
  nvidiaOptions,
  verbioOptions,
  xaiOptions,
} from './recognizer-others.js';
import { sonioxContext, sonioxOptions, sonioxStorage } from './recognizer-soniox.js';
import { speechmaticsOptions, speechmaticsTranscription } from './recognizer-speechmatics.js';
import { type RedirectSpec, redirect } from './redirect.js';
import { type RestDialSpec, restDial } from './rest-dial.js';
import { type SaySpec, say } from './say.js';
import { type SipDeclineSpec, sipDecline } from './sip-decline.js';
import { type SipReferSpec, sipRefer } from './sip-refer.js';
import { type SipRequestSpec, sipRequest } from './sip-request.js';
import { synthesizer } from './synthesizer.js';
import { type TagSpec, tag } from './tag.js';
import { target } from './target.js';
import { type TranscribeSpec, transcribe } from './transcribe.js';
import { type TransferSpec, transfer } from './transfer.js';

/** Any verb in the form `{ verb: '<name>', … }`, aliases resolved. */
export type VerbSpec =
  | AgentSpec
  | AlertSpec
  | AnswerSpec
  | ConferenceSpec
  | ConfigSpec
  | DequeueSpec
  | DialSpec
  | DialogflowSpec
  | DtmfSpec
  | DubSpec
  | EnqueueSpec
  | FaxSpec
  | GatherSpec
  | HangupSpec
  | LeaveSpec
  | LexSpec
  | ListenSpec
  | LlmSpec
  | MessageSpec
  | PauseSpec
  | PipelineSpec
  | PlaySpec
  | RasaSpec
  | RedirectSpec
  | RestDialSpec
  | SaySpec
  | SipDeclineSpec
  | SipReferSpec
  | SipRequestSpec
  | TagSpec
  | TranscribeSpec
  | TransferSpec;

/** The name of a verb, aliases resolved. */
export type VerbName = VerbSpec['verb'];

/** The specification of the verb named `K`. */
export type SpecOf<K extends VerbName> = Extract<VerbSpec, { verb: K }>;

/** The schema of every verb, by its name. */
export const VERB_SCHEMAS: { readonly [K in VerbName]: VerbSchema<SpecOf<K>> } = {
  agent,
  alert,
  answer,
  conference,
  config,
  dequeue,
  dial,
  dialogflow,
  dtmf,
  dub,
  enqueue,
  fax,
  gather,
  hangup,
  leave,
  lex,
  listen,
  llm,
  message,
  pause,
  pipeline,
  play,
  rasa,
  redirect,
  'rest:dial': restDial,
  say,
  'sip:decline': sipDecline,
  'sip:refer': sipRefer,
  'sip:request': sipRequest,
  tag,
  transcribe,
  transfer,
};

/** The schemas that verbs share, each known by its `$id`. */
export const COMPONENTS: readonly Component<unknown>[] = [
  hook,
  clearableHook,
  auth,
  target,
  synthesizer,
  recognizer,
  vad,
  amd,
  amdTimers,
  bargeIn,
  ttsStream,
  recordOptions,
  listenOptions,
  transcribeOptions,
  bidirectionalAudio,
  fillerNoise,
  actionHookDelayAction,
  noiseIsolation,
  turnTaking,
  record,
  mcpServer,
  handoff,
  hangupTool,
  agentLlm,
  agentBargeIn,
  agentLanguage,
  assemblyAiOptions,
  awsOptions,
  azureOptions,
  cobaltOptions,
  customOptions,
  deepgramOptions,
  elevenlabsOptions,
  googleOptions,
  houndifyOptions,
  ibmOptions,
  modulateOptions,
  nuanceOptions,
  resource,
  resourceReference,
  formatting,
  nvidiaOptions,
  openaiOptions,
  promptTemplates,
  turnDetection,
  sonioxOptions,
  sonioxStorage,
  sonioxContext,
  speechmaticsOptions,
  speechmaticsTranscription,
  verbioOptions,
  xaiOptions,
  body(dub),
  body(listen),
  body(llm),
  body(play),
  body(say),
  body(transcribe),
];

const componentsById = new Map<string, Component<unknown>>(COMPONENTS.map((schema) => [schema.$id, schema]));

/** The shared schema that a `$ref` names. */
export const componentOf = (id: string): Component<unknown> | undefined => componentsById.get(id);

function collectRefs(node: unknown, found: Map<string, JsonSchema>): void {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === '$ref' && typeof value === 'string' && !found.has(value)) {
      const target = componentsById.get(value);
      if (target === undefined) continue;
      found.set(value, target);
      collectRefs(target, found);
    } else {
      collectRefs(value, found);
    }
  }
}

/**
 * One verb's schema as a document that stands alone: everything it refers to is bundled under `$defs`
 * (JSON Schema 2020-12 §9.3, compound schema documents).
 */
export function bundledSchema(name: VerbName): JsonSchema {
  const found = new Map<string, JsonSchema>();
  collectRefs(VERB_SCHEMAS[name], found);
  return {
    ...VERB_SCHEMAS[name],
    $defs: Object.fromEntries([...found.values()].map((schema) => [schema.title ?? '', schema])),
  };
}
