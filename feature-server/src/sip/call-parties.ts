import type { SipRequest } from '@ringwire/common/sip/stack.js';

/** Who calls whom, as an INVITE says it. */
export interface CallParties {
  from: string;
  to: string;
  callerName: string;
}

/** Reads calling and called user and the display name; undefined when the INVITE cannot be read (answer 400). */
export function partiesOf(request: SipRequest): CallParties | undefined {
  try {
    const from = request.getParsedHeader('from');
    const name = (from.name ?? '')
      .trim()
      .replace(/^"(.*)"$/s, '$1')
      .replace(/\\(.)/g, '$1');
    return { from: userOf(from.uri) || 'anonymous', to: userOf(request.uri) || 'anonymous', callerName: name };
  } catch {
    // drachtio-srf throws when From is missing or does not match its pattern.
    return undefined;
  }
}

/** The user of a SIP or tel URI without parameters; a leading plus is not part of a number inside the system. */
function userOf(uri: string): string {
  const sip = /^sips?:([^@>]*)@/i.exec(uri);
  const tel = /^tel:([^;>]+)/i.exec(uri);
  const text = sip?.[1] ?? tel?.[1] ?? '';
  return text.split(/[;:]/, 1)[0]?.replace(/^\+/, '') ?? '';
}
