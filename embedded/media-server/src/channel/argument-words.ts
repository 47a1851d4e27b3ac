const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['s', ' '],
  ["'", "'"],
  ['"', '"'],
  ['\\', '\\'],
]);

/**
 * Words of an application's argument as FreeSWITCH takes them apart: between blanks; single quotes, also in the midst of a word, keep blanks; `\n`, `\r`,
 * `\t`, `\s` (a blank), `\'`, `\"` and `\\` are what they stand for, a backslash before anything else stays. At most `limit` words; the rest is left out.
 */
export function argumentWords(text: string, limit = 64): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < text.length && text[at] === ' ') at++;
  while (at < text.length && words.length < limit) {
    const { word, end } = readWord(text, at);
    words.push(word);
    at = end;
    while (at < text.length && text[at] === ' ') at++;
  }
  return words;
}

function readWord(text: string, start: number): { word: string; end: number } {
  let word = '';
  let quoted = false;
  let at = start;
  for (; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\') {
      const next = text[at + 1];
      const meant = next === undefined ? undefined : ESCAPED.get(next);
      word += meant ?? `\\${next ?? ''}`;
      at++;
    } else if (character === "'" && (quoted || text.includes("'", at + 1))) {
      quoted = !quoted;
    } else if (character === ' ' && !quoted) {
      break;
    } else {
      word += character;
    }
  }
  return { word, end: at };
}
