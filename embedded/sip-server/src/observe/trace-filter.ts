import { ArgumentError } from '../errors.js';
import { headerOf } from './wire-message.js';

/** Decides by the head of a call's first message whether the call is shown. */
export type TraceFilter = (head: string) => boolean;

const FIELDS: Record<string, (head: string) => string[]> = {
  'call-id': (head) => [headerOf(head, 'call-id|i')],
  from: (head) => [headerOf(head, 'from|f')],
  to: (head) => [headerOf(head, 'to|t')],
  number: (head) => [requestUri(head), headerOf(head, 'from|f'), headerOf(head, 'to|t')].map(userOf),
};

/**
 * Reads `--trace-filter`: `call-id=`, `from=`, `to=` or `number=` and a part of it, or a text that stands in any of them; with several
 * filters all must hold.
 * @throws ArgumentError for another field
 */
export function readTraceFilter(texts: readonly string[]): TraceFilter | undefined {
  const filters = texts.map((text) => {
    const [, name, part] = /^([a-z-]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || part === undefined) return partOf(Object.values(FIELDS), text);
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (!field || part === '') {
      throw new ArgumentError(`--trace-filter: ${Object.keys(FIELDS).join('=, ')}= or a text expected, not "${text}"`);
    }
    return partOf([field], part);
  });
  return filters.length === 0 ? undefined : (head) => filters.every((filter) => filter(head));
}

function partOf(fields: ReadonlyArray<(head: string) => string[]>, part: string): TraceFilter {
  const wanted = part.toLowerCase();
  return (head) => fields.some((field) => field(head).some((value) => value.toLowerCase().includes(wanted)));
}

function requestUri(head: string): string {
  return /^[^\s]+ ([^\s]+) SIP\/2\.0\r/.exec(head)?.[1] ?? '';
}

/** The user part of the first SIP or tel URI. */
function userOf(value: string): string {
  return /\b(?:sips?|tel):([^@:;>\s]+)(?=[@;>\s]|$)/i.exec(value)?.[1] ?? '';
}
