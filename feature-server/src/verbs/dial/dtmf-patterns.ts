/** Keys further apart than these belong to different patterns (jambonz). */
const INTER_DIGIT_MS = 3_000;
/** Longest pattern, in keys. */
const MAX_KEYS = 64;

/** One place of a pattern: a key, any digit (`x`, `.`, `\d`), or one of several (`[1-3*]`). */
const PLACE = /\\d|\\[*#.]|\[(?:[0-9A-D*#]|[0-9]-[0-9])+\]|[0-9A-Da-d*#xX.]/y;

/** A pattern that can be caught. */
interface Pattern {
  keys: number;
  matches: RegExp;
}

/** The pattern as an expression for the last keys; undefined where it cannot be read. There are no repetitions, so that matching takes no time to speak of. */
function compile(text: string): Pattern | undefined {
  const pieces: string[] = [];
  PLACE.lastIndex = 0;
  while (PLACE.lastIndex < text.length) {
    const piece = PLACE.exec(text)?.[0];
    if (piece === undefined || pieces.length >= MAX_KEYS) return undefined;
    if (piece === '\\d' || piece === '.' || piece.toLowerCase() === 'x') pieces.push('[0-9]');
    else if (piece.startsWith('[')) pieces.push(piece);
    else pieces.push(`[${piece.replace('\\', '').toUpperCase()}]`);
  }
  return pieces.length === 0 ? undefined : { keys: pieces.length, matches: new RegExp(`${pieces.join('')}$`) };
}

/** Catches patterns in the keys of one leg (compat 2.7): the last keys count, each less than three seconds after the one before. */
export class DtmfPatterns {
  /** Patterns that cannot be read. */
  readonly unreadable: string[] = [];
  readonly #patterns: Pattern[] = [];
  readonly #longest: number;
  #keys = '';
  #lastAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    patterns: readonly string[],
    private readonly now: () => number = () => performance.now(),
  ) {
    for (const text of patterns) {
      const pattern = compile(text);
      if (pattern) this.#patterns.push(pattern);
      else this.unreadable.push(text);
    }
    this.#longest = Math.max(0, ...this.#patterns.map(({ keys }) => keys));
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** @returns the keys that match the first pattern that is complete with this key */
  press(key: string): string | undefined {
    const atMs = this.now();
    const before = atMs - this.#lastAtMs < INTER_DIGIT_MS ? this.#keys : '';
    this.#lastAtMs = atMs;
    this.#keys = `${before}${key.toUpperCase()}`.slice(-this.#longest);
    const found = this.#patterns.find(({ matches }) => matches.test(this.#keys));
    if (!found) return undefined;
    const matched = this.#keys.slice(-found.keys);
    this.#keys = '';
    return matched;
  }
}
