/** Longest time a timer of Node can run; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Seconds of a verb (number, or digits in a string) in ms; undefined when absent or not a number. */
export function secondsToMs(value: number | string | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const seconds = Number(value);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(Math.round(seconds * 1000), MAX_TIMER_MS) : undefined;
}

/** A bot is told of silence no sooner: it would be asked, and paid, over and over. */
const MIN_NO_INPUT_MS = 500;

/** `noInputTimeout` of a bot in ms; undefined when absent, 0 or senseless. */
export function noInputMs(value: number | string | undefined): number | undefined {
  const ms = secondsToMs(value);
  return ms ? Math.max(ms, MIN_NO_INPUT_MS) : undefined;
}

/** `loop` of say and play: a count; `forever` or 0 for no end. Once when absent or senseless. */
export function loopCount(value: number | string | undefined): number {
  if (value === undefined || value === '') return 1;
  const count = Number(value);
  if (count === 0 || (typeof value === 'string' && value.toLowerCase() === 'forever')) return Number.POSITIVE_INFINITY;
  return Number.isFinite(count) && count >= 1 ? Math.floor(count) : 1;
}

/** Decibels of a number, or of text such as `-6 dB`; undefined when it is neither. */
export function decibels(value: number | string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const read = typeof value === 'number' ? value : Number(/^\s*([+-]?\d+(?:\.\d+)?)\s*(?:db)?\s*$/i.exec(value)?.[1]);
  return Number.isFinite(read) ? read : undefined;
}

/** The first words of a text, for a timeline line. */
export function opening(text: string | readonly (string | readonly string[])[] | undefined): string {
  const whole = (Array.isArray(text) ? text.flat().join(' ') : String(text ?? '')).replace(/\s+/g, ' ').trim();
  return whole.length <= 60 ? `"${whole}"` : `"${whole.slice(0, 57)}…"`;
}

/**
 * Who has forgotten to fill in the name of a room or queue must not meet others who have.
 * @throws TypeError
 */
export function needsName(name: string): void {
  if (name.trim() === '') throw new TypeError('"name" is empty');
}

/** One or several as a list. */
export function listOf(value: string | readonly string[] | undefined): string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : [...value];
}
