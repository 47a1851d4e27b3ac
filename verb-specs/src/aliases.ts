import type { VerbName } from './schemas/index.js';

/** What an alias of a verb stands for. */
export interface Alias {
  /** The verb itself. */
  readonly verb: VerbName;
  /** Vendor that the alias fills in; one that the application names wins. */
  readonly vendor?: string;
}

/** Further names of verbs. `room` and the vendors qwen and gptlive are of the published schema package only. */
export const ALIASES: ReadonlyMap<string, Alias> = new Map<string, Alias>([
  ['stream', { verb: 'listen' }],
  ['room', { verb: 'conference' }],
  ['s2s', { verb: 'llm' }],
  ['openai_s2s', { verb: 'llm', vendor: 'openai' }],
  ['microsoft_s2s', { verb: 'llm', vendor: 'microsoft' }],
  ['google_s2s', { verb: 'llm', vendor: 'google' }],
  ['elevenlabs_s2s', { verb: 'llm', vendor: 'elevenlabs' }],
  ['deepgram_s2s', { verb: 'llm', vendor: 'deepgram' }],
  ['voiceagent_s2s', { verb: 'llm', vendor: 'voiceagent' }],
  ['ultravox_s2s', { verb: 'llm', vendor: 'ultravox' }],
  ['qwen_s2s', { verb: 'llm', vendor: 'qwen' }],
  ['gptlive_s2s', { verb: 'llm', vendor: 'gptlive' }],
]);

/** Verbs in which `stream` is another name of the property `listen`. */
export const STREAM_MEANS_LISTEN: ReadonlySet<VerbName> = new Set<VerbName>(['config', 'conference', 'dial']);
