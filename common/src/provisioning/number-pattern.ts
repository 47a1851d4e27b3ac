import type { PhoneNumber } from './rows.js';

/** A phone number entry that is a pattern, ready to be matched. */
export interface NumberPattern {
  phoneNumber: PhoneNumber;
  matches(dialled: string): boolean;
}

/** Longer than any number or SIP user part that a pattern is meant for; bounds the work of a regular expression. */
const MAX_DIALLED = 40;
/** In how many ways an expression may be tried at one place of a number: tens of milliseconds at worst, and room for usual patterns. */
const MAX_WAYS = 10_000;
/** How many parts one way may have: exact repetitions (`{n}`) cost time even where they take no digit. */
const MAX_PARTS = 1_000;

/** How often a part is repeated. */
interface Quantifier {
  /** Characters that it takes in the expression. */
  length: number;
  least: number;
  most: number;
}

/** The quantifier at the start of a text, if there is one. Beyond what it demands each repetition takes at least one digit. */
function quantifierAt(text: string): Quantifier | undefined {
  const match = /^(?:([+*?])|\{(\d+)(?:(,)(\d*))?\})\??/.exec(text);
  if (match === null) return undefined;
  const [{ length }, sign, first, comma, second] = match;
  // A count of hundreds of digits would be infinite, with which nothing can be reckoned.
  const least = sign === undefined ? Math.min(Number(first), MAX_PARTS + 1) : sign === '+' ? 1 : 0;
  let most = least + MAX_DIALLED;
  if (sign === '?') most = 1;
  else if (comma !== undefined && second !== '') most = Math.min(most, Number(second));
  else if (sign === undefined && comma === undefined) most = least;
  return { length, least, most };
}

/** An upper bound of the work that a part of an expression makes at one place. */
interface Work {
  /** In how many ways it can be tried before it has failed: what backtracking goes through. */
  ways: number;
  /** The parts of the longest way. */
  parts: number;
}

function repeated({ ways, parts }: Work, { least, most }: Quantifier): Work {
  let sum = 0;
  for (let times = least; times <= most && sum <= MAX_WAYS; times++) sum += ways ** times;
  return { ways: Math.max(sum, 1), parts: Math.max(parts * most, 1) };
}

/** A group while it is read: its finished branches, and the one being read. */
class OpenGroup {
  #done: Work = { ways: 0, parts: 0 };
  #branch: Work = { ways: 1, parts: 1 };

  add({ ways, parts }: Work): void {
    this.#branch = { ways: this.#branch.ways * ways, parts: this.#branch.parts + parts };
  }

  nextBranch(): void {
    this.#done = this.total;
    this.#branch = { ways: 1, parts: 1 };
  }

  get total(): Work {
    return { ways: this.#done.ways + this.#branch.ways, parts: Math.max(this.#done.parts, this.#branch.parts) };
  }
}

/**
 * Why a regular expression could take too long, judged by its form. One that nearly matches is tried in every way that it allows, and the
 * choices of parts in a row multiply: two for each `?`, one for each count of a repetition, one for each branch of a group, and those of
 * a repeated group once more with each repetition. So `.?` thirty times is a thousand million ways, and so is `(.|.){10}` three times.
 */
function findDanger(source: string): string | undefined {
  const open = [new OpenGroup()];
  for (let i = 0; i < source.length; ) {
    const char = source[i];
    let work: Work = { ways: 1, parts: 1 };
    if (char === '\\') i += 2;
    else if (char === '[') i += /^\[(?:[^\]\\]|\\.)*\]/s.exec(source.slice(i))?.[0].length ?? 1;
    else if (char === '(') {
      open.push(new OpenGroup());
      i += /^\(\?(?:[:=!]|<[=!]|<\w+>)/.exec(source.slice(i))?.[0].length ?? 1;
      continue;
    } else if (char === '|') {
      open.at(-1)?.nextBranch();
      i += 1;
      continue;
    } else {
      if (char === ')' && open.length > 1) work = open.pop()?.total ?? work;
      i += 1;
    }
    const quantifier = quantifierAt(source.slice(i));
    if (quantifier !== undefined) work = repeated(work, quantifier);
    i += quantifier?.length ?? 0;
    open.at(-1)?.add(work);
  }
  const { ways, parts } = open[0]?.total ?? { ways: 1, parts: 1 };
  if (!(ways <= MAX_WAYS)) return `can be tried in more than ${MAX_WAYS} ways`;
  return parts <= MAX_PARTS ? undefined : `repeats more than ${MAX_PARTS} parts`;
}

/** Whether an entry is a pattern rather than a number. */
export const isNumberPattern = (number: string): boolean => /\D/.test(number);

/**
 * Compiles an entry with jambonz's meaning: a trailing `*` after digits stands for any further digits; otherwise it is a
 * regular expression that may match anywhere in the dialled number.
 *
 * @returns the reason when the pattern is not valid or could take too long
 */
export function compileNumberPattern(
  phoneNumber: PhoneNumber,
): { ok: true; pattern: NumberPattern } | { ok: false; reason: string } {
  const { number } = phoneNumber;
  const prefix = /^\+?(\d*)\*$/.exec(number)?.[1];
  if (prefix !== undefined) {
    const matches = (dialled: string) => dialled.startsWith(prefix) && /^\d*$/.test(dialled.slice(prefix.length));
    return { ok: true, pattern: { phoneNumber, matches } };
  }
  const compiled = compileExpression(number);
  return compiled.ok ? { ok: true, pattern: { phoneNumber, matches: compiled.matches } } : compiled;
}

/**
 * Compiles a customer's regular expression, which may match anywhere in a dialled number.
 *
 * @returns the reason when it is not valid or could take too long
 */
export function compileExpression(
  source: string,
): { ok: true; matches: (dialled: string) => boolean } | { ok: false; reason: string } {
  const danger = findDanger(source);
  if (danger !== undefined) return { ok: false, reason: danger };
  try {
    const expression = new RegExp(source);
    return { ok: true, matches: (dialled) => dialled.length <= MAX_DIALLED && expression.test(dialled) };
  } catch (err) {
    return { ok: false, reason: err instanceof Error ? err.message : String(err) };
  }
}
