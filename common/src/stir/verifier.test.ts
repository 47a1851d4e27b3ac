import t from 'tap';
import { makeStirAuthority, type TestSigner } from '../testing/stir-authority.js';
import type { SignedRequest } from './call-parties.js';
import { certificatesOfPem } from './certificate.js';
import { CertificateCache } from './certificate-cache.js';
import { identityHeader } from './identity-header.js';
import { type PassportClaims, type PassportHeader, signPassport } from './passport.js';
import { SeenSignatures } from './seen-signatures.js';
import { signCall } from './signer.js';
import { StirVerifier, type StirVerifierOptions } from './verifier.js';

const authority = makeStirAuthority(t);
const strangers = makeStirAuthority(t);
const signer = authority.issue({ spc: '1234' });
/** Whole seconds, and later than the certificates that are still to be made here. */
const NOW_MS = Math.floor(Date.now() / 1000) * 1000 + 600_000;
const NOW_S = NOW_MS / 1000;

/** A verifier whose repository has the given signers at `https://certs.example/<name>`. */
function verifier(signers: Record<string, TestSigner | string>, options: Partial<StirVerifierOptions> = {}) {
  const certificates = new CertificateCache({
    async fetch(url) {
      const found = signers[url.slice('https://certs.example/'.length)];
      if (found === undefined) throw new Error('HTTP status 404');
      return { body: Buffer.from(typeof found === 'string' ? found : found.chainPem), maxAgeMs: null };
    },
  });
  const roots = certificatesOfPem(authority.rootPem);
  return new StirVerifier({ certificates, roots, waitMs: 1_000, now: () => NOW_MS, ...options });
}

const X5U = 'https://certs.example/a';
const request = (identity: string | undefined, parts: Partial<SignedRequest> = {}): SignedRequest => ({
  identity,
  date: new Date(NOW_MS).toUTCString(),
  from: '<sip:+12155551212@gw.example>;tag=1',
  assertedIdentity: undefined,
  to: '<sip:+12155551213@edge.example>',
  uri: 'sip:+12155551213@10.0.0.1',
  ...parts,
});
const call = { orig: '12155551212', dest: '12155551213', attest: 'A' } as const;
const signed = (changes: Partial<Parameters<typeof signCall>[0]> = {}, by = signer, x5u = X5U, atMs = NOW_MS): string =>
  signCall({ ...call, ...changes }, { x5u, key: by.key }, atMs).Identity;

t.test('verify: a call that a trusted signer signed is valid', async (t) => {
  const result = await verifier({ a: signer }).verify(request(signed({ origid: 'o-1' })));
  t.same(result, {
    status: 'valid',
    verstat: 'TN-Validation-Passed',
    attest: 'A',
    orig: '12155551212',
    dest: ['12155551213'],
    origid: 'o-1',
    iat: NOW_S,
    spc: ['1234'],
  });
});

t.test('verify: a PASSporT that somebody overheard is good for few other calls', async (t) => {
  const judge = verifier({ a: signer });
  const identity = signed();
  const statusOf = async (callId: string): Promise<string> =>
    (await judge.verify(request(identity, { callId }))).status;
  t.equal(await statusOf('first'), 'valid');
  for (let again = 0; again < 5; again++) t.equal(await statusOf('first'), 'valid', 'the same call');
  t.equal(await statusOf('route advance'), 'valid', 'a carrier may try again');
  t.equal(await statusOf('route advance 2'), 'valid');
  t.match(await judge.verify(request(identity, { callId: 'captured' })), {
    status: 'invalid',
    code: 438,
    reason: /came with other calls/,
    claimedAttest: 'A',
  });
  t.match(
    await judge.verify(request(signed(), { callId: 'captured' })),
    { status: 'valid' },
    'each call is signed anew',
  );
  // (r, n - s) is as good a signature of the same text as (r, s).
  const [head, claims, signature = ''] = identity.split(/[.;]/);
  const bytes = Buffer.from(signature, 'base64url');
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
  const changed = identity.replace(`${head}.${claims}.${signature}`, `${head}.${claims}.${twin.toString('base64url')}`);
  t.not(changed, identity);
  t.equal((await verifier({ a: signer }).verify(request(changed, { callId: 'captured' }))).status, 'valid');
  t.match(await judge.verify(request(changed, { callId: 'captured' })), { status: 'invalid', reason: /other calls/ });
});

t.test(
  'signatures that have been seen are forgotten when they are stale, and are never more than so many',
  async (t) => {
    const seen = new SeenSignatures(100);
    for (let i = 0; i < 1_000; i++) seen.note(`s${i}`, 'call', { nowMs: 0, untilMs: 60_000 });
    t.equal(seen.size, 100);
    seen.note('new', 'call', { nowMs: 60_001, untilMs: 120_000 });
    t.equal(seen.size, 1);
  },
);

t.test('verify: without Identity, or with one of an unknown type only, the code is 428', async (t) => {
  const none = { status: 'none', verstat: 'No-TN-Validation', code: 428 };
  t.match(await verifier({}).verify(request(undefined)), none);
  t.match(await verifier({}).verify(request('')), none);
  t.match(await verifier({}).verify(request(signed().replace('"shaken"', '"rph"'))), none);
});

t.test('verify: what is wrong with the request', async (t) => {
  const cases: [string, SignedRequest, object][] = [
    ['unreadable', request('nonsense'), { status: 'invalid', code: 438 }],
    [
      'no PASSporT',
      request(`a.b.c;info=<${X5U}>;ppt=shaken`),
      { status: 'invalid', code: 438, reason: /header of the/ },
    ],
    ['older than a minute', request(signed({}, signer, X5U, NOW_MS - 61_000)), { code: 403, reason: /61 s ago/ }],
    ['from the future', request(signed({}, signer, X5U, NOW_MS + 61_000)), { code: 403 }],
    ['another algorithm', request(signed().replace('ES256', 'RS256')), { code: 437, reason: /algorithm/ }],
    ['another info', request(signed().replace('<https://c', '<https://x.c')), { code: 436, reason: /info/ }],
    ['another caller', request(signed({ orig: '19005551212' })), { code: 438, reason: /orig 19005551212 is not From/ }],
    ['another number', request(signed({ dest: '19005551212' })), { code: 438, reason: /dest 19005551212/ }],
    ['compact shaken', request(signed().replace(/^[^.]+\.[^.]+/, '.')), { code: 438, reason: /full form/ }],
  ];
  for (const [name, message, expected] of cases) {
    const result = await verifier({ a: signer }).verify(message);
    t.match(result, { verstat: 'TN-Validation-Failed', status: 'invalid', ...expected }, name);
    t.equal(result.attest, undefined, `${name}: no attestation`);
  }
});

t.test('verify: what is wrong with the signature or its certificate', async (t) => {
  const [header, , ...signature] = signed().split('.');
  const [, claims] = signed({ attest: 'B' }).split('.');
  const forged = `${header}.${claims}.${signature.join('.')}`;
  const cases: [string, Record<string, TestSigner | string>, string, object][] = [
    [
      'changed claims',
      { a: signer },
      forged,
      { status: 'invalid', code: 438, reason: /signature/, claimedAttest: 'B' },
    ],
    ["another's key", { a: authority.issue() }, signed(), { status: 'invalid', code: 438 }],
    ['unknown root', { a: strangers.issue() }, signed(), { status: 'invalid', code: 437, reason: /no trusted root/ }],
    ['no certificate', { a: 'hello' }, signed(), { status: 'invalid', code: 437 }],
    ['not found', {}, signed(), { status: 'unverified', code: 436, reason: /404/, claimedAttest: 'A' }],
  ];
  for (const [name, signers, identity, expected] of cases) {
    t.match(await verifier(signers).verify(request(identity)), expected, name);
  }
  const own = authority.issue({ number: '12155551212' });
  t.match(await verifier({ a: own }).verify(request(signed({}, own))), { status: 'valid' });
  const others = authority.issue({ number: '19005551212' });
  t.match(await verifier({ a: others }).verify(request(signed({}, others))), {
    code: 437,
    reason: /not for the number/,
  });
});

t.test('verify: an expired certificate is not believed', async (t) => {
  const later = NOW_MS + 3 * 86_400_000;
  const result = await verifier({ a: signer }, { now: () => later }).verify(request(signed({}, signer, X5U, later)));
  t.match(result, { status: 'invalid', code: 437, reason: /valid from/ });
});

t.test('verify: without roots the result says so, and nothing is fetched', async (t) => {
  let asked = 0;
  const certificates = new CertificateCache({
    async fetch() {
      asked++;
      throw new Error('asked');
    },
  });
  const result = await verifier({}, { roots: [], certificates }).verify(request(signed()));
  t.match(result, { status: 'unverified', verstat: 'No-TN-Validation', code: 437, reason: /no trusted roots/ });
  t.equal(asked, 0);
});

t.test('verify: waits no longer than it may', async (t) => {
  const certificates = new CertificateCache({ fetch: () => new Promise(() => {}) });
  const result = await verifier({}, { certificates, waitMs: 50 }).verify(request(signed()));
  t.match(result, { status: 'unverified', code: 436, reason: /within 50 ms/ });
});

t.test('verify: numbers are compared in canonical form', async (t) => {
  const check = verifier({ a: signer });
  const toE164 = (number: string): string => number.replace(/^\(?(\d{3})\)?(\d{3})-?(\d{4})$/, '1$1$2$3');
  const written = {
    from: '"A" <sip:(215)555-1212@gw>;tag=1',
    to: '<tel:+1-215-555-1213>',
    uri: 'sip:2155551213@10.0.0.1',
  };
  t.match(await check.verify(request(signed(), written), toE164), { status: 'valid' });
  const anonymous = {
    from: '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
    assertedIdentity: '<tel:+12155551212>',
  };
  t.match(await check.verify(request(signed(), anonymous)), { status: 'valid' });
  t.match(await check.verify(request(signed(), { assertedIdentity: '<tel:+19005551212>' })), {
    code: 438,
    reason: /P-Asserted-Identity 19005551212/,
  });
});

t.test('verify: an Identity is good for who is called in fact, whatever To says', async (t) => {
  const check = verifier({ a: signer });
  t.match(await check.verify(request(signed(), { uri: 'sip:+19005551213@10.0.0.1' })), {
    status: 'invalid',
    code: 438,
    reason: /dest 12155551213 is not 19005551213/,
  });
  t.match(await check.verify(request(signed(), { to: '<sip:+19005551213@gw>' })), { status: 'valid' }, 'To may be old');
  for (const uri of ['sip:2155551213@10.0.0.1', 'sip:02155551213@10.0.0.1', 'sip:trunk-7@10.0.0.1', 'sip:10.0.0.1']) {
    t.match(await check.verify(request(signed(), { uri })), { status: 'valid' }, uri);
  }
  t.match(
    await check.verify(request(signed(), { uri: 'sip:551213@10.0.0.1' })),
    { status: 'invalid' },
    'too short to tell',
  );
});

t.test('verify: no certificate is fetched for an Identity of another call', async (t) => {
  let asked = 0;
  const certificates = new CertificateCache({
    async fetch() {
      asked++;
      throw new Error('asked');
    },
  });
  const check = verifier({}, { certificates });
  t.match(await check.verify(request(signed({ orig: '19005551212' }))), { code: 438, reason: /orig/ });
  t.match(await check.verify(request(signed({ dest: '19005551212' }))), { code: 438, reason: /dest/ });
  t.equal(asked, 0);
  await check.verify(request(signed()));
  t.equal(asked, 1);
});

const passport = (ppt: string | undefined, claims: Omit<PassportClaims, 'iat'>, by = signer, x5u = X5U): string => {
  const header: PassportHeader = { alg: 'ES256', typ: 'passport', x5u, ...(ppt === undefined ? {} : { ppt }) };
  return signPassport(header, { ...claims, iat: NOW_S }, by.key);
};

t.test('verify: a PASSporT without a type, in full and in compact form', async (t) => {
  const token = passport(undefined, { orig: { tn: '12155551212' }, dest: { tn: ['12155551213'], uri: [] } });
  const compact = `..${token.split('.')[2]}`;
  for (const text of [token, compact]) {
    const result = await verifier({ a: signer }).verify(request(`${text};info=<${X5U}>`));
    t.match(result, { status: 'valid', orig: '12155551212', attest: undefined });
  }
  const dated = request(`${compact};info=<${X5U}>`, { date: new Date(NOW_MS - 5_000).toUTCString() });
  t.match(await verifier({ a: signer }).verify(dated), { code: 438, reason: /signature/ });
  const stale = request(`${compact};info=<${X5U}>`, { date: new Date(NOW_MS - 120_000).toUTCString() });
  t.match(await verifier({ a: signer }).verify(stale), { code: 403 });
  t.match(await verifier({ a: signer }).verify(request(`${compact};info=<${X5U}>`, { date: undefined })), {
    code: 438,
    reason: /Date/,
  });
});

t.test('verify: a diverted call is valid when its div PASSporT is (RFC 8946)', async (t) => {
  const diverter = authority.issue({ spc: '9999' });
  const divUrl = 'https://certs.example/div';
  const div = (claims: Partial<PassportClaims> = {}, by = diverter): string =>
    identityHeader(
      passport(
        'div',
        {
          orig: { tn: '12155551212' },
          dest: { tn: ['12155551214'], uri: [] },
          div: { tn: '12155551213' },
          ...claims,
        },
        by,
        divUrl,
      ),
      { info: divUrl, ppt: 'div' },
    );
  const diverted = { to: '<sip:+12155551214@edge>', uri: 'sip:+12155551214@10.0.0.1' };
  const check = verifier({ a: signer, div: diverter });
  t.match(await check.verify(request(`${signed()}, ${div()}`, diverted)), {
    status: 'valid',
    attest: 'A',
    div: [{ from: '12155551213', to: '12155551214', isValid: true }],
  });
  t.match(await check.verify(request(`${signed()}, ${div({}, strangers.issue())}`, diverted)), {
    status: 'invalid',
    code: 438,
    div: [{ isValid: false }],
  });
  t.match(await check.verify(request(`${signed()}, ${div({ orig: { tn: '19005551212' } })}`, diverted)), { code: 438 });
  t.match(await check.verify(request(`${signed()}, ${div({ div: { tn: '19005551213' } })}`, diverted)), { code: 438 });
  t.match(await check.verify(request(div(), diverted)), { status: 'none', code: 428 });
});
