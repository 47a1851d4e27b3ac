import type { PhoneNumber } from './rows.js';

/** A phone number entry that is a pattern, ready to be matched. */
export interface NumberPattern {
  phoneNumber: PhoneNumber;
  matches(dialled: string): boolean;
}

/** Longer than any number or SIP user part that a pattern is meant for; bounds the work of a regular expression. */
const MAX_DIALLED = 64;

/** A repetition inside a repeated group takes exponential time on a text that nearly matches: `(a+)+`, `(a|a)*`. */
const NESTED_REPETITION = /\((?:[^()\\]|\\.)*[+*{|](?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)/;

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
  if (NESTED_REPETITION.test(number)) return { ok: false, reason: 'repeats a group that itself repeats or branches' };
  try {
    const expression = new RegExp(number);
    const matches = (dialled: string) => dialled.length <= MAX_DIALLED && expression.test(dialled);
    return { ok: true, pattern: { phoneNumber, matches } };
  } catch (err) {
    return { ok: false, reason: err instanceof Error ? err.message : String(err) };
  }
}
