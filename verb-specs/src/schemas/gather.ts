import { amount, body, choices, flag, number, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { actionHookDelayAction, fillerNoise } from './audio.js';
import { hook } from './hook.js';
import { play } from './play.js';
import { recognizer } from './recognizer.js';
import { say } from './say.js';

const schema = verb('gather', 'Collects digits or speech, with an optional prompt.', {
  actionHook: ref(hook, 'called once with the outcome; may answer with new verbs'),
  input: choices(['digits', 'speech'], 'what is collected; default digits'),
  finishOnKey: text('keys that end the input; not part of the digits'),
  numDigits: amount('exact number of digits'),
  minDigits: amount('fewest digits; default 1'),
  maxDigits: amount('most digits'),
  interDigitTimeout: amount('seconds between digits after which the input ends'),
  partialResultHook: ref(hook, 'receives interim transcripts'),
  speechTimeout: number('seconds of silence after speech that end it; as asrTimeout of the recognizer'),
  timeout: amount('seconds to wait for input after the prompt; 0 waits for ever; default 15'),
  listenDuringPrompt: flag('listen while the prompt plays; default true'),
  dtmfBargein: flag('a digit stops the prompt; default true where digits are collected'),
  bargein: flag('speech stops the prompt; default false'),
  minBargeinWordCount: number('words that stop the prompt; 0 stops it at the first sound; default 1'),
  recognizer: ref(recognizer, 'recognizer; default is that of the session'),
  say: ref(body(say), 'prompt to speak'),
  play: ref(body(play), 'prompt to play'),
  fillerNoise: ref(fillerNoise, 'what is heard while the application thinks'),
  actionHookDelayAction: ref(actionHookDelayAction, 'what to do while the action hook is slow'),
});
/** Collects digits or speech, with an optional prompt. */
export interface GatherSpec extends Static<typeof schema> {}
/** Schema of {@link GatherSpec}. */
export const gather: VerbSchema<GatherSpec> = schema;
