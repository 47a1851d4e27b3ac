import { component, number, object, ref, type Static } from '../schema.js';
import { hook } from './hook.js';
import { recognizer } from './recognizer.js';

const timersSchema = object({
  noSpeechTimeoutMs: number('ms without speech until amd_no_speech_detected; default 5000'),
  decisionTimeoutMs: number('ms until amd_decision_timeout; default 15000'),
  toneTimeoutMs: number('ms to wait for the tone of a machine; default 20000'),
  greetingCompletionTimeoutMs: number('ms of silence that end the greeting; default 2000'),
});
/** Time limits of answering-machine detection. */
export interface AmdTimers extends Static<typeof timersSchema> {}
/** Schema of {@link AmdTimers}. */
export const amdTimers = component<AmdTimers>('amdTimers', 'Time limits of answering-machine detection.', timersSchema);

const schema = object(
  {
    actionHook: ref(hook, 'receives each amd event'),
    thresholdWordCount: number('words in a greeting that make it a machine; default 9'),
    digitCount: number('digits in a greeting that make it a machine; default 0, off'),
    timers: ref(amdTimers, 'time limits'),
    recognizer: ref(recognizer, 'recognizer for the detection; default is that of the session'),
  },
  ['actionHook'],
);
/** Answering-machine detection. */
export interface AmdSpec extends Static<typeof schema> {}
/** Schema of {@link AmdSpec}. */
export const amd = component<AmdSpec>('amd', 'Answering-machine detection.', schema);
