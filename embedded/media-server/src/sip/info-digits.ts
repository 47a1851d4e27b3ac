import { DTMF_DIGITS } from '@ringwire/rtp';

const CODES = `${DTMF_DIGITS}F`;
const DEFAULT_MS = 250;

/**
 * Reads the digit of an INFO: `application/dtmf-relay` with `Signal=` and `Duration=` in ms, or `application/dtmf` with nothing but the
 * digit. Numbers above 9 are event codes, as some equipment sends `10` for `*`. Undefined when it is something else.
 */
export function readInfoDigit(contentType: string, body: string): { digit: string; durationMs: number } | undefined {
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  if (type === 'application/dtmf-relay') {
    const digit = digitOf(/^\s*Signal\s*=\s*(\S+)\s*$/im.exec(body)?.[1] ?? '');
    const durationMs = Number(/^\s*Duration\s*=\s*(\d{1,6})/im.exec(body)?.[1] ?? 0) || DEFAULT_MS;
    return digit === undefined ? undefined : { digit, durationMs };
  }
  if (type !== 'application/dtmf') return undefined;
  const digit = digitOf(body.trim());
  return digit === undefined ? undefined : { digit, durationMs: DEFAULT_MS };
}

/** Body of an `application/dtmf-relay`. */
export function infoDigitBody(digit: string, durationMs: number): string {
  return `Signal=${digit}\r\nDuration=${durationMs}\r\n`;
}

function digitOf(signal: string): string | undefined {
  if (/^\d\d$/.test(signal)) return CODES[Number(signal)];
  return /^[0-9*#A-DF]$/i.test(signal) ? signal.toUpperCase() : undefined;
}
