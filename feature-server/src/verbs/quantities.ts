/** Longest time a timer of Node can run; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Seconds of a verb (number, or digits in a string) in ms; undefined when absent or not a number. */
export function secondsToMs(value: number | string | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const seconds = Number(value);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(Math.round(seconds * 1000), MAX_TIMER_MS) : undefined;
}

/** `loop` of say and play: a count, or `forever`. Once when absent or senseless. */
export function loopCount(value: number | string | undefined): number {
  if (typeof value === 'string' && value.toLowerCase() === 'forever') return Number.POSITIVE_INFINITY;
  const count = Number(value ?? 1);
  return Number.isFinite(count) && count >= 1 ? Math.floor(count) : 1;
}

/** The first words of a text, for a timeline line. */
export function opening(text: string | readonly string[] | undefined): string {
  const whole = (Array.isArray(text) ? text.join(' ') : String(text ?? '')).replace(/\s+/g, ' ').trim();
  return whole.length <= 60 ? `"${whole}"` : `"${whole.slice(0, 57)}…"`;
}

/** One or several as a list. */
export function listOf(value: string | readonly string[] | undefined): string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : [...value];
}
