import t from 'tap';
import { AddressGuard } from '../http/address-guard.js';
import { makeStirAuthority, startCertificateServer } from '../testing/stir-authority.js';
import { certificatesOfPem, chainProblem, parseCertificateChain } from './certificate.js';
import { CertificateCache } from './certificate-cache.js';
import { type FetchCertificate, httpsFetch } from './fetch-certificate.js';
import { coversNumber } from './tn-auth-list.js';

const authority = makeStirAuthority(t);
const other = makeStirAuthority(t);
const roots = certificatesOfPem(authority.rootPem);
const DAY_MS = 86_400_000;

const chainOf = (pem: string) => {
  const parsed = parseCertificateChain(Buffer.from(pem));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.chain;
};

t.test('certificate: a chain to a trusted root holds, until it expires', async (t) => {
  const chain = chainOf(authority.issue({ spc: '1234' }).chainPem);
  t.equal(chainProblem(chain, roots, Date.now()), null);
  t.same(chain.tnAuthList, { spcs: ['1234'], ranges: [], numbers: [] });
  t.match(chainProblem(chain, roots, Date.now() + 3 * DAY_MS), /valid from/);
  t.match(chainProblem(chain, roots, Date.now() - DAY_MS), /valid from/);
});

t.test('certificate: another root, a missing or a leaf as intermediate one do not hold', async (t) => {
  const signer = authority.issue();
  t.match(chainProblem(chainOf(other.issue().chainPem), roots, Date.now()), /no trusted root/);
  t.match(chainProblem(chainOf(signer.leafPem), roots, Date.now()), /no trusted root/);
  t.match(chainProblem(chainOf(signer.chainPem), [], Date.now()), /no trusted root/);
  const stranger = authority.issue().leafPem + signer.chainPem.replace(signer.leafPem, other.issue().leafPem);
  t.equal(chainProblem(chainOf(stranger), roots, Date.now()), null, 'others in the file do no harm');
});

t.test('certificate: what cannot sign is refused with the reason', async (t) => {
  const der = authority.issue({ extensions: ['1.2.3.4=critical,ASN1:NULL'] }).leafPem;
  const cases: [string, string | Buffer, RegExp][] = [
    ['nothing', '', /no certificate/],
    ['no PEM', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /cannot be read/],
    ['no DER', Buffer.from([0x30, 0x82, 0xff]), /cannot be read/],
    ['P-384', authority.issue({ curve: 'secp384r1' }).leafPem, /not on P-256/],
    ['an unknown critical extension', der, /1\.2\.3\.4/],
    ['an authority', chainPemOfMiddle(), /not for signatures/],
  ];
  for (const [name, body, reason] of cases) {
    t.match(parseCertificateChain(Buffer.from(body)), { ok: false, reason }, name);
  }
});

function chainPemOfMiddle(): string {
  const { chainPem, leafPem } = authority.issue();
  return chainPem.slice(leafPem.length);
}

t.test('certificate: DER is read as well as PEM, and any cut of it without a crash', async (t) => {
  const { raw } = chainOf(authority.issue({ number: '12155551212' }).leafPem).leaf;
  t.match(parseCertificateChain(raw), { ok: true, chain: { tnAuthList: { numbers: ['12155551212'] } } });
  for (let bytes = 0; bytes < raw.length; bytes += 7) t.notOk(parseCertificateChain(raw.subarray(0, bytes)).ok);
});

t.test('TNAuthList: codes cover all numbers, ranges and numbers their own', async (t) => {
  const none = { spcs: [], ranges: [], numbers: [] };
  t.ok(coversNumber({ ...none, spcs: ['1234'] }, '12155551212'));
  t.ok(coversNumber({ ...none, numbers: ['12155551212'] }, '12155551212'));
  const ranges = [{ start: '12155551000', count: 100 }];
  t.ok(coversNumber({ ...none, ranges }, '12155551099'));
  t.notOk(coversNumber({ ...none, ranges }, '12155551100'));
  t.notOk(coversNumber({ ...none, ranges }, '2155551000'));
  t.notOk(coversNumber({ ...none, ranges }, '*'));
  t.notOk(coversNumber(none, '12155551212'));
});

t.test('fetch: certificates over HTTPS, within bounds', async (t) => {
  const server = await startCertificateServer(t, authority);
  const { chainPem } = authority.issue();
  const guard = new AddressGuard({ allowPrivate: true });
  const fetch = httpsFetch({ guard, ca: authority.rootPem, timeoutMs: 2_000, maxBytes: 20_000 });
  const redirect = (location: string) => (response: import('node:http').ServerResponse) =>
    response.writeHead(302, { location }).end('elsewhere');

  await t.test('a certificate with its age', async (t) => {
    const url = server.publish('/a.pem', chainPem, { 'cache-control': 'public, max-age=120' });
    t.match(await fetch(url), { maxAgeMs: 120_000, body: Buffer.from(chainPem) });
    t.match(await fetch(server.publish('/b.pem', chainPem)), { maxAgeMs: null });
    t.match(await fetch(server.publish('/c.pem', chainPem, { 'cache-control': 'no-store' })), { maxAgeMs: 0 });
  });
  await t.test('redirects are followed, but not for ever and not away from HTTPS', async (t) => {
    server.publish('/to-a', redirect('/a.pem'));
    t.match(await fetch(`https://127.0.0.1:${server.port}/to-a`), { maxAgeMs: 120_000 });
    const loop = server.publish('/loop', redirect('/loop'));
    await t.rejects(fetch(loop), { code: 'stir/certificate-fetch', message: /too many redirects/ });
    const plain = server.publish('/plain', redirect(`http://127.0.0.1:${server.port}/a.pem`));
    await t.rejects(fetch(plain), { message: /not https/ });
  });
  await t.test('too much, too slow, an error, cut off', async (t) => {
    await t.rejects(fetch(server.publish('/big', 'A'.repeat(20_001))), { message: /longer than 20000 bytes/ });
    const drip = server.publish('/drip', (response) => void response.writeHead(200).write('-'));
    await t.rejects(httpsFetch({ guard, ca: authority.rootPem, timeoutMs: 200 })(drip), { message: /in 200 ms/ });
    await t.rejects(fetch(`https://127.0.0.1:${server.port}/none`), { message: /HTTP status 404/ });
    const cut = server.publish('/cut', (response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('-', () => response.destroy());
    });
    await t.rejects(fetch(cut), { code: 'stir/certificate-fetch' });
  });
  await t.test('no other scheme, no user, no private address, no stranger as web server', async (t) => {
    const asked = server.requests.length;
    await t.rejects(fetch('http://127.0.0.1/a.pem'), { message: /not https/ });
    await t.rejects(fetch('file:///etc/passwd'), { message: /not https/ });
    await t.rejects(fetch('nonsense'), { message: /not https/ });
    await t.rejects(fetch(`https://a:b@127.0.0.1:${server.port}/a.pem`), { message: /names a user/ });
    const strict = httpsFetch({ guard: new AddressGuard({ allowPrivate: false }), ca: authority.rootPem });
    await t.rejects(strict(`https://127.0.0.1:${server.port}/a.pem`), { message: /private address/ });
    await t.rejects(strict(`https://localhost:${server.port}/a.pem`), { message: /private address/ });
    await t.rejects(httpsFetch({ guard })(`https://127.0.0.1:${server.port}/a.pem`), {
      code: 'stir/certificate-fetch',
    });
    t.equal(server.requests.length, asked, 'none of them was asked');
  });
});

/** A repository that counts, and answers when it is told to. */
function fakeRepository(maxAgeMs: number | null = null) {
  const { chainPem } = authority.issue();
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  let isHeld = false;
  let isBroken = false;
  const fetch: FetchCertificate = async (url) => {
    asked.push(url);
    if (isHeld) await new Promise<void>((resolve) => void waiting.push(resolve));
    if (isBroken) throw new Error('broken');
    return { body: Buffer.from(chainPem), maxAgeMs };
  };
  return {
    asked,
    fetch,
    hold() {
      isHeld = true;
    },
    release() {
      for (const resolve of waiting.splice(0)) resolve();
    },
    break() {
      isBroken = true;
    },
  };
}

t.test('cache: one fetch serves all who ask, until the age is over', async (t) => {
  let now = 0;
  const repository = fakeRepository(60_000);
  const cache = new CertificateCache({ fetch: repository.fetch, now: () => now });
  const results = await Promise.all(['u', 'u', 'u'].map((url) => cache.get(url, 1_000)));
  t.ok(results.every(({ ok }) => ok));
  now = 59_999;
  await cache.get('u', 0);
  t.same(repository.asked, ['u']);
  now = 60_000;
  t.ok((await cache.get('u', 1_000)).ok);
  t.same(repository.asked, ['u', 'u']);
});

t.test('cache: ages are bounded, no-store is kept for nobody', async (t) => {
  let now = 0;
  const forever = fakeRepository(1e12);
  const cache = new CertificateCache({ fetch: forever.fetch, now: () => now });
  await cache.get('u', 1_000);
  now = 24 * 3_600_000;
  await cache.get('u', 1_000);
  t.equal(forever.asked.length, 2);
  const never = fakeRepository(0);
  const empty = new CertificateCache({ fetch: never.fetch, now: () => now });
  t.ok((await empty.get('u', 1_000)).ok);
  t.equal(empty.size, 0);
});

t.test('cache: who waits too long goes on without, the next finds what came', async (t) => {
  const repository = fakeRepository();
  repository.hold();
  const cache = new CertificateCache({ fetch: repository.fetch });
  t.match(await cache.get('u', 20), { ok: false, kind: 'unavailable', reason: /within 20 ms/ });
  const next = cache.get('u', 5_000);
  repository.release();
  t.ok((await next).ok);
  t.equal(repository.asked.length, 1);
});

t.test('cache: a failure is remembered for 30 s', async (t) => {
  let now = 0;
  const repository = fakeRepository();
  repository.break();
  const cache = new CertificateCache({ fetch: repository.fetch, now: () => now });
  t.match(await cache.get('u', 1_000), { ok: false, kind: 'unavailable', reason: /broken/ });
  now = 29_999;
  t.match(await cache.get('u', 1_000), { ok: false });
  t.equal(repository.asked.length, 1);
  now = 30_000;
  await cache.get('u', 1_000);
  t.equal(repository.asked.length, 2);
});

t.test('cache: holds so many certificates and fetches so many at once', async (t) => {
  const repository = fakeRepository();
  const cache = new CertificateCache({ fetch: repository.fetch, maxEntries: 3, maxFetches: 2 });
  for (let i = 0; i < 10; i++) await cache.get(`u${i}`, 1_000);
  t.equal(cache.size, 3);
  await cache.get('u7', 1_000);
  t.equal(repository.asked.length, 10, 'the newest are still there');
  repository.hold();
  const held = [cache.get('x1', 5_000), cache.get('x2', 5_000)];
  t.match(await cache.get('x3', 5_000), { ok: false, reason: /too many/ });
  t.match(await cache.get(`https://x/${'y'.repeat(600)}`, 5_000), { ok: false, reason: /too long/ });
  repository.release();
  t.ok((await Promise.all(held)).every(({ ok }) => ok));
});

t.test('cache: the certificates of one sender leave room for those of others', async (t) => {
  const repository = fakeRepository();
  const cache = new CertificateCache({ fetch: repository.fetch, maxFetches: 4, maxFetchesForOne: 2 });
  repository.hold();
  const held = [cache.get('a', 5_000, 'one'), cache.get('b', 5_000, 'one'), cache.get('a', 5_000, 'one')];
  t.match(await cache.get('c', 5_000, 'one'), { ok: false, reason: /for this carrier/ });
  held.push(cache.get('c', 5_000, 'another'));
  repository.release();
  t.ok((await Promise.all(held)).every(({ ok }) => ok));
  t.notMatch(await cache.get('d', 0, 'one'), { reason: /for this carrier/ }, 'there is room again');
});
