import t from 'tap';
import { chosenTexts, piecesOf, splitText } from './call-speech.js';

t.test('long texts are cut between sentences, else between words, else hard', (t) => {
  t.same(splitText('One. Two. Three.', 10), ['One. Two.', 'Three.']);
  t.same(splitText('one two three', 8), ['one two', 'three']);
  t.same(splitText('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  t.same(splitText('short', 900), ['short']);
  t.end();
});

t.test('URLs and silence are sources, long SSML is cut into documents, empty texts are nothing', (t) => {
  const ssml = '<speak>One word. <break time="1s"/> Another.</speak>';
  const pieces = piecesOf([`<speak>${'word. '.repeat(400)}</speak>`]);
  t.ok(pieces.length > 1 && pieces.every((piece) => 'text' in piece && /^<speak>word\. .*<\/speak>$/.test(piece.text)));
  t.same(piecesOf(['Hi', ' ', 'https://a.example/x.wav', 'silence_stream://250', ssml]), [
    { text: 'Hi' },
    { source: 'https://a.example/x.wav' },
    { source: 'silence_stream://250' },
    { text: ssml },
  ]);
  t.same(piecesOf(['see https://a.example/x.wav for more']), [{ text: 'see https://a.example/x.wav for more' }]);
  t.end();
});

t.test(
  'a list is spoken in order, of a list within it one at random; an operator may have lists mean one of their entries',
  (t) => {
    const last = (): number => 0.99;
    t.same(chosenTexts('Hi'), ['Hi']);
    t.same(chosenTexts(undefined), []);
    t.same(chosenTexts(['Hi.', 'How are you?']), ['Hi.', 'How are you?']);
    t.same(chosenTexts(['Hi.', ['Nice day.', 'Good to hear you.'], []], 'all', last), ['Hi.', 'Good to hear you.']);
    t.same(chosenTexts(['Hi.', 'Hello.'], 'one', last), ['Hello.']);
    t.same(
      chosenTexts([['a', 'b'], 'c'], 'one', () => 0),
      ['a'],
    );
    const seen = new Set(Array.from({ length: 200 }, () => chosenTexts([['a', 'b', 'c']]).join()));
    t.same([...seen].sort(), ['a', 'b', 'c']);
    t.end();
  },
);
