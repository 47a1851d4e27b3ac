import t from 'tap';
import { resolveHookUrl } from './hook-url.js';

const BASE = 'https://app.example.com:8443/voice/start?x=1';

t.test('relative URLs are resolved against the base, absolute ones stand for themselves', (t) => {
  t.equal(resolveHookUrl('/menu?y=2', BASE).url.href, 'https://app.example.com:8443/menu?y=2');
  t.equal(resolveHookUrl('next', BASE).url.href, 'https://app.example.com:8443/voice/next');
  t.equal(resolveHookUrl('http://other.example.com/a', BASE).url.href, 'http://other.example.com/a');
  t.throws(() => resolveHookUrl('/menu', ''), { code: 'hook/forbidden' });
  t.throws(() => resolveHookUrl('ftp://example.com/', BASE), { code: 'hook/forbidden' });
  t.end();
});

t.test('without a fragment connection trouble and overload are tried again twice', (t) => {
  const { retry } = resolveHookUrl('/a', BASE);
  t.match(retry, { retries: 2, connection: true, timeout: false });
  t.same([500, 502, 503, 504, 404].map(retry.status), [false, true, true, true, false]);
  t.end();
});

t.test('the fragment says what is tried again, how often, and is cut off', (t) => {
  const { url, retry } = resolveHookUrl('/a#rc=9&rp=rt,5xx', BASE);
  t.equal(url.hash, '');
  t.match(retry, { retries: 5, connection: false, timeout: true });
  t.same([500, 404].map(retry.status), [true, false]);
  t.same([0, 1, 2, 9].map(retry.delayMs), [500, 1000, 2000, 6000]);
  t.match(resolveHookUrl('/a#rp=all', BASE).retry, { retries: 0 });
  t.match(resolveHookUrl('/a#rc=2', BASE).retry, { retries: 2, connection: true, timeout: false });
  t.match(resolveHookUrl('/a#rc=two', BASE).retry, { retries: 0 });
  t.equal(resolveHookUrl('/a#section', BASE).retry.retries, 2, 'any other fragment is none of ours');
  t.end();
});
