import { tone } from '@ringwire/rtp';
import t from 'tap';
import { silentLogger } from '../testing/fakes.js';
import { hintGrammar } from './hint-grammar.js';
import { Pocketsphinx, readHypothesis } from './pocketsphinx.js';
import { PocketsphinxSession } from './pocketsphinx-session.js';
import type { RecognitionEvent } from './recognizer.js';

const silence = (ms: number) => new Int16Array(16 * ms);
const voice = (ms: number) => tone([300, 700], ms, -20, 16_000);

t.test('hints become a grammar of those phrases whose words are known', async (t) => {
  const known = new Set(['yes', 'thank', 'you', "don't"]);
  const { grammar, unknown } = hintGrammar(
    ['Yes', 'thank-you', 'yes', "don't", 'ringwire', '42', '}; public <x> = no'],
    (word) => known.has(word),
  );
  t.match(grammar, "( yes | thank you | don't )+ ;");
  t.same(unknown, ['ringwire', '42', '}; public <x> = no']);
  t.same(
    hintGrammar(['42'], () => true),
    { grammar: undefined, unknown: ['42'] },
  );
});

t.test('what the program prints is read without fillers, its probabilities averaged', async (t) => {
  const printed =
    'one two\n<s> 0.000 0.180 0.990000\none(2) 0.19 0.30 0.800000\n[NOISE] 0.31 0.32 0.5\ntwo 0.33 0.50 0.600000\n(NULL) 0.5 0.5 1.0\n';
  t.same(readHypothesis(printed), { transcript: 'one two', confidence: 0.7 });
  t.equal(readHypothesis('\n<sil> 0.000 0.180 1.000000\n'), undefined);
});

t.test(
  'utterances are cut at silence and understood in order; interim results come while somebody speaks',
  async (t) => {
    const events: RecognitionEvent[] = [];
    const lengths: number[] = [];
    const session = new PocketsphinxSession({
      interim: true,
      recognize: async (samples) => {
        lengths.push(Math.round(samples.length / 16));
        return { transcript: `${lengths.length}`, confidence: 1 };
      },
      onEvent: (event) => events.push(event),
      onClose: async () => {},
    });
    for (const piece of [silence(2000), voice(1000), silence(700)]) {
      for (let at = 0; at < piece.length; at += 320) {
        session.write(piece.subarray(at, at + 320));
        await Promise.resolve();
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    session.write(voice(400));
    session.write(silence(700));
    await new Promise((resolve) => setImmediate(resolve));
    await session.close();
    t.match(events, [
      { speech: { isFinal: false, alternatives: [{ transcript: '1' }] } },
      { speech: { isFinal: true, alternatives: [{ transcript: '2' }] } },
      { speech: { isFinal: true, alternatives: [{ transcript: '3' }] } },
    ]);
    t.ok(lengths[1]! > 1900 && lengths[1]! < 2600, `${lengths[1]} ms: the utterance with little around it`);
  },
);

t.test('who never stops is understood in parts, and one that fails is told', async (t) => {
  const events: RecognitionEvent[] = [];
  let made = 0;
  const session = new PocketsphinxSession({
    interim: false,
    recognize: async (samples) => {
      t.ok(samples.length < 16 * 22_000);
      made += 1;
      if (made === 2) throw new Error('killed');
      return { transcript: 'blah', confidence: 1 };
    },
    onEvent: (event) => events.push(event),
    onClose: async () => {},
  });
  for (let i = 0; i < 45; i++) {
    session.write(voice(900));
    session.write(silence(100));
  }
  await new Promise((resolve) => setImmediate(resolve));
  t.match(events, [{ type: 'heard' }, { type: 'failed', reason: 'killed' }]);
  await session.close();
});

t.test('where the program is not installed nobody listens', async (t) => {
  t.equal(await Pocketsphinx.open({ logger: silentLogger, program: '/nowhere/pocketsphinx' }), undefined);
});
