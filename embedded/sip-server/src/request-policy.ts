import { isIPv4 } from 'node:net';
import { parseUri, type SipMessage, splitList } from '@ringwire/sip';

/** A final answer that the server gives instead of an application. */
export interface Refusal {
  status: number;
  reason?: string;
  /** What an application that wanted to answer is told: a clause without full stop. */
  why?: string;
  headers: Array<[name: string, value: string]>;
}

/** What the command line has answered without an application. */
export interface RequestPolicy {
  /** OPTIONS of this User-Agent get 200: probes of a load balancer. */
  optionsUserAgent: string | undefined;
  /** A REGISTER to an IPv4 address gets 403: scanners know no realm. */
  rejectsRegisterWithoutRealm: boolean;
  /** Each INVITE gets 180 before an application hears of it. */
  ringsAlways: boolean;
}

/** The answer that the command line wants for a request outside dialogs; undefined when an application shall decide. */
export function policyAnswer(request: SipMessage, policy: RequestPolicy): Refusal | undefined {
  const { method } = request;
  if (method === 'OPTIONS' && policy.optionsUserAgent !== undefined) {
    return request.get('User-Agent') === policy.optionsUserAgent ? { status: 200, headers: [] } : undefined;
  }
  if (method === 'REGISTER' && policy.rejectsRegisterWithoutRealm) {
    return isIPv4(parseUri(request.uri)?.host ?? '') ? { status: 403, headers: [] } : undefined;
  }
  return undefined;
}

/** Option tags of IANA's registry: an application may support any of them, so only the others are refused. */
const OPTION_TAGS = new Set(
  (
    '100rel 199 answermode early-session eventlist explicitsub from-change geolocation-http geolocation-sip gin gruu ' +
    'histinfo ice join multiple-refer norefersub nosub outbound path policy precondition pref privacy recipient-list-invite ' +
    'recipient-list-message recipient-list-subscribe record-aware replaces resource-priority sdp-anat sec-agree siprec ' +
    'tdialog timer trickle-ice uui'
  ).split(' '),
);

/** Bodies that an INVITE may bring for an application to judge: what SIP's RFCs, ISUP and QSIG tunnelling and SIPREC define. */
const BODY_TYPES =
  /^(?:text|multipart|message|image|audio)\/|^application\/(?:sdp|isup|qsig|json|xml|octet-stream|dtmf(?:-relay)?|pkcs7-mime|trickle-ice-sdpfrag|resource-lists|rs-metadata|(?:x-|vnd\.).*|.*\+(?:xml|json))$/i;

const ACCEPTED = 'application/sdp, multipart/mixed, application/isup, text/plain';

/**
 * The answer to a request outside dialogs that asks for what neither the server nor any application can do: unknown
 * option tags (RFC 3261 §8.2.2.3), a body of unknown type (§8.2.3), an answer that may not be SDP (§20.1), an
 * address-of-record that is no SIP URI (§10.2). Undefined when an application shall decide.
 */
export function refusalOf(request: SipMessage): Refusal | undefined {
  const unsupported = unknownTags(request, 'Require');
  const unsupportedHere = unknownTags(request, 'Proxy-Require');
  if (unsupported.length + unsupportedHere.length > 0) {
    // RFC 4475 §3.3.5: an endpoint names what Require asked for, a proxy what Proxy-Require did.
    const tags = unsupported.length > 0 ? unsupported : unsupportedHere;
    return { status: 420, why: 'it requires unknown extensions', headers: [['Unsupported', tags.join(', ')]] };
  }
  if (request.method === 'REGISTER' && !isSipAddress(request.get('To') ?? '')) {
    return { status: 400, reason: 'Bad Request (To is no SIP URI)', headers: [] };
  }
  return request.method === 'INVITE' ? refusalOfInvite(request) : undefined;
}

function refusalOfInvite(request: SipMessage): Refusal | undefined {
  if (request.body.length > 0) {
    const type = mediaType(request.get('Content-Type') ?? '');
    const optional = /handling\s*=\s*optional/i.test(request.get('Content-Disposition') ?? '');
    if (!optional && !BODY_TYPES.test(type)) {
      return {
        status: 415,
        why: `nobody takes a body of type "${type.slice(0, 60)}"`,
        headers: [['Accept', ACCEPTED]],
      };
    }
  }
  if (request.has('Accept')) {
    const accepted = request.getList('Accept').map(mediaType);
    if (!accepted.some((type) => /^(?:\*\/\*|application\/\*|application\/sdp|multipart\/.+)$/.test(type))) {
      return { status: 406, why: 'it does not accept SDP in an answer', headers: [] };
    }
  }
  return undefined;
}

function unknownTags(request: SipMessage, name: string): string[] {
  if (!request.has(name)) return [];
  return request
    .getAll(name)
    .flatMap(splitList)
    .filter((tag) => tag !== '' && !OPTION_TAGS.has(tag.toLowerCase()));
}

function mediaType(value: string): string {
  return value
    .split(';', 1)[0]!
    .trim()
    .toLowerCase()
    .replace(/\s*\/\s*/, '/');
}

function isSipAddress(value: string): boolean {
  const uri = /<([^>]*)>/.exec(value)?.[1] ?? value.split(';', 1)[0]!;
  return /^sips?$/.test(parseUri(uri.trim())?.scheme ?? '');
}
