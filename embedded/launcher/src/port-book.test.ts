import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { choosePorts, takeRtpSlot } from './port-book.js';

t.test('a second start has the ports of the first, except one that somebody took', async (t) => {
  const dataDir = t.testdir();
  const wanted = { api: { kind: 'tcp' }, sip: { kind: 'both' } } as const;
  const first = await choosePorts(dataDir, wanted);
  t.same(await choosePorts(dataDir, wanted), first);
  const somebody = createServer().listen({ host: '127.0.0.1', port: first.api });
  await once(somebody, 'listening');
  t.teardown(() => somebody.close());
  const second = await choosePorts(dataDir, wanted);
  t.not(second.api, first.api);
  t.equal(second.sip, first.sip);
  t.equal(statSync(join(dataDir, 'ports.json')).mode & 0o777, 0o600);
});

t.test('a name that is new gets a port that nobody had', async (t) => {
  const dataDir = t.testdir();
  const first = await choosePorts(dataDir, { old: { kind: 'tcp' } });
  const second = await choosePorts(dataDir, { fresh: { kind: 'tcp', prefer: first.old }, old: { kind: 'tcp' } });
  t.equal(second.old, first.old);
  t.not(second.fresh, first.old);
});

t.test('platforms that start together on one machine do not choose the same ports', async (t) => {
  const [first, second] = [await takeRtpSlot(), await takeRtpSlot()];
  t.teardown(() => second.release());
  t.not(first.rtpengine.first, second.rtpengine.first);
  t.ok(first.rtpengine.last < first.mediaServer.first);
  const [one, other] = [first.services, second.services];
  t.ok(one.last < other.first || other.last < one.first, `${JSON.stringify([one, other])} have nothing in common`);
  const { api } = await choosePorts(t.testdir(), { api: { kind: 'tcp' } }, second.services);
  t.ok(api >= other.first && api <= other.last);
  first.release();
});
