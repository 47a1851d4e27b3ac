import t from 'tap';
import { DigestClient, digestAnswer, parseChallenges } from './digest-client.js';
import type { SipResponse } from './stack.js';

const HTTP_EXAMPLE = {
  realm: 'http-auth@example.org',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
  qop: ['auth'],
  isStale: false,
};
const MUFASA = { username: 'Mufasa', password: 'Circle of Life' };
const GET = { method: 'GET', uri: '/dir/index.html' };
const ONCE = { count: 1, cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' };
const responseOf = (header: string): string | undefined => /response="([0-9a-f]+)"/.exec(header)?.[1];

t.test('answers are those of the examples of RFC 7616 §3.9.1 and RFC 2617 §3.5', async (t) => {
  const md5 = digestAnswer({ ...HTTP_EXAMPLE, algorithm: 'MD5' }, MUFASA, GET, ONCE);
  t.equal(responseOf(md5), '8ca523f5e9506fed4657c9700eebdbec');
  const sha = digestAnswer({ ...HTTP_EXAMPLE, algorithm: 'SHA-256' }, MUFASA, GET, ONCE);
  t.equal(responseOf(sha), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  t.match(sha, 'algorithm=SHA-256, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001');
  const old = {
    realm: 'testrealm@host.com',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    algorithm: 'MD5',
    qop: ['auth', 'auth-int'],
    isStale: false,
  };
  const answer = digestAnswer(old, { username: 'Mufasa', password: 'Circle Of Life' }, GET, {
    count: 1,
    cnonce: '0a4f113b',
  });
  t.equal(responseOf(answer), '6629fae49393a05397450978507c4ef1');
});

t.test('several challenges in one header are told apart; other schemes are left out', async (t) => {
  const header =
    'Basic realm="x", DIGEST realm="a, b", nonce="n\\"1", algorithm=SHA-256, qop="auth,auth-int", Digest realm=c,nonce=n2,stale=TRUE';
  t.same(parseChallenges(header), [
    { realm: 'a, b', nonce: 'n"1', algorithm: 'SHA-256', qop: ['auth', 'auth-int'], isStale: false },
    { realm: 'c', nonce: 'n2', algorithm: 'MD5', qop: [], isStale: true },
  ]);
  t.same(parseChallenges('Digest'), []);
  t.same(parseChallenges('Digest realm="only"'), []);
  t.same(parseChallenges(`Digest realm="a", nonce="${'n'.repeat(5000)}"`), []);
});

const challenged = (status: number, header: string): SipResponse =>
  ({ status, get: (name: string) => (/authenticate/i.test(name) ? header : undefined) }) as SipResponse;

t.test('the topmost challenge that can be answered is, unknown algorithms are passed over', async (t) => {
  const client = new DigestClient({ username: 'u', password: 'p' });
  t.notOk(client.learn(challenged(401, 'Digest realm="r", nonce="n", algorithm=AES'), new Set()));
  const both = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth", Digest realm="r", nonce="n", algorithm=MD5';
  t.ok(client.learn(challenged(401, both), new Set()));
  t.match(client.headersFor({ method: 'INVITE', uri: 'sip:1@x' }).Authorization, /algorithm=SHA-256.*nc=00000001/);
  t.match(client.headersFor({ method: 'BYE', uri: 'sip:1@x' }).Authorization, /nc=00000002/);
});

t.test('rejected credentials are not sent again, a stale nonce is answered once, 401 and 407 each', async (t) => {
  const client = new DigestClient({ username: 'u', password: 'p' });
  const seen = new Set<string>();
  const fresh = 'Digest realm="r", nonce="n"';
  t.ok(client.learn(challenged(407, fresh), seen));
  t.ok(client.learn(challenged(401, fresh), seen));
  t.notOk(client.learn(challenged(401, fresh), seen));
  t.ok(client.learn(challenged(401, `${fresh}, stale=true`), seen));
  t.notOk(client.learn(challenged(401, `${fresh}, stale=true`), seen));
  t.same(Object.keys(client.headersFor({ method: 'INVITE', uri: 'sip:1@x' })), [
    'Proxy-Authorization',
    'Authorization',
  ]);
});
