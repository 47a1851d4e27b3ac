import t from 'tap';
import { openRedis } from '../../redis/connection.js';
import { DIGEST_SECRET } from '../../redis/keys.js';
import { silentLogger } from '../../testing/logger.js';
import { startTestRedis } from '../../testing/services.js';
import { until } from '../../testing/until.js';
import { parseCredentials } from './credentials.js';
import { type DigestServer, digestServer } from './digest-server.js';
import { type DigestAlgorithm, digestResponse } from './response.js';

const logger = silentLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
t.beforeEach(async () => {
  const redis = openRedis(server, { logger, name: 'flush' });
  await redis.flushall();
  redis.disconnect();
});

const REALM = 'one.example.com';
const LIFE_MS = 60_000;

/** One edge process's authentication. */
async function startEdge(
  t: { teardown(fn: () => unknown): void },
  options: { algorithms?: readonly [DigestAlgorithm, ...DigestAlgorithm[]]; now?: () => number } = {},
) {
  const redis = openRedis(server, { logger, name: 'edge' });
  await until('redis', () => redis.status === 'ready');
  const { algorithms = ['SHA-256', 'MD5'], now } = options;
  const digest = digestServer({ redis, logger, algorithms, nonceLifeMs: LIFE_MS, ...(now ? { now } : {}) });
  t.teardown(() => {
    digest.close();
    redis.disconnect();
  });
  await digest.ready;
  return { digest, redis };
}

const nonceOf = (digest: DigestServer, realm = REALM): string =>
  /nonce="([^"]+)"/.exec(digest.challenge(realm)['WWW-Authenticate'] ?? '')?.[1] ?? '';

/** A request as a client sends it. */
function request(
  nonce: string,
  parts: Partial<{
    username: string;
    password: string;
    nc: string;
    algorithm: DigestAlgorithm;
    uri: string;
    realm: string;
    requestUri: string;
    more: string;
  }> = {},
) {
  const { username = 'trunk', password = 'secret', nc = '00000001', algorithm = 'SHA-256', realm = REALM } = parts;
  const { uri = `sip:15551234567@${REALM}`, requestUri = uri, more = '' } = parts;
  const cnonce = 'c0ffee';
  const response = digestResponse({ algorithm, username, realm, password, method: 'INVITE', uri, nonce, nc, cnonce });
  const header = `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}, cnonce="${cnonce}", qop=auth, nc=${nc}${more}`;
  return { method: 'INVITE', uri: requestUri, get: (name: string) => (name === 'Authorization' ? header : undefined) };
}

const passwords = (username: string) => (username === 'trunk' ? [{ password: 'secret', who: 'carrier' }] : []);
const check = (digest: DigestServer, sent: ReturnType<typeof request> & { source_address?: string }) =>
  digest.check(sent, REALM, passwords);

t.test('responses are those of RFC 7616 §3.9.1', async (t) => {
  const example = {
    username: 'Mufasa',
    realm: 'http-auth@example.org',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  };
  t.equal(digestResponse({ ...example, algorithm: 'MD5' }), '8ca523f5e9506fed4657c9700eebdbec');
  t.equal(
    digestResponse({ ...example, algorithm: 'SHA-256' }),
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  );
});

t.test('credentials are read as clients write them, and what cannot be checked is left out', async (t) => {
  const good =
    'username="a\\"b", realm="r", nonce="n", uri="sip:r", response="0123456789ABCDEF0123456789abcdef", cnonce="c", nc=0000000a, qop=auth';
  t.match(parseCredentials(`Digest ${good}`), [
    { username: 'a"b', algorithm: 'MD5', nc: '0000000a', response: '0123456789abcdef0123456789abcdef' },
  ]);
  t.equal(parseCredentials(`DIGEST ${good.replace('qop=auth', 'qop="auth"')}, Digest ${good}`).length, 2);
  t.equal(parseCredentials(`Basic YTpi, Digest ${good}`).length, 1);
  t.equal(parseCredentials(`Digest  ${good.replaceAll(', ', ' ,\t ').replaceAll('=', ' =\t')}`).length, 1);
  for (const bad of [
    undefined,
    '',
    'Digest',
    'nonsense'.repeat(1000),
    `Basic ${good}`,
    `Digest ${good.replace(', qop=auth', '')}`,
    `Digest ${good.replace('qop=auth', 'qop=auth-int')}`,
    `Digest ${good.replace('nc=0000000a', 'nc=1')}`,
    `Digest ${good}, algorithm=SHA-512-256`,
    `Digest ${good.replace('response="0', 'response="x')}`,
    `Digest ${good.replace('cnonce="c"', 'cnonce=""')}`,
  ]) {
    t.same(parseCredentials(bad), [], bad ?? 'none');
  }
});

t.test('a challenge asks for SHA-256 and MD5 in headers of their own, and either proves the password', async (t) => {
  const { digest } = await startEdge(t);
  const challenge = digest.challenge(REALM)['WWW-Authenticate'] ?? '';
  t.match(
    challenge,
    /^Digest realm="one.example.com", nonce="[\w-]{46}", algorithm=SHA-256, qop="auth"\r\nWWW-Authenticate: Digest .*algorithm=MD5, qop="auth"$/,
  );
  for (const algorithm of ['SHA-256', 'MD5'] as const) {
    const sent = request(nonceOf(digest), { algorithm });
    t.same(await check(digest, sent), { kind: 'proven', username: 'trunk', who: ['carrier'] });
  }
  const modern = (await startEdge(t, { algorithms: ['SHA-256'] })).digest;
  t.same(await check(modern, request(nonceOf(modern), { algorithm: 'MD5' })), { kind: 'absent' });
});

t.test(
  'a nonce that comes back from where it was sent to proves that the sender hears us; from elsewhere it does not',
  async (t) => {
    const { digest } = await startEdge(t);
    const source = '192.0.2.1';
    const header = digest.challenge(REALM, { source })['WWW-Authenticate'] ?? '';
    const nonce = /nonce="([^"]+)"/.exec(header)?.[1] ?? '';
    const guess = request(nonce, { password: 'guess' });
    t.match(await check(digest, { ...guess, source_address: source }), { kind: 'wrong', isHeard: true });
    t.match(await check(digest, { ...guess, source_address: '192.0.2.2' }), { kind: 'wrong', isHeard: false });
    t.match(await check(digest, { ...request(nonce), source_address: '192.0.2.2' }), { kind: 'proven' });
  },
);

t.test('wrong names, passwords, realms and URIs prove nothing', async (t) => {
  const { digest } = await startEdge(t);
  const nonce = nonceOf(digest);
  t.same(await check(digest, request(nonce, { password: 'guess' })), {
    kind: 'wrong',
    username: 'trunk',
    isHeard: false,
  });
  t.same(await check(digest, request(nonce, { username: 'nobody', password: '' })), {
    kind: 'wrong',
    username: 'nobody',
    isHeard: false,
  });
  t.same(await check(digest, request(nonce, { requestUri: `sip:19005550000@${REALM}` })), {
    kind: 'wrong',
    username: 'trunk',
    isHeard: false,
  });
  t.match(await check(digest, request(nonce, { requestUri: 'sip:15551234567@192.0.2.1' })), { kind: 'proven' });
  t.same(await check(digest, request(nonce, { realm: 'two.example.com' })), { kind: 'absent' });
  // A nonce for another realm is not good here.
  t.match(await check(digest, request(nonceOf(digest, 'two.example.com'))), { kind: 'stale' });
});

t.test('a nonce is good at every process, each count of it once', async (t) => {
  const one = await startEdge(t);
  const two = await startEdge(t);
  const nonce = nonceOf(one.digest);
  t.match(await check(two.digest, request(nonce)), { kind: 'proven' });
  t.match(await check(one.digest, request(nonce)), { kind: 'stale', isReplay: true }, 'overheard, sent to the other');
  t.match(await check(two.digest, request(nonce)), { kind: 'stale', isReplay: true });
  t.match(await check(one.digest, request(nonce, { nc: '00000003' })), { kind: 'proven' });
  t.match(await check(two.digest, request(nonce, { nc: '00000002' })), { kind: 'proven' }, 'out of order');
  t.match(await check(one.digest, request(nonce, { nc: '00000000' })), { kind: 'stale' });
  t.match(await check(one.digest, request(nonce, { nc: '0fffffff' })), { kind: 'stale' });
  // The same request to both at the same moment is taken by one of them.
  const twice = request(nonce, { nc: '00000004' });
  const results = await Promise.all([check(one.digest, twice), check(two.digest, twice), check(one.digest, twice)]);
  t.equal(results.filter(({ kind }) => kind === 'proven').length, 1);
  t.ok((await one.redis.pttl(`ringwire:digest-nonce:${nonce}`)) > LIFE_MS);
});

t.test('an old nonce is stale, a forged one too, and the challenge says so', async (t) => {
  let now = Date.now();
  const { digest } = await startEdge(t, { now: () => now });
  const nonce = nonceOf(digest);
  now += LIFE_MS + 1;
  t.same(await check(digest, request(nonce)), { kind: 'stale', username: 'trunk', isReplay: false });
  t.match(
    await check(digest, request(nonce, { password: 'guess' })),
    { kind: 'stale' },
    'a guess without a challenge is none',
  );
  t.match(digest.challenge(REALM, { stale: true })['WWW-Authenticate'], /, stale=true\r\n.*, stale=true$/s);
  const fresh = nonceOf(digest);
  const forged = `${fresh.startsWith('A') ? 'B' : 'A'}${fresh.slice(1)}`;
  for (const bad of [forged, `${fresh}=`, 'short', 'x'.repeat(3000)]) {
    t.not((await check(digest, request(bad))).kind, 'proven', bad.slice(0, 50));
  }
});

t.test('while Redis is away digest goes on; when it has lost the secret, the processes agree again', async (t) => {
  const one = await startEdge(t);
  const two = await startEdge(t);
  const nonce = nonceOf(one.digest);
  await server.kill();
  await until('the loss is noticed', () => one.redis.status !== 'ready' && two.redis.status !== 'ready');
  t.match(await check(one.digest, request(nonce)), { kind: 'proven' });
  t.match(await check(one.digest, request(nonce)), { kind: 'stale', isReplay: true });
  t.match(await check(two.digest, request(nonce, { nc: '00000002' })), { kind: 'proven' });
  await server.restart();
  await until('both are back', () => one.redis.status === 'ready' && two.redis.status === 'ready');
  await one.redis.set(DIGEST_SECRET, 'ab'.repeat(32));
  for (const { redis } of [one, two]) redis.disconnect(true);
  const adopted = await until('two takes a nonce of one that is made with the new secret', async () => {
    if (one.redis.status !== 'ready' || two.redis.status !== 'ready') return undefined;
    const next = nonceOf(one.digest);
    const result = await check(two.digest, request(next));
    return result.kind === 'proven' ? next : undefined;
  });
  t.ok(adopted);
  t.match(
    await check(one.digest, request(nonce, { nc: '00000009' })),
    { kind: 'proven' },
    'the old secret still counts',
  );
});
