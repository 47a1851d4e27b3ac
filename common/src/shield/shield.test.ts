import t from 'tap';
import { createMetrics } from '../metrics/metrics.js';
import { openRedis } from '../redis/connection.js';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { liftBan, listBans, OPERATOR, putBan } from './ban-store.js';
import { OFFENDER_RULES, type OffenderRules, offenders } from './offenders.js';
import { type Shield, shieldOf } from './shield.js';

const logger = silentLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
const redis = openRedis(server, { logger, name: 'test' });
t.teardown(() => redis.disconnect());
t.beforeEach(() => redis.flushall());

const RULES: OffenderRules = { ...OFFENDER_RULES, points: 3, invitesPerSecond: 2 };
const CARRIER = '192.0.2.1';
const OURS = '192.0.2.3';
const STRANGER = '203.0.113.9';

/** The shield of one edge process. */
async function startEdge(
  t: { teardown(fn: () => unknown): void },
  instanceId: string,
  banMs = 60_000,
): Promise<{ shield: Shield; own: typeof redis; count(name: string): Promise<number> }> {
  const own = openRedis(server, { logger, name: instanceId });
  const metrics = createMetrics({ name: instanceId, instanceId });
  const isKnown = (address: string) => address === CARRIER || address === OURS;
  const isOurs = (address: string) => address === OURS;
  const shield = shieldOf({ redis: own, logger, metrics, instanceId, isKnown, isOurs, banMs, rules: RULES });
  t.teardown(async () => {
    // Bans that are on their way must not come after the next test has emptied Redis.
    if (own.status === 'ready') await own.ping();
    shield.close();
    own.disconnect();
  });
  await until('redis', () => own.status === 'ready');
  await shield.bans.refresh();
  const count = async (name: string): Promise<number> =>
    (await metrics.registry.getSingleMetric(name)?.get())?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
  return { shield, own, count };
}

const subscribers = (wanted: number) =>
  until('edges listen', async () => {
    const [, count] = (await redis.pubsub('NUMSUB', 'ringwire:bans-changed')) as [string, number];
    return count >= wanted;
  });

t.test(
  "shield: the operator's ban of an address holds for a carrier's gateway too, but never for ourselves",
  async (t) => {
    const { shield } = await startEdge(t, 'edge');
    const since = Date.now();
    const ban = { reason: 'test', since, until: since + 60_000 };
    for (const network of [CARRIER, OURS]) shield.bans.add({ ...ban, network, by: 'another-edge' });
    t.notOk(shield.isBanned(CARRIER), 'what an edge has seen bans no gateway');
    for (const network of [CARRIER, OURS]) shield.bans.add({ ...ban, network, by: OPERATOR });
    t.ok(shield.isBanned(CARRIER));
    t.notOk(shield.admits(CARRIER, true));
    t.notOk(shield.isBanned(OURS));
  },
);

t.test('who goes too far in a row is banned at every edge, until the ban ends or is lifted', async (t) => {
  const one = await startEdge(t, 'one');
  const two = await startEdge(t, 'two');
  await subscribers(2);
  for (let i = 0; i < 2; i++) one.shield.offended(STRANGER, 'bad-credentials', true);
  t.notOk(one.shield.isBanned(STRANGER));
  one.shield.succeeded(STRANGER);
  one.shield.offended(STRANGER, 'bad-credentials', true);
  one.shield.offended('203.0.113.8', 'unknown-source', true);
  one.shield.offended('203.0.113.8', 'no-room', true);
  const guesser = '203.0.113.10';
  for (let i = 0; i < 3; i++) one.shield.offended(guesser, 'bad-credentials', true);
  await until('it is banned here', () => one.shield.isBanned(guesser));
  t.equal(one.shield.bans.size, 1, 'and nobody else: not in a row, another source, no offence');
  t.notOk(one.shield.admits(guesser));
  t.equal(await one.count('ringwire_shield_dropped_total'), 1);
  await until('the other edge knows', () => two.shield.isBanned(guesser));
  await until('redis has it', async () => (await listBans(redis)).length > 0);
  t.match(await listBans(redis), [{ network: guesser, by: 'one', reason: /guesses/ }]);
  await liftBan(redis, guesser);
  await until('it is lifted', () => !one.shield.isBanned(guesser) && !two.shield.isBanned(guesser));

  const since = Date.now();
  await putBan(redis, { network: guesser, reason: 'short', by: 'operator', since, until: since + 300 });
  await until('both know', () => one.shield.isBanned(guesser) && two.shield.isBanned(guesser));
  await until('it has ended', () => !one.shield.isBanned(guesser) && !two.shield.isBanned(guesser));
  await until('nothing is left of it', async () => {
    await one.shield.bans.refresh();
    return one.shield.bans.size === 0 && (await redis.keys('ringwire:ban*')).length === 0;
  });
});

t.test('a scanner is banned at once; somebody we know never, whatever comes in his name', async (t) => {
  const { shield } = await startEdge(t, 'one');
  shield.offended(STRANGER, 'scanner', true);
  await until('it is banned', () => shield.isBanned(STRANGER));
  for (let i = 0; i < 50; i++) {
    shield.offended(CARRIER, 'scanner', true);
    t.ok(shield.admits(CARRIER), 'nor is he a flood');
  }
  t.notOk(shield.isBanned(CARRIER));
  const since = Date.now();
  shield.bans.add({ network: '192.0.2.0/24', reason: 'a slip', by: 'operator', since, until: since + 60_000 });
  t.notOk(shield.isBanned(CARRIER));
  t.ok(shield.isBanned('192.0.2.2'));
  t.ok(shield.isBanned('::ffff:192.0.2.2'));
  t.notOk(shield.isBanned('not an address'));
});

t.test(
  'a flood is banned when its source hears us, else only slowed down; with a ban time of 0 nobody is',
  async (t) => {
    const { shield, count } = await startEdge(t, 'one');
    let admitted = 0;
    while (admitted < 1_000 && shield.admits(STRANGER, true)) admitted++;
    t.ok(admitted >= 10 && admitted < 20, `${admitted} admitted: five seconds' worth`);
    await until('it is banned', () => shield.isBanned(STRANGER));
    const forged = '203.0.113.11';
    for (let i = 0; i < 100; i++) shield.admits(forged, false);
    t.notOk(shield.admits(forged, false));
    t.ok((await count('ringwire_shield_slowed_total')) > 80);
    await shield.bans.refresh();
    t.notOk(shield.isBanned(forged));
    const lenient = await startEdge(t, 'lenient', 0);
    for (let i = 0; i < 50; i++) {
      lenient.shield.offended('203.0.113.77', 'scanner', true);
      t.ok(lenient.shield.admits('203.0.113.77', true));
    }
  },
);

t.test(
  'what comes without proof in the name of others bans nobody, and does not add up with what is proven',
  async (t) => {
    const { shield, count } = await startEdge(t, 'one');
    const victim = '203.0.113.20';
    for (let i = 0; i < 50; i++) shield.offended(victim, 'scanner', false);
    shield.offended(victim, 'bad-credentials', true);
    shield.offended(victim, 'bad-credentials', true);
    // Whoever is banned is asked of Redis first: what comes after it in the same connection proves that nobody is.
    const other = '203.0.113.21';
    shield.offended(other, 'scanner', true);
    await until('another one is', () => shield.isBanned(other));
    t.notOk(shield.isBanned(victim));
    t.equal(await count('ringwire_shield_bans_total'), 1);
    let asked = 0;
    while (asked < 100 && shield.admits(victim, false)) asked++;
    t.ok(asked <= 10, `${asked} of 100 at once: it is slowed down`);
  },
);

t.test('IPv6 sources are counted and banned by their /64', async (t) => {
  const { shield } = await startEdge(t, 'one');
  for (let i = 1; i <= 3; i++) shield.offended(`2001:db8:5:6::${i}`, 'bad-credentials', true);
  await until('it is banned', () => shield.isBanned('2001:db8:5:6:ffff::1'));
  t.notOk(shield.isBanned('2001:db8:5:7::1'));
  const bans = await until('redis has it', async () => {
    const found = await listBans(redis);
    return found.length > 0 ? found : undefined;
  });
  t.match(bans, [{ network: '2001:db8:5:6::/64' }]);
});

t.test('private addresses, and those from which somebody is known at any edge, are never banned', async (t) => {
  const one = await startEdge(t, 'one');
  const two = await startEdge(t, 'two');
  const office = '203.0.113.30';
  two.shield.succeeded(office);
  await until('it is told', async () => (await redis.exists('ringwire:known-source:203.0.113.30')) === 1);
  await redis.hset('eph-gw-ip:203.0.113.31', 'carrier', `${Math.ceil(Date.now() / 1000) + 60}`);
  for (const address of [office, '203.0.113.31', '10.1.2.3', '192.168.0.9', 'fd00::1']) {
    one.shield.offended(address, 'scanner', true);
  }
  const withheld = () => one.count('ringwire_shield_bans_withheld_total');
  await until('all are withheld', async () => (await withheld()) === 5);
  t.equal(one.shield.bans.size, 0);
  for (let i = 0; i < 200; i++) two.shield.offended(office, 'bad-credentials', true);
  t.equal(await two.count('ringwire_shield_bans_total'), 0);
});

t.test('bans have a budget: more in a minute are withheld', async (t) => {
  const { shield, count } = await startEdge(t, 'one');
  for (let i = 0; i < 200; i++) shield.offended(`198.51.100.${i}`, 'scanner', true);
  const sum = async () =>
    (await count('ringwire_shield_bans_total')) + (await count('ringwire_shield_bans_withheld_total'));
  await until('all are judged', async () => (await sum()) === 200);
  const banned = await count('ringwire_shield_bans_total');
  t.ok(banned >= 120 && banned < 180, `${banned} banned`);
});

t.test('while Redis is away the bans serve and new ones hold; they are everywhere when it is back', async (t) => {
  const one = await startEdge(t, 'one');
  const two = await startEdge(t, 'two');
  one.shield.offended('203.0.113.1', 'scanner', true);
  await until('redis has it', async () => (await listBans(redis)).length === 1);
  await server.kill();
  await until('the loss is noticed', () => one.own.status !== 'ready' && redis.status !== 'ready');
  one.shield.offended('203.0.113.2', 'scanner', true);
  t.ok(one.shield.isBanned('203.0.113.1'));
  await until('the new one holds', () => one.shield.isBanned('203.0.113.2'));
  await server.restart();
  await until(
    'the other edge knows both',
    () => two.shield.isBanned('203.0.113.1') && two.shield.isBanned('203.0.113.2'),
  );
});

t.test('offenders are forgotten and forgiven, and fill no memory', async (t) => {
  let now = 0;
  const seen = offenders({ points: 3, forgetMs: 1_000, invitesPerSecond: 1, maxSources: 100 }, () => now);
  seen.offence('a', 'unknown-source', true);
  seen.offence('a', 'unknown-source', true);
  now += 1_001;
  t.notOk(seen.offence('a', 'unknown-source', true), 'quiet long enough');
  t.notOk(seen.offence('a', 'unknown-source', true));
  t.ok(seen.offence('a', 'unknown-source', true));
  t.notOk(seen.offence('a', 'unknown-source', true), 'told once');
  seen.success('office');
  for (let i = 0; i < 29; i++) t.notOk(seen.offence('office', 'bad-credentials', true));
  t.notOk(seen.offence('office', 'bad-credentials', true), 'a known source is not banned');
  t.ok(
    [...Array(9)].some(() => !seen.mayAsk('office')),
    'but slowed down once it erred ten times as often as others may',
  );
  for (let i = 0; i < 29; i++) t.notOk(seen.offence('trunk', 'challenged', true));
  t.ok(seen.offence('trunk', 'challenged', true));
  t.same(
    [1, 2, 3, 4, 5, 6].map(() => seen.mayAsk('b')),
    [true, true, true, true, true, false],
  );
  now += 1_000;
  t.ok(seen.mayAsk('b'));
  t.notOk(seen.mayAsk('b'));
  seen.success('busy trunk');
  for (let i = 0; i < 250; i++) t.ok(seen.mayAsk('busy trunk'));
  t.notOk(seen.mayAsk('busy trunk'), 'fifty times as fast as a stranger');
  for (let i = 0; i < 1_000; i++) seen.offence(`source ${i}`, 'malformed', true);
  t.equal(seen.size, 100);
});
