import t from 'tap';
import { ssmlPieces } from './ssml-pieces.js';

/** What is said, without markup and with single spaces. */
const words = (ssml: string): string =>
  ssml
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

/** Whether each tag that is opened is closed, in order. */
function isWellFormed(ssml: string): boolean {
  const open: string[] = [];
  for (const [, slash, name = '', empty] of ssml.matchAll(/<(\/?)([\w:-]+)[^>]*?(\/?)>/g)) {
    if (empty) continue;
    if (!slash) open.push(name);
    else if (open.pop() !== name) return false;
  }
  return open.length === 0;
}

t.test('short SSML stays as it is', async (t) => {
  t.same(ssmlPieces('<speak>Hi.</speak>', 900), ['<speak>Hi.</speak>']);
});

t.test('long SSML is cut between sentences into documents that each have what was open', async (t) => {
  const sentences = Array.from({ length: 60 }, (_, n) => `Sentence number ${n} goes here.`);
  const ssml = `<speak version="1.1" xml:lang="en-US"><prosody rate="slow"><p>${sentences.join(' ')}</p></prosody></speak>`;
  const pieces = ssmlPieces(ssml, 300);
  t.ok(pieces.length > 5, `${pieces.length} pieces`);
  for (const piece of pieces) {
    t.ok(piece.length <= 300, `${piece.length} characters`);
    t.ok(isWellFormed(piece), piece);
    t.match(
      piece,
      /^<speak version="1\.1" xml:lang="en-US"><prosody rate="slow"><p>Sentence number \d+ [\s\S]*here\. ?<\/p><\/prosody><\/speak>$/,
    );
  }
  t.equal(pieces.map(words).join(' '), words(ssml));
});

t.test('elements that are said as one, comments and quoted brackets are not cut', async (t) => {
  const phone = '<say-as interpret-as="telephone" format="a > b">+49 30 1234567 890</say-as>';
  const ssml = `<speak>${`Call ${phone} now <!-- not. here --> or <sub alias="World Wide Web">W. W. W.</sub> later <break time="1s"/>`.repeat(12)}</speak>`;
  const pieces = ssmlPieces(ssml, 250);
  t.ok(pieces.length > 3);
  for (const piece of pieces) {
    t.ok(piece.length <= 250);
    t.equal(piece.split('<say-as').length, piece.split('</say-as>').length, piece);
    t.equal(piece.split('<sub').length, piece.split('</sub>').length, piece);
    t.match(piece, /^<speak>[\s\S]*<\/speak>$/);
  }
  t.equal(pieces.join('').split(phone).length, 13, 'each is there, whole');
});

t.test('a sentence that is longer than a piece is cut between words', async (t) => {
  const pieces = ssmlPieces(`<speak>${'word '.repeat(100)}</speak>`, 100);
  t.ok(pieces.length > 5 && pieces.every((piece) => piece.length <= 100));
  t.equal(pieces.map(words).join(' '), 'word '.repeat(100).trim());
});

t.test('what is not well-formed, or cannot be cut, stays in one piece', async (t) => {
  for (const ssml of [
    `<speak><p>${'word. '.repeat(50)}</speak>`,
    `<speak>${'word. '.repeat(50)}`,
    `<speak><say-as interpret-as="x">${'word. '.repeat(50)}</say-as></speak>`,
    `<speak>${'x'.repeat(300)}</speak>`,
    `<speak><prosody rate="${'x'.repeat(200)}">word. word.</prosody></speak>`,
  ]) {
    t.same(ssmlPieces(ssml, 100), [ssml]);
  }
});

t.test('a text that is meant to take long is given up, or cut, at once', async (t) => {
  const deep = `<speak>${'<p>'.repeat(20_000)}word.${'</p>'.repeat(20_000)}</speak>`;
  const broken = ['<!--', '<a ', '<a b="', '<?', '<p>a<', '<', '<speak>'].map(
    (part) => `<speak>${part.repeat(30_000)}`,
  );
  for (const ssml of [deep, ...broken]) t.same(ssmlPieces(ssml, 900), [ssml]);
  const many = `<speak>${'<break/>'.repeat(20_000)}${' '.repeat(100_000)}${'a.'.repeat(400)}</speak>`;
  t.ok(ssmlPieces(many, 900).every((piece) => piece.length > 0));
});

t.test('white space between elements makes no piece of its own', async (t) => {
  for (const words of [10, 14, 15, 16, 20]) {
    const paragraph = `  <p>\n    ${'word '.repeat(words)}\n  </p>\n`;
    const pieces = ssmlPieces(`<speak>\n${paragraph.repeat(12)}</speak>\n`, 150);
    t.ok(pieces.length > 5 && pieces.every((piece) => /word/.test(piece)), `${words} words`);
  }
});
