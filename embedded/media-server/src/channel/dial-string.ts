/** Digits that are sent with one length. */
export interface DialPart {
  digits: string;
  durationMs: number;
}

/** FreeSWITCH's lengths of digits when nothing else is said, and its bounds. */
export const DEFAULT_DIGIT_MS = 250;
const MIN_DIGIT_MS = 50;
const MAX_DIGIT_MS = 24_000;
/** FreeSWITCH sends no longer strings. */
const MAX_DIAL_STRING = 99;

/** Reads `123@200+45ww#`: parts joined by `+`, each with its own length; what is no digit, `w`, `W` or `F` is left out. */
export function parseDialString(text: string, maxLength = MAX_DIAL_STRING): DialPart[] {
  if (text.length > maxLength) return [];
  const parts: DialPart[] = [];
  for (const part of text.replace(/^~/, '').split('+')) {
    const [keys = '', length = ''] = part.split('@');
    const digits = keys.replace(/[^0-9A-Da-d*#wWFf]/g, '');
    const wanted = Number.parseInt(length, 10);
    const durationMs = wanted > MIN_DIGIT_MS ? Math.min(wanted, MAX_DIGIT_MS) : DEFAULT_DIGIT_MS;
    if (digits !== '') parts.push({ digits, durationMs });
  }
  return parts;
}

/** The length that a received digit is given: within FreeSWITCH's bounds, its default for 0. */
export function digitDurationMs(durationMs: number): number {
  if (!(durationMs > 0)) return DEFAULT_DIGIT_MS;
  return Math.min(Math.max(durationMs, MIN_DIGIT_MS), MAX_DIGIT_MS);
}
