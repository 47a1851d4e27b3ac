export type { Alias } from './aliases.js';
export { ALIASES } from './aliases.js';
export * from './builder.js';
export { renderVerbReference } from './docs.js';
export { shorten } from './json-path.js';
export { findExcess, LIMITS } from './limits.js';
export type { Body, Component, JsonSchema, Schema, Static, VerbSchema } from './schema.js';
export type { AgentSpec } from './schemas/agent.js';
export type {
  AgentBargeInSpec,
  AgentLanguageSpec,
  AgentLlmSpec,
  LlmMessage,
  ToolFillerSpec,
} from './schemas/agent-parts.js';
export type { AlertSpec } from './schemas/alert.js';
export type { AmdSpec, AmdTimers } from './schemas/amd.js';
export type { AnswerSpec } from './schemas/answer.js';
export type {
  ActionHookDelaySpec,
  AgentNoiseIsolationSpec,
  BidirectionalAudioSpec,
  FillerNoiseSpec,
  NoiseIsolationSpec,
  RecordSpec,
  TurnTakingSpec,
  VadSpec,
} from './schemas/audio.js';
export type { ConferenceSpec } from './schemas/conference.js';
export type { ConfigSpec } from './schemas/config.js';
export type {
  BargeInSpec,
  ListenOptions,
  RecordOptions,
  TranscribeOptions,
  TtsStreamSpec,
} from './schemas/config-parts.js';
export type { DequeueSpec } from './schemas/dequeue.js';
export type { DialSpec, DtmfCapture } from './schemas/dial.js';
export type { DialogflowSpec } from './schemas/dialogflow.js';
export type { DtmfSpec } from './schemas/dtmf.js';
export type { DubSpec } from './schemas/dub.js';
export type { EnqueueSpec } from './schemas/enqueue.js';
export type { FaxSpec } from './schemas/fax.js';
export type { GatherSpec } from './schemas/gather.js';
export type { HangupSpec } from './schemas/hangup.js';
export type { AuthSpec, HookObject, HookSpec } from './schemas/hook.js';
export type { SpecOf, VerbName, VerbSpec } from './schemas/index.js';
export { bundledSchema, COMPONENTS, componentOf, VERB_SCHEMAS } from './schemas/index.js';
export type { LeaveSpec } from './schemas/leave.js';
export type { LexSpec } from './schemas/lex.js';
export type { ListenSpec } from './schemas/listen.js';
export type { LlmSpec } from './schemas/llm.js';
export type { HandoffSpec, HangupToolSpec, McpServerSpec } from './schemas/llm-parts.js';
export type { MessageSpec } from './schemas/message.js';
export type { PauseSpec } from './schemas/pause.js';
export type { PipelineSpec } from './schemas/pipeline.js';
export type { PlaySpec } from './schemas/play.js';
export type { RasaSpec } from './schemas/rasa.js';
export type { HintSpec, RecognizerSpec } from './schemas/recognizer.js';
export type { DeepgramOptions } from './schemas/recognizer-deepgram.js';
export type { AwsOptions, AzureOptions, GoogleOptions } from './schemas/recognizer-google-aws-azure.js';
export type { HoundifyOptions } from './schemas/recognizer-houndify.js';
export type {
  NuanceFormatting,
  NuanceOptions,
  NuanceResource,
  NuanceResourceReference,
} from './schemas/recognizer-nuance.js';
export type { OpenaiOptions, PromptTemplates, TurnDetection } from './schemas/recognizer-openai.js';
export type {
  AssemblyAiOptions,
  CobaltOptions,
  CustomOptions,
  ElevenlabsOptions,
  IbmOptions,
  ModulateOptions,
  NvidiaOptions,
  VerbioOptions,
  XaiOptions,
} from './schemas/recognizer-others.js';
export type { SonioxContext, SonioxOptions, SonioxStorage } from './schemas/recognizer-soniox.js';
export type { SpeechmaticsOptions, SpeechmaticsTranscription } from './schemas/recognizer-speechmatics.js';
export type { RedirectSpec } from './schemas/redirect.js';
export type { RestDialSpec } from './schemas/rest-dial.js';
export type { SaySpec } from './schemas/say.js';
export type { SipDeclineSpec } from './schemas/sip-decline.js';
export type { SipReferSpec } from './schemas/sip-refer.js';
export type { SipRequestSpec } from './schemas/sip-request.js';
export type { SynthesizerSpec } from './schemas/synthesizer.js';
export type { TagSpec } from './schemas/tag.js';
export type { TargetSpec } from './schemas/target.js';
export type { TranscribeSpec } from './schemas/transcribe.js';
export type { TransferSpec } from './schemas/transfer.js';
export type { ValidationResult } from './validate.js';
export { validate } from './validate.js';
export { compileValidators } from './validators.js';
export type { VerbError } from './verb-error.js';
export { describeErrors } from './verb-error.js';
