import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { expandPassport, isSignedBy, parsePassport, signingInputOf, signPassport } from './passport.js';

/** RFC 8225 appendix A. */
const RFC_HEADER = { alg: 'ES256', typ: 'passport', x5u: 'https://cert.example.org/passport.cer' };
const RFC_HEADER_PART =
  'eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9';
const RFC_CLAIMS_PART =
  'eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19';
const RFC_KEY = createPublicKey(`-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH
78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==
-----END PUBLIC KEY-----`);
/**
 * The draft's signature, over an `iat` that is a text there: the RFC changed the example but neither its key nor made a
 * signature that fits (RFC 8225 appendix A does not verify with the key of A.2).
 */
const DRAFT_CLAIMS = '{"dest":{"uri":["sip:alice@example.com"]},"iat":"1443208345","orig":{"tn":"12155551212"}}';
const DRAFT_SIGNATURE = 'rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SHAKEN_HEADER = { alg: 'ES256', ppt: 'shaken', typ: 'passport', x5u: 'https://cert.example.org/passport.cer' };
const SHAKEN_CLAIMS = {
  attest: 'A',
  dest: { tn: ['12155551213'], uri: [] },
  iat: 1443208345,
  orig: { tn: '12155551212' },
  origid: '123e4567-e89b-12d3-a456-426655440000',
} as const;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

t.test('passport: the signing input is that of RFC 8225 appendix A', async (t) => {
  const claims = { orig: { tn: '12155551212' }, dest: { tn: [], uri: ['sip:alice@example.com'] }, iat: 1471375418 };
  t.equal(signingInputOf(RFC_HEADER, claims), `${RFC_HEADER_PART}.${RFC_CLAIMS_PART}`);
});

t.test("passport: ES256 takes the key and signature of RFC 8225's example", async (t) => {
  const signature = Buffer.from(DRAFT_SIGNATURE, 'base64url');
  const signingInput = `${RFC_HEADER_PART}.${Buffer.from(DRAFT_CLAIMS).toString('base64url')}`;
  const passport = { header: RFC_HEADER, claims: SHAKEN_CLAIMS, signingInput, signature };
  t.ok(isSignedBy(passport, RFC_KEY));
  t.notOk(isSignedBy({ ...passport, signingInput: `${signingInput}A` }, RFC_KEY));
});

t.test('passport: the claims of a shaken token stand in the order of RFC 8588 §7', async (t) => {
  const [, claims] = signingInputOf(SHAKEN_HEADER, SHAKEN_CLAIMS).split('.');
  t.equal(
    Buffer.from(claims!, 'base64url').toString(),
    '{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}',
  );
});

t.test('passport: what was signed is read again and verifies, a changed one does not', async (t) => {
  const token = signPassport(SHAKEN_HEADER, SHAKEN_CLAIMS, privateKey);
  const parsed = parsePassport(token);
  t.ok(parsed.ok);
  if (!parsed.ok) return;
  t.same(parsed.passport.header, SHAKEN_HEADER);
  t.same(parsed.passport.claims, SHAKEN_CLAIMS);
  t.ok(isSignedBy(parsed.passport, publicKey));
  const [header, , signature] = token.split('.');
  const forged = parsePassport(`${header}.${encode({ ...SHAKEN_CLAIMS, orig: { tn: '19005551212' } })}.${signature}`);
  t.ok(forged.ok && !isSignedBy(forged.passport, publicKey));
});

t.test('passport: the compact form of RFC 8225 §7 is made whole again', async (t) => {
  const { attest: _attest, origid: _origid, ...claims } = SHAKEN_CLAIMS;
  const compact = `..${signPassport(RFC_HEADER, claims, privateKey).split('.')[2]}`;
  const expanded = expandPassport(compact, RFC_HEADER, claims);
  t.ok(expanded.ok && isSignedBy(expanded.passport, publicKey));
  const other = expandPassport(compact, RFC_HEADER, { ...claims, iat: claims.iat + 1 });
  t.ok(other.ok && !isSignedBy(other.passport, publicKey));
});

t.test('passport: what is none is refused with the reason', async (t) => {
  const signature = 'A'.repeat(86);
  const token = (header: unknown, claims: unknown, tail = signature): string =>
    `${encode(header)}.${encode(claims)}.${tail}`;
  const cases: [string, string, RegExp][] = [
    ['nothing', '', /three parts/],
    ['two parts', 'a.b', /three parts/],
    ['no base64url', 'a!.b.c', /header .* no JSON/],
    ['no JSON', `${Buffer.from('{').toString('base64url')}.b.c`, /header .* no JSON/],
    ['an array', token([], SHAKEN_CLAIMS), /header .* no JSON/],
    ['another typ', token({ ...SHAKEN_HEADER, typ: 'JWT' }, SHAKEN_CLAIMS), /typ/],
    ['no x5u', token({ ...SHAKEN_HEADER, x5u: undefined }, SHAKEN_CLAIMS), /x5u/],
    ['claims null', token(SHAKEN_HEADER, null), /claims/],
    ['no orig', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, orig: {} }), /orig/],
    ['orig twice', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, orig: { tn: '1', uri: 'sip:a@b' } }), /orig/],
    ['empty dest', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, dest: { tn: [] } }), /dest/],
    ['iat as text', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, iat: '1' }), /iat/],
    ['attest D', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, attest: 'D' }), /attest/],
    ['no origid', token(SHAKEN_HEADER, { ...SHAKEN_CLAIMS, origid: undefined }), /origid/],
    ['div without div', token({ ...SHAKEN_HEADER, ppt: 'div' }, SHAKEN_CLAIMS), /div/],
    ['a short signature', token(SHAKEN_HEADER, SHAKEN_CLAIMS, 'AAAA'), /64 bytes/],
    ['a long one', 'a'.repeat(10_000), /too long/],
  ];
  for (const [name, text, reason] of cases) {
    const parsed = parsePassport(text);
    t.match(parsed, { ok: false, reason }, name);
  }
});
