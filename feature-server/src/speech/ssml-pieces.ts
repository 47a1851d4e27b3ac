/** A tag, comment or the text between two. */
interface Token {
  text: string;
  /** `open` and `close` of an element; `whole`: an empty element, a comment, an instruction; `broken`: what cannot be read. */
  kind: 'text' | 'open' | 'close' | 'whole' | 'broken';
  /** Of an element. */
  name: string;
}

/** Elements whose text is said as one thing, or not said at all: none of them is cut (W3C SSML 1.1 §3.1). */
const ATOMS = new Set(['say-as', 'phoneme', 'sub', 'audio', 'token', 'w', 'desc', 'metadata', 'lexicon', 'lookup']);
/** Behind these a speaker pauses anyway. */
const PAUSES = new Set(['p', 's', 'break']);

/**
 * Cuts SSML that is longer than a vendor takes into documents of their own: between sentences and paragraphs, behind a `break`, else between words, never inside an
 * element that is said as one. What is open at a cut is closed there and opened again behind it.
 *
 * @param limit characters of a piece, its markup included
 * @returns the text as it is where it is short enough, or is not well-formed, or has more markup than `limit` around a word
 */
export function ssmlPieces(ssml: string, limit: number): string[] {
  if (ssml.length <= limit) return [ssml];
  const pieces = cut(tokensOf(ssml), limit);
  return pieces ?? [ssml];
}

const TAG = /<(\/?)([^\s/<>]+)((?:"[^"<]*"|'[^'<]*'|[^"'<>])*)>/y;
/** What is no element, by its first and last characters. */
const ASIDES: readonly (readonly [string, string])[] = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
];

/** The tokens of a document; the last one is `broken` where it is not well-formed. Takes time in proportion to its length. */
function* tokensOf(ssml: string): Generator<Token> {
  for (let at = 0; at < ssml.length; ) {
    const start = ssml.indexOf('<', at);
    if (start !== at) yield { text: ssml.slice(at, start < 0 ? undefined : start), kind: 'text', name: '' };
    if (start < 0) return;
    const [first, last] = ASIDES.find(([begin]) => ssml.startsWith(begin, start)) ?? [];
    if (first !== undefined && last !== undefined) {
      const end = ssml.indexOf(last, start + first.length);
      at = end < 0 ? ssml.length : end + last.length;
      yield { text: ssml.slice(start, at), kind: end < 0 ? 'broken' : 'whole', name: '' };
      continue;
    }
    TAG.lastIndex = start;
    const [text, slash, name = '', rest = ''] = TAG.exec(ssml) ?? [];
    if (text === undefined) return yield { text: '', kind: 'broken', name: '' };
    at = start + text.length;
    yield { text, kind: slash ? 'close' : rest.endsWith('/') ? 'whole' : 'open', name };
  }
}

/** The part that is being made, and what is open in it. */
class Piece {
  readonly open: Token[] = [];
  body = '';
  /** Whether it has anything but what was opened again. */
  hasContent = false;
  /** Characters that end what is open. */
  #closing = 0;

  begin(token: Token): void {
    this.open.push(token);
    this.body += token.text;
    this.#closing += closingOf(token).length;
  }

  /** False where another element is to be ended first. */
  end({ name, text }: Token): boolean {
    const last = this.open.at(-1);
    if (last?.name !== name) return false;
    this.open.pop();
    this.#closing -= closingOf(last).length;
    this.body += text;
    return true;
  }

  /** Characters that still fit. */
  room(limit: number): number {
    return limit - this.body.length - this.#closing;
  }

  finish(): string {
    const text = this.body + this.open.map(closingOf).reverse().join('');
    this.body = this.open.map((token) => token.text).join('');
    this.hasContent = false;
    return text;
  }
}

const closingOf = ({ name }: Token): string => `</${name}>`;

function cut(tokens: Iterable<Token>, limit: number): string[] | undefined {
  const pieces: string[] = [];
  const piece = new Piece();
  /** An element that is not cut, as far as it is read, and how deep in it. */
  let atom = '';
  let depth = 0;
  const add = (text: string): void => {
    // White space between elements is nothing to say: a piece of it alone could not be spoken.
    if (!piece.hasContent && text.trim() === '') return;
    if (piece.hasContent && text.length > piece.room(limit)) pieces.push(piece.finish());
    piece.body += text;
    piece.hasContent = true;
  };
  for (const token of tokens) {
    const { kind, text } = token;
    const name = token.name.toLowerCase();
    // There is no room for a word beside what is open.
    if (kind === 'broken' || piece.room(limit) < -limit) return undefined;
    if (depth > 0) {
      atom += text;
      depth += kind === 'open' ? 1 : kind === 'close' ? -1 : 0;
      if (depth === 0) add(atom);
    } else if (kind === 'open' && ATOMS.has(name)) {
      atom = text;
      depth = 1;
    } else if (kind === 'open') {
      if (piece.hasContent && text.length + name.length + 3 > piece.room(limit)) pieces.push(piece.finish());
      piece.begin(token);
    } else if (kind === 'close') {
      if (!piece.end(token)) return undefined;
    } else if (kind === 'whole') add(text);
    else for (const part of partsOf(text, limit)) add(part);
    // Not much more fits: this is a better place than the next.
    const isPause = PAUSES.has(name) && kind !== 'open';
    if (isPause && piece.hasContent && piece.open.length > 0 && piece.room(limit) < limit / 4)
      pieces.push(piece.finish());
  }
  if (depth > 0 || piece.open.length > 0) return undefined;
  if (piece.hasContent || pieces.length === 0) pieces.push(piece.body);
  return pieces.some((one) => one.length > limit) ? undefined : pieces;
}

/** A text in sentences, each with the space behind it; words where a sentence is as long as a piece. */
function partsOf(text: string, limit: number): string[] {
  const sentences = text.match(/[\s\S]*?[.!?…](?:\s+|$)|[\s\S]+$/g) ?? [text];
  return sentences.flatMap((sentence) => (sentence.length < limit / 2 ? [sentence] : sentence.split(/(?<=\s)(?=\S)/)));
}
