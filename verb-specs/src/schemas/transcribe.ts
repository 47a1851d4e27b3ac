import { flag, number, ref, type Static, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';
import { recognizer } from './recognizer.js';

const schema = verb('transcribe', 'Transcribes the call.', {
  enable: flag('start or stop, where nested; default true'),
  transcriptionHook: ref(hook, 'receives each transcript'),
  translationHook: ref(hook, 'receives each translation'),
  recognizer: ref(recognizer, 'recognizer; default is that of the session'),
  earlyMedia: flag('start before the call is answered; default false'),
  channel: number('leg to transcribe inside dial: 1 or 2; default both'),
});
/** Transcribes the call. */
export interface TranscribeSpec extends Static<typeof schema> {}
/** Schema of {@link TranscribeSpec}. */
export const transcribe: VerbSchema<TranscribeSpec> = schema;
