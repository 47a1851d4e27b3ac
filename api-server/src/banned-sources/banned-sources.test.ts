import { BANS, banKey } from '@ringwire/common';
import { banList } from '@ringwire/common/shield/ban-list.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, redis, logger } = api;
const path = '/v1/BannedSources';

t.test('a network is banned, listed with its end, known to the edges at once, and lifted', async (t) => {
  const edge = banList({ redis, logger });
  t.teardown(() => edge.close());
  // The subscription has no other sign.
  await until('the edge listens', async () => {
    const [, count] = (await redis.pubsub('NUMSUB', 'ringwire:bans-changed')) as [string, number];
    return count > 0;
  });
  t.same((await admin('GET', path)).body, []);
  const made = await admin('POST', path, { network: '192.0.2.77/24', reason: 'scans', minutes: 5 });
  t.match(made, { status: 201, body: { network: '192.0.2.0/24', reason: 'scans', banned_by: 'operator' } });
  await until('the edge knows', () => edge.find('192.0.2.1') !== undefined);
  t.equal((await admin('POST', path, { network: '2001:DB8:0::1' })).status, 201);
  t.equal((await admin('POST', path, { network: '::ffff:198.51.100.1' })).status, 201);
  const { body } = await admin('GET', path);
  t.same(
    (body as { network: string }[]).map(({ network }) => network),
    ['198.51.100.1', '2001:db8::1', '192.0.2.0/24'],
  );
  t.match((body as object[])[2], made.body as object);
  const ttl = await redis.pttl(banKey('192.0.2.0/24'));
  t.ok(ttl > 290_000 && ttl <= 300_000);
  t.equal((await admin('DELETE', `${path}/192.0.2.0%2F24`)).status, 204);
  t.equal((await admin('DELETE', `${path}/2001:db8::1`)).status, 204);
  t.equal((await admin('DELETE', `${path}/192.0.2.0%2F24`)).status, 404);
  await until('the edge knows', () => edge.find('192.0.2.1') === undefined);
  t.ok(edge.find('198.51.100.1'));
  await redis.del(banKey('198.51.100.1'));
  t.same((await admin('GET', path)).body, [], 'what has expired is not listed');
  t.equal(await redis.exists(BANS), 0);
});

t.test('wrong fields are named, and only the operator bans', async (t) => {
  for (const network of ['host', '1.2.3.4/33', '0.0.0.0/0', '10.0.0.0/7', '2000::/3', '', 5]) {
    t.match(await admin('POST', path, { network }), { status: 400, body: { msg: /^network/ } }, `${network}`);
  }
  for (const minutes of [0, 1.5, '5', 1e9]) {
    t.match(await admin('POST', path, { network: '192.0.2.1', minutes }), { status: 400, body: { msg: /^minutes/ } });
  }
  t.match(await admin('POST', path, { network: '192.0.2.1', for: 5 }), { status: 400, body: { msg: /^for/ } });
  for (const client of [account, serviceProvider]) {
    t.equal((await client('GET', path)).status, 403);
    t.equal((await client('POST', path, { network: '192.0.2.1' })).status, 403);
    t.equal((await client('DELETE', `${path}/192.0.2.1`)).status, 403);
  }
});

t.test('while Redis is away bans can neither be seen nor made', async (t) => {
  await api.redisServer.kill();
  await until('the loss is noticed', async () => (await admin('GET', path)).status === 503);
  t.equal((await admin('POST', path, { network: '192.0.2.1' })).status, 503);
});
