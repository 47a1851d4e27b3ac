import type { SipRequest } from '@ringwire/common/sip/stack.js';
import type { Decision } from './types.js';

/** Headers in which a carrier says who calls, what of it may be shown, and from where the call was diverted. */
const HEADERS = {
  'P-Asserted-Identity': 'asserted',
  'Remote-Party-ID': 'remoteParty',
  Privacy: 'privacy',
  Diversion: 'diversion',
  'History-Info': 'history',
} as const;

/** Longer values say nothing to people. */
const MAX_SHOWN = 512;

/** The facts of a header, one by one: commas within quotes and angle brackets separate nothing (RFC 3261 §7.3.1). */
function valuesOf(header: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let from = 0;
  let isQuoted = false;
  let depth = 0;
  for (let i = 0; i < header.length; i++) {
    const char = header[i];
    if (isQuoted && char === '\\') i++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (char === '<') depth++;
    else if (char === '>') depth--;
    else if (char === separator && depth === 0) {
      parts.push(header.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(header.slice(from));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/**
 * What a carrier says of the caller, for the timeline; null when it says nothing. The application reads the same headers in `sip.headers`: they
 * go on as they came (jambonz's session payload has no fields of its own for them).
 */
export function callerIdentity(request: Pick<SipRequest, 'get'>): Decision | null {
  const said = Object.entries(HEADERS).flatMap(([header, name]) => {
    const value = request.get(header)?.slice(0, MAX_SHOWN);
    return value ? [[name, valuesOf(value, header === 'Privacy' ? ';' : ',')] as const] : [];
  });
  if (said.length === 0) return null;
  return {
    kind: 'call',
    text: `the carrier says: ${said.map(([name, values]) => `${name} ${values.join(', ')}`).join('; ')}`,
    data: Object.fromEntries(said),
  };
}
