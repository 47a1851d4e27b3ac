import { amountOrText, flag, numberOrText, ref, type Static, textOrTexts, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'play',
  'Plays audio to the caller.',
  {
    url: textOrTexts('URL of the audio (WAV, MP3, silence_stream://, tone_stream://), or several played in order'),
    loop: amountOrText('how often to play; forever or 0 for no end; default 1'),
    earlyMedia: flag('play before the call is answered; default false'),
    seekOffset: numberOrText(
      'where to start, in samples of the file (as `playback_last_offset_pos` of the action hook), not seconds; default 0',
    ),
    timeoutSecs: numberOrText('seconds after which playing stops'),
    actionHook: ref(hook, 'called at the end with `reason`'),
  },
  ['url'],
);
/** Plays audio to the caller. */
export interface PlaySpec extends Static<typeof schema> {}
/** Schema of {@link PlaySpec}. */
export const play: VerbSchema<PlaySpec> = schema;
