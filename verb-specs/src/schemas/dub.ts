import { body, choice, flag, numberOrText, type Static, text, textOrBody, type VerbSchema, verb } from '../schema.js';
import { say } from './say.js';

const schema = verb(
  'dub',
  'Mixes further audio tracks into the call.',
  {
    action: choice(
      ['addTrack', 'removeTrack', 'silenceTrack', 'playOnTrack', 'sayOnTrack'],
      'what to do with the track',
    ),
    track: text('name of the track, your choice'),
    play: text('URL of the audio (playOnTrack, addTrack)'),
    say: textOrBody(body(say), 'text, or what the verb say has (sayOnTrack)'),
    loop: flag('repeat the audio; default false'),
    gain: numberOrText('gain in dB: number, or text as "-6 dB"; default 0'),
  },
  ['action', 'track'],
);
/** Mixes further audio tracks into the call. */
export interface DubSpec extends Static<typeof schema> {}
/** Schema of {@link DubSpec}. */
export const dub: VerbSchema<DubSpec> = schema;
