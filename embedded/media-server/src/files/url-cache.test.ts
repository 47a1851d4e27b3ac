import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import t from 'tap';
import { folder } from '../test-peer.js';
import type { Teardown } from '../test-phone.js';
import { UrlCache, type UrlCacheLimits } from './url-cache.js';

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

async function serve(
  t: Teardown,
  answer: Answer,
): Promise<{ base: string; requests: IncomingMessage[]; close(): void }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    requests.push(req);
    answer(req, res);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  t.teardown(close);
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close };
}

async function cacheOf(t: Teardown, limits: Partial<UrlCacheLimits> = {}, dir?: string) {
  const counters = { urlFetches: 0, urlFetchFailures: 0, urlCacheHits: 0 };
  const path = dir ?? (await folder(t));
  const cache = new UrlCache(path, counters, { guard: new AddressGuard({ allowPrivate: 'loopback' }), ...limits });
  t.teardown(() => cache.close());
  return { cache, counters, path };
}

const text = (path: string): Promise<string> => readFile(path, 'utf8');

t.test(
  'an answer is used as long as its max-age says, also after a restart, and asked for again with its ETag',
  async (t) => {
    let version = 1;
    const { base, requests } = await serve(t, (req, res) => {
      const headers = { 'cache-control': req.url === '/long' ? 'max-age=60' : 'max-age=0', etag: `"${version}"` };
      if (req.headers['if-none-match'] === headers.etag) res.writeHead(304, headers).end();
      else res.writeHead(200, headers).end(`version ${version}`);
    });
    const { cache, counters, path } = await cacheOf(t);
    const first = await cache.fetch(`${base}/long`);
    t.equal(await text(first), 'version 1');
    t.equal(await cache.fetch(`${base}/long#fragment`), first);
    const { cache: restarted } = await cacheOf(t, {}, path);
    t.equal(await restarted.fetch(`${base}/long`), first);
    t.equal(requests.length, 1);
    const short = await cache.fetch(`${base}/short`);
    t.equal(await cache.fetch(`${base}/short`), short, 'not modified');
    t.equal(requests[2]?.headers['if-none-match'], '"1"');
    version = 2;
    const changed = await cache.fetch(`${base}/short`);
    t.not(changed, short, 'other content, other file: what plays the old one is not disturbed');
    t.equal(await text(changed), 'version 2');
    t.equal(await text(short), 'version 1');
    t.match(counters, { urlFetches: 4, urlFetchFailures: 0, urlCacheHits: 2 });
  },
);

t.test('no-store is not kept, no-cache and Vary: * are asked for every time, Last-Modified is sent back', async (t) => {
  const modified = 'Tue, 01 Sep 2026 10:00:00 GMT';
  const { base, requests } = await serve(t, (req, res) => {
    if (req.url === '/no-store') res.setHeader('cache-control', 'no-store, max-age=60');
    if (req.url === '/no-cache') res.setHeader('cache-control', 'max-age=60, no-cache');
    if (req.url === '/vary') res.setHeader('vary', '*');
    if (req.url === '/expired') res.setHeader('expires', '0');
    res.setHeader('last-modified', modified);
    if (req.headers['if-modified-since'] === modified) res.writeHead(304).end();
    else res.end('sound');
  });
  const { cache } = await cacheOf(t);
  for (const name of ['/no-store', '/no-cache', '/vary', '/expired', '/plain']) {
    for (let i = 0; i < 2; i++) t.equal(await text(await cache.fetch(base + name)), 'sound', name);
    const asked = requests.filter(({ url }) => url === name);
    t.equal(asked.length, name === '/plain' ? 1 : 2, name);
    if (asked.length === 2)
      t.equal(asked[1]?.headers['if-modified-since'], name === '/no-store' ? undefined : modified);
  }
});

t.test('when the server fails, a stale file is used unless must-revalidate forbids it; 404 forgets it', async (t) => {
  let status = 200;
  const { base, close } = await serve(t, (req, res) => {
    res.setHeader('cache-control', req.url === '/strict' ? 'max-age=0, must-revalidate' : 'max-age=0');
    res.writeHead(status).end('sound');
  });
  const { cache } = await cacheOf(t);
  for (const name of ['/lax', '/strict', '/gone']) await cache.fetch(base + name);
  status = 404;
  await t.rejects(cache.fetch(`${base}/gone`), { message: /404/ });
  status = 503;
  t.equal(await text(await cache.fetch(`${base}/lax`)), 'sound');
  await t.rejects(cache.fetch(`${base}/strict`), { message: /503/ });
  await t.rejects(cache.fetch(`${base}/gone`), { message: /503/ });
  close();
  t.equal(await text(await cache.fetch(`${base}/lax`)), 'sound');
  await t.rejects(cache.fetch(`${base}/strict`), { code: 'media-server/unplayable-file' });
});

t.test('a hundred that want the same file share one request', async (t) => {
  const { base, requests } = await serve(t, (_req, res) => setTimeout(() => res.end('sound'), 30));
  const { cache } = await cacheOf(t);
  const paths = await Promise.all(Array.from({ length: 100 }, () => cache.fetch(`${base}/a.wav`)));
  t.equal(new Set(paths).size, 1);
  t.equal(requests.length, 1);
});

t.test('size, time and redirects are limited, and nothing unfinished is left', async (t) => {
  const { base } = await serve(t, (req, res) => {
    if (req.url === '/large') res.end(Buffer.alloc(2000));
    else if (req.url === '/slow') res.write('some');
    else if (req.url === '/cut') res.writeHead(200, { 'content-length': '100' }).write('some', () => res.destroy());
    else if (req.url === '/once') res.writeHead(302, { location: '/fine' }).end();
    else if (req.url === '/away') res.writeHead(302, { location: 'file:///etc/passwd' }).end();
    else if (req.url === '/round') res.writeHead(302, { location: '/round' }).end();
    else res.end('sound');
  });
  const { cache, path } = await cacheOf(t, { maxFileBytes: 1000, deadlineMs: 300, maxRedirects: 3 });
  t.equal(await text(await cache.fetch(`${base}/once`)), 'sound');
  const wrong: [string, RegExp][] = [
    ['/large', /too large/],
    ['/slow', /timeout|aborted/i],
    ['/cut', /./],
    ['/away', /redirected to file:/],
    ['/round', /too many redirects/],
  ];
  for (const [name, message] of wrong) await t.rejects(cache.fetch(base + name), { message }, name);
  t.equal((await readdir(path)).length, 2, 'the file and its entry');
});

t.test(
  'addresses that the guard forbids are not fetched from, nor redirects to them, nor names that lead there',
  async (t) => {
    const { base, requests } = await serve(t, (req, res) => {
      if (req.url === '/metadata') res.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
      else if (req.url === '/inside') res.writeHead(302, { location: 'http://[::ffff:10.0.0.1]/a.wav' }).end();
      else res.end('sound');
    });
    const { cache } = await cacheOf(t);
    t.equal(await text(await cache.fetch(`${base}/fine`)), 'sound');
    const wrong = [`${base}/metadata`, `${base}/inside`, 'http://192.168.0.1/a.wav'];
    for (const url of wrong) await t.rejects(cache.fetch(url), { message: /private address/ }, url);
    const strict = await cacheOf(t, { guard: new AddressGuard({ allowPrivate: false }) });
    const asked = requests.length;
    const local = [`${base}/fine`, `${base.replace('127.0.0.1', 'localhost')}/fine`];
    for (const url of local) await t.rejects(strict.cache.fetch(url), { message: /private address/ }, url);
    t.equal(requests.length, asked);
  },
);

t.test('name and password of a URL are sent to its server, and to no other', async (t) => {
  const other = await serve(t, (_req, res) => res.end('sound'));
  const { base, requests } = await serve(t, (_req, res) => res.writeHead(302, { location: other.base }).end());
  const { cache } = await cacheOf(t);
  await cache.fetch(base.replace('//', '//me:se%40cret@'));
  t.equal(requests[0]?.headers.authorization, `Basic ${Buffer.from('me:se@cret').toString('base64')}`);
  t.equal(other.requests[0]?.headers.authorization, undefined);
});

t.test(
  'a file stays while it is held: what is given up, and what must not be kept, goes with its last holder',
  async (t) => {
    const { base } = await serve(t, (req, res) => {
      if (req.url === '/no-store') res.setHeader('cache-control', 'no-store');
      res.end(Buffer.alloc(400));
    });
    const { cache, path } = await cacheOf(t, { maxBytes: 1000 });
    const sounds = async (): Promise<number> => (await readdir(path)).filter((name) => !name.endsWith('.json')).length;
    const [first, again] = await Promise.all([cache.fetch(`${base}/1`), cache.fetch(`${base}/1`)]);
    t.equal(first, again);
    for (const name of ['/2', '/3']) await cache.release(await cache.fetch(base + name));
    t.equal(await sounds(), 3, 'the first plays still');
    await cache.release(first);
    t.equal((await text(again)).length, 400, 'the second of its players has it');
    await cache.release(again);
    t.equal(await sounds(), 2);
    for (const name of ['/4', '/5', '/6', '/7', '/8', '/9']) await cache.release(await cache.fetch(base + name));
    t.equal(await sounds(), 2, 'never more than the bound');
    const once = await cache.fetch(`${base}/no-store`);
    t.equal((await text(once)).length, 400);
    await cache.release(once);
    await t.rejects(text(once), { code: 'ENOENT' });
  },
);

t.test(
  'what is fetched and played at once is bounded too, and what is larger than the cache is not kept',
  async (t) => {
    const { base } = await serve(t, (_req, res) => res.end(Buffer.alloc(400)));
    const { cache, path } = await cacheOf(t, { maxBytes: 300, maxPassingBytes: 1000 });
    const held = [await cache.fetch(`${base}/1`), await cache.fetch(`${base}/2`)];
    await t.rejects(cache.fetch(`${base}/3`), { message: /too much is fetched and played at once/ });
    await cache.release(held[0]!);
    const third = await cache.fetch(`${base}/3`);
    await Promise.all([cache.release(held[1]!), cache.release(third)]);
    t.same(await readdir(path), []);
  },
);

t.test('the least recently used files go when there are too many bytes', async (t) => {
  const { base, requests } = await serve(t, (_req, res) => res.end(Buffer.alloc(400)));
  const { cache, path } = await cacheOf(t, { maxBytes: 1000 });
  for (const name of ['/1', '/2', '/1', '/3', '/1', '/2']) await cache.release(await cache.fetch(base + name));
  t.same(
    requests.map(({ url }) => url),
    ['/1', '/2', '/3', '/2'],
  );
  t.equal((await readdir(path)).length, 4, 'two files and their entries');
});

t.test('what a killed process left unfinished or broken is deleted, other files are not', async (t) => {
  const dir = join(await folder(t), 'cache');
  await mkdir(dir);
  const key = '0'.repeat(64);
  await writeFile(join(dir, `${key}-1234.wav.part`), 'half');
  await writeFile(join(dir, `${key}.entry.json`), '{"url":');
  await writeFile(join(dir, 'mine.wav'), 'keep');
  const { base } = await serve(t, (_req, res) => res.end('sound'));
  const { cache } = await cacheOf(t, {}, dir);
  await cache.fetch(base);
  const names = await readdir(dir);
  t.ok(names.includes('mine.wav'));
  t.notOk(names.some((name) => name.startsWith(key)));
});
