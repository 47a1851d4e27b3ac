/**
 * A JSGF grammar (W3C note, June 2000) of the phrases that a caller may say, each of them as often as he likes; undefined where none is
 * left of them.
 * @param isKnown whether the recognizer knows a word; phrases with others are left out
 */
export function hintGrammar(
  hints: readonly string[],
  isKnown: (word: string) => boolean,
): { grammar: string | undefined; unknown: string[] } {
  const phrases = new Set<string>();
  const unknown: string[] = [];
  for (const hint of hints) {
    const words = hint
      .toLowerCase()
      .split(/[^a-z']+/)
      .filter((word) => word !== '');
    if (words.length === 0 || !words.every(isKnown)) unknown.push(hint);
    else phrases.add(words.join(' '));
  }
  if (phrases.size === 0) return { grammar: undefined, unknown };
  const either = [...phrases].join(' | ');
  return { grammar: `#JSGF V1.0;\ngrammar hints;\npublic <said> = ( ${either} )+ ;\n`, unknown };
}
