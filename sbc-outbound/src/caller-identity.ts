import type { OutboundRules, ProvisioningSnapshot, VoipCarrier } from '@ringwire/common';
import type { SipHeaders, SipMessageView } from '@ringwire/common/sip/stack.js';
import { nameAddr, type Party, splitUri } from '@ringwire/common/sip/uri.js';
import { escapedUser } from './gateway-uri.js';

/** Whose call it is, and what the application wants shown. */
export interface CallerFacts {
  accountSid: string;
  from: Party;
  /** The INVITE of the feature server: X-Preferred-From-…, Privacy, P-Asserted-Identity. */
  request: Pick<SipMessageView, 'get'>;
  /** Where we are heard: the host of identities that name none of their own. */
  ownHost: string;
}

/** The headers by which a carrier learns who calls. */
export interface CallerIdentity {
  headers: SipHeaders;
  /** What of it the timeline should tell; empty in the ordinary case. */
  notes: string[];
}

const IDENTITY_HEADERS = ['p-asserted-identity', 'p-preferred-identity', 'remote-party-id'];
/** RFC 3323 §4.1.1.3: what From says of a caller who is not to be shown. */
const ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>';

/** Headers that this file writes or leaves out; the application's own never go on beside them. */
export function isIdentityHeader(name: string): boolean {
  return IDENTITY_HEADERS.includes(name.toLowerCase());
}

/** From, the identity header and Contact for a carrier. Null when what the application prefers is no SIP user or host. */
export function callerIdentity(
  caller: CallerFacts,
  carrier: VoipCarrier,
  snapshot: Pick<ProvisioningSnapshot, 'isOwnNumber'>,
): CallerIdentity | null {
  const { request, from } = caller;
  const rules = carrier.outboundRules;
  const notes: string[] = [];
  const wanted = request.get('X-Preferred-From-User') ?? from.user ?? 'anonymous';
  const isShown = mayShow(wanted, caller.accountSid, carrier, snapshot);
  const user = isShown ? wanted : (rules.callerId ?? 'anonymous');
  if (!isShown) notes.push(`caller id ${wanted} is not a number of the account: ${user} is shown`);
  const host = request.get('X-Preferred-From-Host') ?? carrier.registerFromDomain ?? 'localhost';
  if (!splitUri(`sip:${user}@${host}`)?.user) return null;
  // A name stands for the number that it came with.
  const displayName = isShown ? from.displayName : null;
  const isPrivate =
    user === 'anonymous' || /(^|[;,\s])(id|user|header|critical)([;,\s]|$)/i.test(request.get('Privacy') ?? '');
  const registered = rules.fromRegisterUsername ? (carrier.registerFromUser ?? carrier.registerUsername) : null;
  const fromValue = isPrivate
    ? ANONYMOUS
    : nameAddr(displayName, `sip:${registered === null ? user : escapedUser(registered)}@${host}`);
  const asked = isShown ? givenIdentity(request) : undefined;
  const askedUser = asked === undefined ? undefined : (partyUser(asked) ?? 'anonymous');
  const given = askedUser !== undefined && mayShow(askedUser, caller.accountSid, carrier, snapshot) ? asked : undefined;
  if (asked !== undefined && !given)
    notes.push(`asserted identity ${askedUser} is not a number of the account: left out`);
  const isHidden = isPrivate || (registered !== null && registered !== user);
  const asserted =
    given ?? (isHidden && user !== 'anonymous' ? nameAddr(displayName, `sip:${user}@${host}`) : undefined);
  if (isPrivate) notes.push('the caller is not shown');
  const { registerUsername } = carrier;
  const contact = registerUsername === null ? (isPrivate ? 'anonymous' : user) : escapedUser(registerUsername);
  return {
    headers: {
      From: fromValue,
      Contact: `<sip:${contact}@localhost>`,
      ...(asserted === undefined
        ? {}
        : identityHeader(asserted, rules.identityHeader, { isPrivate, ownHost: caller.ownHost })),
      ...(isPrivate && !request.get('Privacy') ? { Privacy: 'id' } : {}),
    },
    notes,
  };
}

/** The user of a name-addr or URI. */
function partyUser(identity: string): string | null | undefined {
  return splitUri(/<([^>]*)>/.exec(identity)?.[1] ?? identity)?.user;
}

function mayShow(
  user: string,
  accountSid: string,
  carrier: VoipCarrier,
  snapshot: Pick<ProvisioningSnapshot, 'isOwnNumber'>,
): boolean {
  if (carrier.outboundRules.callerIdPolicy === 'pass' || user === 'anonymous') return true;
  return snapshot.isOwnNumber(user, accountSid, carrier);
}

/** A name-addr at the begin of a header, its display name quoted or not; or a URI without brackets. */
const NAME_ADDR = /^\s*((?:"(?:[^"\\]|\\.)*"|[^"<,]*)\s*<(?:sips?|tel):[^<>"\s]+>)/i;
const BARE_URI = /^\s*((?:sips?|tel):[^<>"\s,;]+)/i;
/** Longer ones come from nobody who is to be believed. */
const MAX_IDENTITY = 512;

/** What the application, or the caller of the inbound leg, asserts: the first identity of the first such header. */
function givenIdentity(request: Pick<SipMessageView, 'get'>): string | undefined {
  for (const name of IDENTITY_HEADERS) {
    const value = (request.get(name) ?? '').slice(0, MAX_IDENTITY);
    const identity = (NAME_ADDR.exec(value) ?? BARE_URI.exec(value))?.[1];
    if (identity !== undefined) return identity.trim();
  }
  return undefined;
}

function identityHeader(
  value: string,
  kind: OutboundRules['identityHeader'],
  { isPrivate, ownHost }: { isPrivate: boolean; ownHost: string },
): SipHeaders {
  const address = value.includes('<') ? value : `<${value}>`;
  // The SIP server writes its address for localhost into From, Contact and P-Asserted-Identity only.
  const located = address.replace('@localhost>', `@${ownHost}>`);
  switch (kind) {
    case 'pai':
      return { 'P-Asserted-Identity': address };
    case 'ppi':
      return { 'P-Preferred-Identity': located };
    case 'rpid':
      return { 'Remote-Party-ID': `${located};party=calling;screen=yes;privacy=${isPrivate ? 'full' : 'off'}` };
    case 'none':
      return {};
  }
}
