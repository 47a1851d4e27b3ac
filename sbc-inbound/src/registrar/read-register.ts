import type { FlowTransport } from '@ringwire/common';
import { flowTransport } from '@ringwire/common/sip/flow-transport.js';
import type { NameAddr, SipRequest } from '@ringwire/common/sip/stack.js';
import { partyOf, splitUri } from '@ringwire/common/sip/uri.js';

/** A contact as a REGISTER names it. */
export interface RegisterContact {
  id: string;
  uri: string;
  q: number;
  /** Seconds; null: as the request says, or the registrar. */
  expiresS: number | null;
}

/** A REGISTER (RFC 3261 §10.2), known to be well-formed. */
export interface ReadRegister {
  user: string;
  realm: string;
  callId: string;
  cseq: number;
  /** `all`: the contact `*`, which removes everything. */
  contacts: readonly RegisterContact[] | 'all';
  /** Of the header Expires; null where there is none. */
  expiresS: number | null;
  path: readonly string[];
  supportsPath: boolean;
  /** It speaks outbound (RFC 5626) over a connection of its own, or a proxy that does, and names its device and connection. */
  isOutbound: boolean;
  flow: { transport: FlowTransport; address: string; port: number };
}

/** Or what is wrong with it. */
export type RegisterReading = { ok: true; register: ReadRegister } | { ok: false; reason: string };

/** One request may name so many. */
const MAX_CONTACTS = 10;
const MAX_CONTACT = 512;
const MAX_USER = 64;
const MAX_PATHS = 5;
/** RFC 3261 §20.10: what cannot be read as a number of seconds counts as an hour. */
const UNREADABLE_EXPIRES_S = 3_600;

const bad = (reason: string): RegisterReading => ({ ok: false, reason });

/** An address of a peer as bindings name it. */
export const withoutBrackets = (address: string): string =>
  address.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:(?=\d+\.)/i, '');

function seconds(text: string | undefined): number | null {
  if (text === undefined || text.trim() === '') return null;
  return /^\s*\d{1,10}\s*$/.test(text) ? Number(text) : UNREADABLE_EXPIRES_S;
}

/** A device that says who it is, and which of its connections this is (RFC 5626 §4.1), keeps its binding when its address changes. */
function idOf(uri: string, params: NameAddr['params']): string {
  const instance = params['+sip.instance']?.replace(/^"|"$/g, '');
  const regId = params['reg-id'];
  const isGood = instance && /^<[^<>\s"]{1,126}>$/.test(instance) && regId && /^\d{1,10}$/.test(regId);
  return isGood ? `${instance};${regId}` : uri;
}

/** What {@link idOf} read, as parameters of a Contact; '' where the device did not say. */
export function instanceParams(id: string): string {
  const [, instance, regId] = /^(<[^<>]+>);(\d+)$/.exec(id) ?? [];
  return instance === undefined ? '' : `;+sip.instance="${instance}";reg-id=${regId}`;
}

function contactsOf(request: SipRequest): readonly RegisterContact[] | 'all' | null {
  const header = request.get('Contact')?.trim();
  if (!header) return [];
  if (header === '*') return 'all';
  let parsed: NameAddr[];
  try {
    parsed = request.getParsedHeader('contact');
  } catch {
    // drachtio-srf throws on a header that its pattern does not match.
    return null;
  }
  if (parsed.length > MAX_CONTACTS) return null;
  const contacts: RegisterContact[] = [];
  for (const { uri, params } of parsed) {
    const parts = splitUri(uri);
    if (!parts || parts.scheme === 'tel' || uri.length > MAX_CONTACT || /[\s<>"]/.test(uri)) return null;
    const q = Number(params.q ?? 1);
    contacts.push({
      id: idOf(uri, params),
      uri,
      q: q >= 0 && q <= 1 ? q : 1,
      expiresS: seconds(params.expires),
    });
  }
  return contacts;
}

/** Whether an option tag is in a header that lists them. */
const lists = (header: string | undefined, tag: string): boolean =>
  (header ?? '').split(',').some((entry) => entry.trim().toLowerCase() === tag);

function pathOf(request: SipRequest): readonly string[] | null {
  const header = request.get('Path');
  if (!header) return [];
  // Commas inside angle brackets belong to the URI.
  const entries = (header.match(/<[^<>]*>[^,<>]*/g) ?? []).map((entry) => entry.trim());
  const fits = entries.every((entry) => {
    const uri = /^<([^<>\s]{1,512})>(?:;[\w\-.~;=+%"]*)?$/.exec(entry)?.[1];
    return uri !== undefined && (splitUri(uri)?.host ?? '') !== '';
  });
  return entries.length > 0 && entries.length <= MAX_PATHS && fits ? entries : null;
}

/** Takes a REGISTER apart. Never throws. */
export function readRegister(request: SipRequest): RegisterReading {
  const realm = splitUri(request.uri)?.host;
  const to = partyOf(request, 'to');
  const callId = request.get('Call-ID');
  const cseq = /^\s*(\d{1,10})\s+REGISTER\s*$/i.exec(request.get('CSeq') ?? '')?.[1];
  if (!realm) return bad('invalid Request-URI');
  if (!to?.user || to.user.length > MAX_USER || /[\s{}]/.test(to.user)) return bad('invalid To');
  if (!callId || cseq === undefined) return bad('invalid Call-ID or CSeq');
  if (splitUri(to.uri)?.host !== realm) return bad('To and Request-URI name different realms');
  const contacts = contactsOf(request);
  if (contacts === null) return bad('invalid Contact');
  const expiresS = seconds(request.get('Expires'));
  if (contacts === 'all' && expiresS !== 0) return bad('Contact: * needs Expires: 0');
  const path = pathOf(request);
  if (path === null) return bad('invalid Path');
  const last = path.at(-1);
  const isOutbound =
    lists(request.get('Supported'), 'outbound') &&
    contacts !== 'all' &&
    contacts.some(({ id }) => instanceParams(id) !== '') &&
    (last === undefined || /;ob(?=[;>=])/i.test(last));
  const transport = flowTransport(request);
  if (transport === null) return bad('unknown transport');
  return {
    ok: true,
    register: {
      user: to.user,
      realm,
      callId,
      cseq: Number(cseq),
      contacts,
      expiresS,
      path,
      supportsPath: lists(request.get('Supported'), 'path') || lists(request.get('Require'), 'path'),
      isOutbound,
      flow: {
        transport,
        address: withoutBrackets(request.source_address),
        port: Number(request.source_port),
      },
    },
  };
}
