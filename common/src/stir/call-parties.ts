import { splitUri, type UriParts } from '../sip/uri.js';
import { canonicalNumber, type ToE164 } from './canonical-number.js';
import type { PassportParty } from './passport.js';

/** What a request says that PASSporTs are compared with; values of headers as they came. */
export interface SignedRequest {
  identity: string | undefined;
  date: string | undefined;
  from: string | undefined;
  assertedIdentity: string | undefined;
  to: string | undefined;
  uri: string;
  /** Call-ID. */
  callId?: string | undefined;
}

/** Who calls, by which header, and who is called: canonical numbers, or URIs of those who have none. */
export interface CallParties {
  caller: PassportParty | null;
  callerHeader: 'From' | 'P-Asserted-Identity';
  /** Whom To names. */
  to: PassportParty | null;
  /** Whom the Request-URI names: that is who is called in fact. */
  asked: PassportParty | null;
}

/** Takes the headers that matter from a message. */
export function signedRequestOf(message: { uri: string; get(name: string): string | undefined }): SignedRequest {
  return {
    // RFC 8224 §4: not every SIP server writes the short name out.
    identity: message.get('Identity') ?? message.get('y'),
    date: message.get('Date'),
    from: message.get('From'),
    assertedIdentity: message.get('P-Asserted-Identity'),
    to: message.get('To'),
    uri: message.uri,
    callId: message.get('Call-ID'),
  };
}

/** No address is longer; looking for quotes in much longer text would take long. */
const MAX_ADDRESS_CHARS = 2_048;

/** The URIs of a header with one or several addresses; a display name may contain anything but is quoted then. */
function urisOf(value: string): UriParts[] {
  const text = value.slice(0, MAX_ADDRESS_CHARS).replace(/"(?:[^"\\]|\\.)*"/g, '');
  const bracketed = [...text.matchAll(/<([^<>]*)>/g)].map(([, uri]) => uri!);
  const uris = bracketed.length > 0 ? bracketed : [text.split(';')[0]!.trim()];
  return uris.map(splitUri).filter((parts) => parts !== null);
}

function partyOf(parts: UriParts | undefined, toE164: ToE164 | undefined): PassportParty | null {
  const tn = canonicalNumber(parts?.user, toE164);
  if (tn !== null) return { tn };
  // RFC 8224 §8.5: a URI without parameters, the host in lower case.
  return parts?.user && parts.host ? { uri: `${parts.scheme}:${parts.user}@${parts.host}` } : null;
}

/** The first address of a header that is a telephone number, else the first of all. */
function firstParty(value: string | undefined, toE164: ToE164 | undefined): PassportParty | null {
  const parties = (value === undefined ? [] : urisOf(value)).map((parts) => partyOf(parts, toE164));
  return parties.find((found) => found?.tn !== undefined) ?? parties[0] ?? null;
}

/**
 * Who a request is from and to. The caller is that of P-Asserted-Identity where it names a number (ATIS-1000074 §5.2.1: what
 * the originating network asserts is what it signs), else that of From.
 */
export function callParties(request: SignedRequest, toE164?: ToE164): CallParties {
  const asserted = firstParty(request.assertedIdentity, toE164);
  const isAsserted = asserted?.tn !== undefined;
  return {
    caller: isAsserted ? asserted : firstParty(request.from, toE164),
    callerHeader: isAsserted ? 'P-Asserted-Identity' : 'From',
    to: firstParty(request.to, toE164),
    asked: firstParty(`<${request.uri}>`, toE164),
  };
}
