/**
 * Words of a command's argument: separated by blanks, or by the character after `^^` in front. A word may stand in single quotes and
 * then have separators; a quote within it counts only before a separator, so that texts with apostrophes survive. Between blanks a
 * word that begins like JSON takes the rest.
 */
export function quotedWords(argument: string): string[] {
  const custom = argument.startsWith('^^') ? argument[2] : undefined;
  const words: string[] = [];
  let rest = custom ? argument.slice(3) : argument.trim();
  for (;;) {
    if (!custom) rest = rest.trimStart();
    if (!custom && rest === '') return words;
    if (!custom && /^[{[]/.test(rest)) return [...words, rest];
    const quoted = rest.startsWith("'");
    let end = custom ? rest.indexOf(custom) : rest.search(/\s/);
    if (quoted) {
      const close = closingQuote(rest, custom);
      if (close > 0) end = close + 1 < rest.length ? close + 1 : -1;
    }
    const word = end < 0 ? rest : rest.slice(0, end);
    words.push(word.length > 1 && quoted && word.endsWith("'") ? word.slice(1, -1) : word);
    if (end < 0) return words;
    rest = rest.slice(end + 1);
  }
}

/** Where the quote is that ends the word that begins with one; −1 when there is none. */
function closingQuote(text: string, separator: string | undefined): number {
  for (let at = text.indexOf("'", 1); at > 0; at = text.indexOf("'", at + 1)) {
    const next = text[at + 1];
    if (next === undefined || (separator ? next === separator : /\s/.test(next))) return at;
  }
  return -1;
}
