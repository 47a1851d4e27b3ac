/** Names of the SIP headers between edge and core, as jambonz has them. */
export const SIP_HEADERS = {
  callSid: 'X-Call-Sid',
  accountSid: 'X-Account-Sid',
  applicationSid: 'X-Application-Sid',
  /** Call-ID of the outer leg. */
  outerCallId: 'X-CID',
  /** Tags of the outer leg's dialog, as a Replaces that names it has them (RFC 3891): `to-tag=…;from-tag=…`, the edge's and the far end's. */
  outerTags: 'X-Jambonz-Outer-Tags',
  /** Source IP of the outer leg. */
  forwardedFor: 'X-Forwarded-For',
  originatingCarrier: 'X-Originating-Carrier',
  voipCarrierSid: 'X-Voip-Carrier-Sid',
  authenticatedUser: 'X-Authenticated-User',
  /** `yes` in a re-INVITE of an edge: somebody else has taken the far end's place (RFC 3891), and what was said of its user holds no longer. */
  replaced: 'X-Jambonz-Replaced',
  /** `yes` where the user of {@link authenticatedUser} may call other users without an application. */
  mayCallUsers: 'X-Jambonz-May-Call-Users',
  /** `bob@example.com`: the user whom a device calls directly; no application takes the call. */
  directUser: 'X-Jambonz-Direct-User',
  /** `sdes` or `dtls`: media to the SIP URI that is called is encrypted so. */
  srtp: 'X-Jambonz-SRTP',
  /** Which of its bindings the edge that gets this request is to send it to: see `flowToken`. */
  flow: 'X-Jambonz-Flow',
  /** URLs that a registration hook names for calls of a user, instead of those of the application. */
  callHook: 'X-Jambonz-Call-Hook',
  callStatusHook: 'X-Jambonz-Call-Status-Hook',
  /** Ms since the epoch at which the INVITE came in at the edge. */
  callStarted: 'X-Call-Started',
  /** What STIR found of the caller, see `stirHeaderValue`. */
  stir: 'X-Stir',
  /** Why a call was refused; in an INFO of a feature server what the edge is to do. */
  reason: 'X-Reason',
  /** SIP URIs of recording servers, by commas: the next is asked where one does not take the call (RFC 7866). */
  srsUrl: 'X-Srs-Url',
  /** The application's own name of that recording. */
  srsRecordingId: 'X-Srs-Recording-ID',
  /** Why the toll-fraud guard refused a call: `destination-denied`, `calls-per-minute`, `calls-per-hour` or `expensive-prefixes`. */
  fraudGuard: 'X-Fraud-Guard',
  /** Domain of a Microsoft Teams tenant. */
  teamsTenant: 'X-MS-Teams-Tenant-FQDN',
  /** `phone`, `user`, `sip` or `teams`. */
  routing: 'X-Jambonz-Routing',
  /** Who we are to a SIP URI that challenges us, see `sealCredentials`. */
  credentials: 'X-Jambonz-Credentials',
} as const;

/** {@link SIP_HEADERS.reason} of a refusal by the application itself (`sip:decline`), as in jambonz: no other feature server is to be asked. */
export const DECLINED_BY_APPLICATION = 'SIP Decline Verb';

/** What a message gives its headers by. */
interface HeaderSource {
  has(name: string): boolean;
  get(name: string): string;
}

/** A header's value without surrounding space, undefined when it is absent or empty. */
export function headerOf(message: HeaderSource, name: string): string | undefined {
  if (!message.has(name)) return undefined;
  const value = message.get(name)?.trim();
  return value === undefined || value === '' ? undefined : value;
}

/** Splits `host:port` or `[v6]:port`; undefined when it is not one. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@]+)):(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}
