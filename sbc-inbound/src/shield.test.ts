import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Ban, liftBan, listBans } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { NUMBER, refusal, startCaller } from './testing/caller.js';
import { addClients, startDevice } from './testing/device.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer } from './testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';
import { statusOf, tcpStranger } from './testing/tcp-stranger.js';

t.setTimeout(200_000);

let stores: Stores;
/** Two edges: the first asks its route for every INVITE, the second does not. */
let edges: { server: ServerProcess; sbc: SbcInbound }[];

/** A port at which the edge can be asked before it is there: what has to be known first is free for sure. */
async function startRelay(edgeUrl: () => string | undefined): Promise<number> {
  const relay = createServer((request, response) => {
    fetch(`${edgeUrl()}${request.url}`)
      .then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
      })
      .catch(() => response.writeHead(503).end());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.teardown(() => {
    relay.close();
    relay.closeAllConnections();
  });
  return (relay.address() as AddressInfo).port;
}

t.before(async () => {
  stores = await startStores(t);
  const httpPort = await startRelay(() => edges[0]?.sbc.edge.http.url);
  // The SIP server has limits of its own, which would come first.
  const off = ['--source-limit', 'off'];
  const asking = [...off, '--http-handler', `INVITE=http://127.0.0.1:${httpPort}/route`];
  await startFeatureServer(t, stores, 'fs-one');
  const db = openSeededDatabase(stores.env);
  await addClients(db, [{ username: 'alice' }]);
  await db.close();
  edges = [];
  for (const flags of [asking, off]) {
    const server = await startServerProcess(t, () => flags);
    const options = { name: 'sbc-inbound', stores, controlPort: server.controlPort };
    const sbc = await openSbc(t, openSbcInbound, options);
    await sbc.edge.featureServers.refresh();
    edges.push({ server, sbc });
  }
});

const rejected = (sbc: SbcInbound, reason: string) => metric(sbc.edge, 'ringwire_calls_rejected_total', { reason });
const invites = (sbc: SbcInbound) => metric(sbc.edge, 'ringwire_invites_total', {});
const dropped = (sbc: SbcInbound) => metric(sbc.edge, 'ringwire_shield_dropped_total', {});

t.test(
  'who guesses numbers is banned at all edges before anything is looked up, until the ban is lifted',
  async (t) => {
    const [one, two] = edges as [(typeof edges)[0], (typeof edges)[0]];
    const guesser = tcpStranger('127.0.0.66');
    const carrier = await startCaller(t);
    for (let i = 0; i < 10; i++) {
      t.equal(statusOf(await guesser.refusal(two.server.sipPort, `1555000${i}`)), 403);
    }
    t.equal(await rejected(two.sbc, 'unknown-source'), 10);
    const [ban] = await until('it is banned', async () => {
      const bans = await listBans(stores.redis);
      return bans.length > 0 ? (bans as [Ban]) : undefined;
    });
    t.match(ban, { network: '127.0.0.66', by: two.sbc.edge.instanceId });

    const before = await invites(two.sbc);
    const refused = await guesser.refusal(two.server.sipPort, NUMBER);
    t.equal(statusOf(refused), 403);
    t.notMatch(refused, /X-Reason/i);
    t.equal(await dropped(two.sbc), 1);
    t.equal(await invites(two.sbc), before, 'it was looked at no further');
    // The route of the first edge knows as soon as the message is there; then its SIP server does not even pass INVITEs on.
    const passed = (): Promise<number> => invites(one.sbc);
    await until('the other edge knows', async () => {
      const seen = await passed();
      await guesser.refusal(one.server.sipPort, NUMBER);
      return (await passed()) === seen;
    });
    t.equal(statusOf(await guesser.refusal(one.server.sipPort, NUMBER)), 403);
    t.equal(await dropped(one.sbc), 0);

    for (const { server } of edges) await (await carrier.call(server.sipPort, NUMBER).answered).bye();
    t.ok(await liftBan(stores.redis, '127.0.0.66'));
    await until('it is heard again', async () => {
      const seen = await rejected(one.sbc, 'unknown-source');
      await guesser.refusal(one.server.sipPort, NUMBER);
      return (await rejected(one.sbc, 'unknown-source')) > seen;
    });
  },
);

t.test("a carrier's own mistakes do not ban it", async (t) => {
  const [one] = edges as [(typeof edges)[0]];
  const carrier = await startCaller(t);
  for (let i = 0; i < 15; i++) {
    const refused = await refusal(carrier.call(one.server.sipPort, `999${i}`, { 'User-Agent': 'friendly-scanner' }));
    t.equal(refused.status, 403);
  }
  for (let i = 0; i < 15; i++) t.equal((await refusal(carrier.call(one.server.sipPort, `999${i}`))).status, 404);
  await (await carrier.call(one.server.sipPort, NUMBER).answered).bye();
  t.same(await listBans(stores.redis), []);
});

t.test('where a device is registered nobody is banned, but who floods or guesses there is slowed down', async (t) => {
  const [, two] = edges as [(typeof edges)[0], (typeof edges)[0]];
  const host = '127.0.0.71';
  const device = await startDevice(t, { user: 'alice', sipPort: two.server.sipPort, host });
  t.equal((await device.register()).status, 200);
  const slowed = () => metric(two.sbc.edge, 'ringwire_shield_slowed_total', {});
  const before = await slowed();
  const guesser = tcpStranger(host);
  for (let i = 0; i < 10; i++) await guesser.refusal(two.server.sipPort, `1555000${i}`);
  t.equal(await slowed(), before, 'it may err more often than a stranger');
  await until('it is slowed down', async () => {
    await guesser.refusal(two.server.sipPort, NUMBER);
    return (await slowed()) > before;
  });
  t.notOk((await listBans(stores.redis)).some(({ network }) => network === host));
});

t.test('a scanner that asks by OPTIONS whether we live is refused and banned; others hear that we do', async (t) => {
  const [, two] = edges as [(typeof edges)[0], (typeof edges)[0]];
  const ask = async (address: string, userAgent: string): Promise<number> =>
    statusOf(await tcpStranger(address).options(two.server.sipPort, { 'User-Agent': userAgent }));
  t.equal(await ask('127.0.0.66', 'a telephone'), 200);
  t.equal(await ask('127.0.0.66', 'sipvicious'), 403);
  await until('it is banned', async () => (await ask('127.0.0.66', 'a telephone')) === 403);
  t.equal(await ask('127.0.0.65', 'a telephone'), 200);
});

t.test('a scanner that says its name is banned at once', async (t) => {
  const [, two] = edges as [(typeof edges)[0], (typeof edges)[0]];
  const scanner = tcpStranger('127.0.0.67');
  await scanner.refusal(two.server.sipPort, '100', { 'User-Agent': 'friendly-scanner' });
  await until('it is banned', async () =>
    (await listBans(stores.redis)).some(({ network }) => network === '127.0.0.67'),
  );
  const before = await dropped(two.sbc);
  await scanner.refusal(two.server.sipPort, NUMBER);
  t.equal(await dropped(two.sbc), before + 1);
});

t.test('datagrams in the name of a stranger ban him nowhere, whatever they say', async (t) => {
  const [, two] = edges as [(typeof edges)[0], (typeof edges)[0]];
  const victim = await startCaller(t, '127.0.0.68');
  const seen = () => rejected(two.sbc, 'scanner');
  const before = await seen();
  await refusal(victim.call(two.server.sipPort, '100', { 'User-Agent': 'friendly-scanner' }));
  for (let i = 0; i < 3; i++) await refusal(victim.call(two.server.sipPort, '100', { 'User-Agent': 'sipvicious' }));
  t.ok((await seen()) > before);
  const scanner = tcpStranger('127.0.0.69');
  await scanner.refusal(two.server.sipPort, '100', { 'User-Agent': 'friendly-scanner' });
  const bans = await until('who came later is banned', async () => {
    const found = (await listBans(stores.redis)).map(({ network }) => network);
    return found.includes('127.0.0.69') ? found : undefined;
  });
  t.notOk(bans.includes('127.0.0.68'));
});
