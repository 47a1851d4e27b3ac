import { type KeyObject, sign, verify } from 'node:crypto';

/** How sure the signer is of the caller (RFC 8588 §4): A fully, B partially (its customer, another's number), C only of the gateway. */
export type Attestation = 'A' | 'B' | 'C';

/** One party of a call: a telephone number in canonical form, or a URI. */
export interface PassportParty {
  tn?: string;
  uri?: string;
}

/** The JOSE header of a PASSporT (RFC 8225 §4). */
export interface PassportHeader {
  alg: string;
  typ: string;
  /** Type of the claims beyond the base ones: `shaken` (RFC 8588), `div` (RFC 8946). */
  ppt?: string;
  /** Where the signer's certificate is. */
  x5u: string;
}

/** What a PASSporT claims (RFC 8225 §5). */
export interface PassportClaims {
  orig: PassportParty;
  dest: { tn: readonly string[]; uri: readonly string[] };
  /** When it was signed, in seconds since the epoch. */
  iat: number;
  /** `shaken`. */
  attest?: Attestation;
  /** `shaken`: opaque, for tracing the call back. */
  origid?: string;
  /** `div`: the number that the call was for before it was diverted to `dest`. */
  div?: PassportParty & { hi?: string };
}

/** A PASSporT taken apart; nothing of it is believed before {@link isSignedBy}. */
export interface Passport {
  header: PassportHeader;
  claims: PassportClaims;
  /** What is signed: both parts as they were written. */
  signingInput: string;
  signature: Buffer;
}

/** The outcome of {@link parsePassport}. */
export type ParsedPassport = { ok: true; passport: Passport } | { ok: false; reason: string };

const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** Longer ones are no caller's identity; a SHAKEN token has about 450 characters. */
const MAX_TOKEN_CHARS = 8_192;
/** Two times 32 bytes (RFC 7518 §3.4). */
const SIGNATURE_BYTES = 64;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const optionalText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const texts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');

function decode(part: string): Json | null {
  if (!BASE64URL.test(part)) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    // Anybody may have written it: what is no JSON is no PASSporT.
    return null;
  }
}

function party(value: unknown): PassportParty | null {
  if (!isObject(value)) return null;
  const tn = optionalText(value.tn);
  const uri = optionalText(value.uri);
  if ((tn === undefined) === (uri === undefined)) return null;
  return { ...(tn === undefined ? {} : { tn }), ...(uri === undefined ? {} : { uri }) };
}

const bad = (reason: string): ParsedPassport => ({ ok: false, reason });

/** Takes a PASSporT in full form apart (RFC 8225 §6): `header.claims.signature`. Never throws. */
export function parsePassport(token: string): ParsedPassport {
  if (token.length > MAX_TOKEN_CHARS) return bad('the PASSporT is too long');
  const parts = token.split('.');
  const [headerPart, claimsPart, signaturePart] = parts;
  if (parts.length !== 3 || !headerPart || !claimsPart || !signaturePart)
    return bad('the PASSporT has not three parts');
  const header = decode(headerPart);
  const claims = decode(claimsPart);
  if (!header) return bad('the header of the PASSporT is no JSON object');
  if (!claims) return bad('the claims of the PASSporT are no JSON object');
  const parsedHeader = headerOf(header);
  if (typeof parsedHeader === 'string') return bad(parsedHeader);
  const parsedClaims = claimsOf(claims, parsedHeader.ppt);
  if (typeof parsedClaims === 'string') return bad(parsedClaims);
  return withSignature(parsedHeader, parsedClaims, `${headerPart}.${claimsPart}`, signaturePart);
}

function withSignature(
  header: PassportHeader,
  claims: PassportClaims,
  signingInput: string,
  signaturePart: string,
): ParsedPassport {
  const signature = BASE64URL.test(signaturePart) ? Buffer.from(signaturePart, 'base64url') : Buffer.alloc(0);
  if (signature.length !== SIGNATURE_BYTES) return bad('the signature of the PASSporT has not 64 bytes');
  return { ok: true, passport: { header, claims, signingInput, signature } };
}

/** The header, or what is wrong with it. */
function headerOf({ alg, typ, ppt, x5u }: Json): PassportHeader | string {
  if (typeof alg !== 'string') return 'alg of the PASSporT is missing';
  if (typ !== 'passport') return 'typ of the PASSporT is not passport';
  if (typeof x5u !== 'string') return 'x5u of the PASSporT is missing';
  if (ppt !== undefined && typeof ppt !== 'string') return 'ppt of the PASSporT is not a text';
  return { alg, typ, x5u, ...(ppt === undefined ? {} : { ppt }) };
}

/** The claims, or what is wrong with them. */
function claimsOf(json: Json, ppt: string | undefined): PassportClaims | string {
  const orig = party(json.orig);
  if (!orig) return 'orig of the PASSporT is not one tn or uri';
  if (!isObject(json.dest)) return 'dest of the PASSporT is missing';
  const dest = { tn: texts(json.dest.tn), uri: texts(json.dest.uri) };
  if (dest.tn.length + dest.uri.length === 0) return 'dest of the PASSporT is empty';
  const { iat } = json;
  if (typeof iat !== 'number' || !Number.isSafeInteger(iat)) return 'iat of the PASSporT is no whole number';
  const claims: PassportClaims = { orig, dest, iat };
  if (ppt === 'shaken') {
    const { attest, origid } = json;
    if (attest !== 'A' && attest !== 'B' && attest !== 'C') return 'attest of the PASSporT is not A, B or C';
    if (typeof origid !== 'string') return 'origid of the PASSporT is missing';
    return { ...claims, attest, origid };
  }
  if (ppt === 'div') {
    const div = party(json.div);
    if (!div) return 'div of the PASSporT is not one tn or uri';
    const hi = optionalText((json.div as Json).hi);
    return { ...claims, div: { ...div, ...(hi === undefined ? {} : { hi }) } };
  }
  return claims;
}

/** JSON with sorted keys and without spaces, so that the compact form can be made again (RFC 8225 §9). */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${members.join(',')}}`;
}

const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');

/** The text that is signed: header and claims in canonical order, each as base64url (RFC 8225 §6). */
export function signingInputOf(header: PassportHeader, claims: PassportClaims): string {
  const { tn, uri } = claims.dest;
  const dest = { ...(tn.length > 0 ? { tn } : {}), ...(uri.length > 0 ? { uri } : {}) };
  return `${base64url(canonicalJson(header))}.${base64url(canonicalJson({ ...claims, dest }))}`;
}

/**
 * The PASSporT that a compact form (RFC 8225 §7: `..signature`) stands for, when it was made of these values.
 *
 * @param compact - the token as it came
 */
export function expandPassport(compact: string, header: PassportHeader, claims: PassportClaims): ParsedPassport {
  const signaturePart = /^\.\.([^.]+)$/.exec(compact)?.[1];
  if (!signaturePart) return bad('the PASSporT is not in compact form');
  return withSignature(header, claims, signingInputOf(header, claims), signaturePart);
}

/** Signs a PASSporT in full form with ES256. Takes about 0.1 ms. @param key - EC private key on P-256 */
export function signPassport(header: PassportHeader, claims: PassportClaims, key: KeyObject): string {
  const signingInput = signingInputOf(header, claims);
  const signature = sign('sha256', Buffer.from(signingInput), { key, dsaEncoding: 'ieee-p1363' });
  return `${signingInput}.${signature.toString('base64url')}`;
}

/** Whether the key on P-256 signed the PASSporT (ES256, RFC 7518 §3.4). */
export function isSignedBy({ signingInput, signature }: Passport, key: KeyObject): boolean {
  return verify('sha256', Buffer.from(signingInput), { key, dsaEncoding: 'ieee-p1363' }, signature);
}
