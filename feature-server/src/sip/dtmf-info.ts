/**
 * Reads a digit out of a SIP INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`, as SBCs send it) and
 * `application/dtmf` (the digit alone). Undefined for anything else.
 */
export function parseDtmfInfo(contentType: string, body: string): { key: string; durationMs?: number } | undefined {
  const type = contentType.toLowerCase();
  const isRelay = type.startsWith('application/dtmf-relay');
  if (!isRelay && !type.startsWith('application/dtmf')) return undefined;
  const text = isRelay ? /^\s*Signal\s*=\s*(\S+)/im.exec(body)?.[1] : body.trim();
  const key = toKey(text ?? '');
  if (!key) return undefined;
  const duration = Number(/^\s*Duration\s*=\s*(\d+)/im.exec(body)?.[1]);
  return Number.isFinite(duration) && duration > 0 ? { key, durationMs: duration } : { key };
}

/** jambonz's, where nobody says how long a key was held. */
const DEFAULT_MS = 250;

/** The body of an `application/dtmf-relay`. */
export const dtmfInfoBody = (key: string, durationMs = DEFAULT_MS): string =>
  `Signal=${key}\r\nDuration=${durationMs}\r\n`;

/** Some gateways send `10` and `11` for star and pound (the RFC 4733 event codes). */
function toKey(text: string): string | undefined {
  if (text === '10') return '*';
  if (text === '11') return '#';
  return /^[0-9*#A-D]$/i.test(text) ? text.toUpperCase() : undefined;
}
