import { tone } from '@ringwire/rtp';
import t from 'tap';
import { VoiceActivity } from './voice-activity.js';

const RATE = 8000;
const silence = (ms: number) => new Int16Array((RATE * ms) / 1000);
/** Noise of a line, always the same. */
function noise(ms: number, amplitude: number): Int16Array {
  let seed = 7;
  return silence(ms).map(() => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return ((seed >>> 16) % (2 * amplitude)) - amplitude;
  });
}

t.test(
  'voice activity: begins after enough voice, ends after enough silence, whatever pieces it comes in',
  async (t) => {
    const sound = [silence(500), tone([300, 700], 400, -20), silence(60), tone([300, 700], 300, -20), silence(400)];
    const whole = new VoiceActivity({ sampleRate: RATE, voiceMs: 200, silenceMs: 150 });
    t.same(
      sound.map((piece) => whole.feed(piece)),
      [[], ['start'], [], [], ['end']],
      'a gap between syllables is no end',
    );
    const parts = new VoiceActivity({ sampleRate: RATE, voiceMs: 200, silenceMs: 150 });
    const changes: string[] = [];
    for (const piece of sound)
      for (let at = 0; at < piece.length; at += 37) changes.push(...parts.feed(piece.subarray(at, at + 37)));
    t.same(changes, ['start', 'end']);
    t.notOk(parts.isSpeech);
  },
);

t.test(
  'voice activity: a click, a soft sound and the noise of a line are no speech, a voice above the noise is',
  async (t) => {
    const heard = (...sound: Int16Array[]) => {
      const activity = new VoiceActivity({ sampleRate: RATE, voiceMs: 200 });
      return sound.flatMap((piece) => activity.feed(piece));
    };
    t.same(heard(silence(300), tone(1000, 60, -10), silence(300)), []);
    t.same(heard(silence(300), tone(1000, 1000, -58), silence(300)), []);
    t.same(heard(noise(5000, 200)), []);
    t.same(heard(noise(2000, 200), tone([300, 700], 500, -15), noise(500, 200)), ['start', 'end']);
  },
);

t.test('voice activity: noise that begins and stays is taken for noise in time', async (t) => {
  const activity = new VoiceActivity({ sampleRate: RATE });
  activity.feed(silence(1000));
  activity.feed(noise(60_000, 800));
  t.notOk(activity.isSpeech);
});
