import type { PhoneNumber } from './rows.js';

/** A phone number entry that is a pattern, ready to be matched. */
export interface NumberPattern {
  phoneNumber: PhoneNumber;
  matches(dialled: string): boolean;
}

/** Longer than any number or SIP user part that a pattern is meant for; bounds the work of a regular expression. */
const MAX_DIALLED = 40;
/** Each unbounded repetition multiplies the work by the length of the number: three take milliseconds, six take hours. */
const MAX_REPETITIONS = 3;
/** A branching group repeated this often at most doubles the work as many times. */
const MAX_BRANCH_REPEATS = 10;

/** A quantifier at the start of a text: how often it repeats at most; undefined where there is none. */
function quantifierAt(text: string): { length: number; most: number } | undefined {
  const match = /^(?:([+*])|(\?)|\{(\d+)(,?)(\d*)\})/.exec(text);
  if (match === null) return undefined;
  const [whole, unbounded, optional, least, comma, most] = match;
  if (optional !== undefined) return { length: whole.length, most: 1 };
  const isOpen = unbounded !== undefined || (comma === ',' && most === '');
  return { length: whole.length, most: isOpen ? Number.POSITIVE_INFINITY : Number(most || least) };
}

/**
 * Why a regular expression could take too long, judged by its form: a repetition inside a repeated group takes exponential time on
 * a text that nearly matches (`(a+)+`), as does a branching group (`(a|a)*`), and many repetitions multiply.
 */
function findDanger(source: string): string | undefined {
  interface Group {
    repeats: boolean;
    branches: boolean;
  }
  const open: Group[] = [{ repeats: false, branches: false }];
  let repetitions = 0;
  for (let i = 0; i < source.length; ) {
    const char = source[i];
    const group = open.at(-1) as Group;
    let closed: Group | undefined;
    if (char === '\\') i += 2;
    else if (char === '[') i += (/^\[(?:[^\]\\]|\\.)*\]/.exec(source.slice(i))?.[0].length ?? 1) || 1;
    else if (char === '(') {
      open.push({ repeats: false, branches: false });
      i += /^\(\?(?:[:=!]|<[=!]|<\w+>)/.exec(source.slice(i))?.[0].length ?? 1;
      continue;
    } else if (char === ')' && open.length > 1) {
      closed = open.pop();
      const outer = open.at(-1) as Group;
      outer.repeats ||= closed?.repeats ?? false;
      outer.branches ||= closed?.branches ?? false;
      i += 1;
    } else {
      if (char === '|') group.branches = true;
      i += 1;
    }
    const quantifier = quantifierAt(source.slice(i));
    if (quantifier === undefined) continue;
    i += quantifier.length;
    if (source[i] === '?') i += 1;
    if (quantifier.most <= 1) continue;
    if (closed?.repeats) return 'repeats a group that itself repeats';
    if (closed?.branches && quantifier.most > MAX_BRANCH_REPEATS) return 'repeats a group that branches';
    (open.at(-1) as Group).repeats = true;
    if (quantifier.most > MAX_BRANCH_REPEATS) repetitions += 1;
  }
  return repetitions > MAX_REPETITIONS ? `repeats more than ${MAX_REPETITIONS} times` : undefined;
}

/** Whether an entry is a pattern rather than a number. */
export const isNumberPattern = (number: string): boolean => /\D/.test(number);

/**
 * Compiles an entry with jambonz's meaning: a trailing `*` after digits stands for any further digits; otherwise it is a
 * regular expression that may match anywhere in the dialled number.
 *
 * @returns the reason when the pattern is not valid or could take exponential time
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
 * @returns the reason when it is not valid or could take exponential time
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
