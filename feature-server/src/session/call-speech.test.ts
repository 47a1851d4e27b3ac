import t from 'tap';
import { piecesOf, splitText } from './call-speech.js';

t.test('long texts are cut between sentences, else between words, else hard', (t) => {
  t.same(splitText('One. Two. Three.', 10), ['One. Two.', 'Three.']);
  t.same(splitText('one two three', 8), ['one two', 'three']);
  t.same(splitText('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  t.same(splitText('short', 900), ['short']);
  t.end();
});

t.test('URLs and silence are sources, SSML stays in one piece, empty texts are nothing', (t) => {
  const ssml = `<speak>${'word. '.repeat(400)}</speak>`;
  t.same(piecesOf(['Hi', ' ', 'https://a.example/x.wav', 'silence_stream://250', ssml]), [
    { text: 'Hi' },
    { source: 'https://a.example/x.wav' },
    { source: 'silence_stream://250' },
    { text: ssml },
  ]);
  t.same(piecesOf(['see https://a.example/x.wav for more']), [{ text: 'see https://a.example/x.wav for more' }]);
  t.end();
});
