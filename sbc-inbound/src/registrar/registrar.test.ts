import { bindingsKey, type OnKept, registrations } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from '../sbc-inbound.js';
import { addClients, authorize, REALM, startDevice } from '../testing/device.js';
import { DRACHTIO, openSbc, type ServerProcess, startServerProcess, withoutDrachtio } from '../testing/edge.js';
import { openSeededDatabase, type Stores, startStores } from '../testing/stores.js';

t.setTimeout(180_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  t.teardown(() => db.close());
  await addClients(db, [
    { username: 'alice' },
    { username: 'bob' },
    { username: 'carol12' },
    { username: 'eager123' },
    { username: 'target78' },
    { username: 'gone', is_active: 0 },
    { username: 'cross99', account_sid: SEED.siblingAccountSid },
  ]);
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcInbound, {
    name: 'sbc-inbound',
    stores,
    controlPort: server.controlPort,
    env: { REGISTER_MIN_EXPIRES: '2', REGISTER_PER_MINUTE: '60' },
  });
});

t.beforeEach(async () => {
  const keys = await stores.redis.keys('ringwire:*{one.example.com}*');
  if (keys.length > 0) await stores.redis.del(...keys);
});

const phone = (t: { teardown(fn: () => unknown): void }, user = 'alice', more = {}) =>
  startDevice(t, { user, sipPort: server.sipPort, ...more });
const bindingsOf = (user: string) => registrations(stores.redis).bindingsOf({ user, realm: REALM });
const contactsOf = (response: SipMessage): string[] =>
  response
    .getAll('Contact')
    .flatMap((line) => line.split(/,\s*/))
    .sort();

t.test(
  'SUBSCRIBE and PUBLISH are refused as methods that are not known here, not as if the edge were down',
  async (t) => {
    const device = await phone(t);
    for (const method of ['SUBSCRIBE', 'PUBLISH']) {
      const response = await device.send(method, { headers: { Event: 'message-summary' } });
      t.equal(response.status, 405, method);
      t.match(response.get('Allow'), /REGISTER/);
    }
  },
);

t.test(
  'a user registers with SHA-256 or MD5, is found where it was heard, and lives as long as it was told',
  async (t) => {
    for (const [algorithm, transport] of [
      ['SHA-256', 'udp'],
      ['MD5', 'tcp'],
    ] as const) {
      const device = await phone(t, 'alice', { algorithm, transport });
      const response = await device.register({ Expires: '600' });
      t.equal(response.status, 200);
      t.same(contactsOf(response), [`<${device.contact}>;expires=600`], algorithm);
      const [kept] = await bindingsOf('alice');
      const { port } = device.agent.addresses[0]!;
      t.match(kept?.binding, { contact: device.contact, transport, edge: sbc.edge.sipAddress });
      // A connection has a port of its own.
      if (transport === 'udp') t.match(kept?.binding, { address: '127.0.0.2', port });
      const left = (kept?.expiresAt ?? 0) - Date.now();
      t.ok(left > 550_000 && left <= 601_000, `${left} ms`);
      t.equal((await device.register({ Expires: '0' })).status, 200);
      t.same(await bindingsOf('alice'), []);
    }
    t.equal(await stores.redis.exists(bindingsKey(REALM, 'alice')), 0, 'nothing is left behind');
  },
);

t.test('wrong passwords, inactive users, users of other accounts and unknown realms get nowhere', async (t) => {
  const status = async (options: object, headers = {}) =>
    (await (await phone(t, 'alice', options)).register(headers)).status;
  t.equal(await status({ password: 'guess' }), 403);
  t.equal(await status({ user: 'gone' }), 403);
  t.equal(await status({ user: 'cross99' }), 403);
  t.equal(await status({ user: 'nobody' }), 403);
  t.equal(await status({ realm: 'nowhere.example.com' }), 403);
  t.equal(await status({ realm: '127.0.0.1' }), 403);
  const alice = await phone(t);
  const asBob = await alice.send('REGISTER', { to: `<sip:bob@${REALM}>`, headers: { Contact: `<${alice.contact}>` } });
  t.equal(asBob.status, 403, "nobody registers for somebody else's address");
  t.same(await bindingsOf('bob'), []);
});

t.test('an overheard REGISTER cannot be sent again, and an old nonce is asked for anew', async (t) => {
  const device = await phone(t);
  let proof: string | undefined;
  const uri = `sip:${REALM}`;
  const headers = { Contact: `<${device.contact}>` };
  const first = await device.send('REGISTER', {
    headers,
    authorization: (challenge) => {
      proof = authorize(
        challenge,
        { user: 'alice', password: 'secret', algorithm: 'MD5' },
        { method: 'REGISTER', uri },
      );
      return proof;
    },
  });
  t.equal(first.status, 200);
  const again = await device.send('REGISTER', {
    headers: { ...headers, Authorization: proof ?? '' },
    authorization: () => undefined,
  });
  t.equal(again.status, 401);
  t.match(again.get('WWW-Authenticate'), /stale=true/);
});

t.test('several devices of a user; each keeps its own, and * removes all', async (t) => {
  const one = await phone(t);
  const two = await phone(t, 'alice', { transport: 'tcp' });
  await one.register();
  const both = await two.register({ Expires: '1200' });
  t.equal(contactsOf(both).length, 2);
  t.match(contactsOf(both).join(), new RegExp(`<${two.contact}>;expires=600`), 'a connection is kept open');
  const none = await one.send('REGISTER');
  t.same([none.status, contactsOf(none).length], [200, 2], 'without Contact: what is there');
  t.equal((await two.register({ Expires: '0' })).status, 200);
  t.match(await bindingsOf('alice'), [{ binding: { contact: one.contact } }]);
  t.equal((await two.send('REGISTER', { headers: { Contact: '*' } })).status, 400, '* needs Expires: 0');
  const all = await two.send('REGISTER', { headers: { Contact: '*', Expires: '0' } });
  t.same([all.status, contactsOf(all)], [200, []]);
  t.same(await bindingsOf('alice'), []);
});

t.test('a device that says who it is keeps one binding when its address changes', async (t) => {
  const before = await phone(t);
  const after = await phone(t);
  const instance = ';+sip.instance="<urn:uuid:1>";reg-id=1';
  const told = await before.register({ Contact: `<${before.contact}>${instance}` });
  t.same(contactsOf(told), [`<${before.contact}>${instance};expires=3600`], 'it recognises itself');
  await after.register({ Contact: `<${after.contact}>${instance}` });
  t.match(await bindingsOf('alice'), [{ binding: { contact: after.contact } }]);
  t.equal((await bindingsOf('alice')).length, 1);
});

const noFlows = withoutDrachtio('tells nobody of connections that end');
t.test('a connection that ends takes what was registered over it along, and nothing else', noFlows, async (t) => {
  const { agent, ...before } = await phone(t, 'alice', { transport: 'tcp' });
  const after = await phone(t, 'alice', { transport: 'tcp' });
  const byUdp = await phone(t);
  const outbound = { Supported: 'path, outbound' };
  const instance = ';+sip.instance="<urn:uuid:1>";reg-id=1';
  const told = await before.register({ Contact: `<${before.contact}>${instance}`, ...outbound });
  t.same([told.get('Require'), told.get('Flow-Timer')], ['outbound', '120']);
  await before.register({ Contact: '<sip:another-line@127.0.0.2:4000>' });
  await before.register({ Contact: '<sip:by-proxy@192.168.1.9>', Path: '<sip:127.0.0.1:5099;lr>' });
  t.notOk((await byUdp.register(outbound)).has('Require'), 'it does not say who it is');
  await after.register({ Contact: `<${after.contact}>${instance}`, ...outbound });
  await agent.stop();
  await until('the binding is gone', async () => (await bindingsOf('alice')).length === 3);
  t.same((await bindingsOf('alice')).map(({ binding }) => binding.contact).sort(), [
    ...[byUdp.contact, after.contact].sort(),
    'sip:by-proxy@192.168.1.9',
  ]);
  await after.agent.stop();
  await until('nothing is left of it', async () => (await bindingsOf('alice')).length === 2);
});

t.test('nobody can say that a connection of others has ended', async (t) => {
  const device = await phone(t, 'alice', { transport: 'tcp' });
  await device.register();
  const notice = { Event: 'x-ringwire-flow', 'Subscription-State': 'terminated' };
  t.equal((await device.send('NOTIFY', { headers: notice })).status, 481);
  t.equal((await bindingsOf('alice')).length, 1);
});

t.test('the most devices of a user are ten: the one that ends first is forgotten', async (t) => {
  const device = await phone(t);
  for (let i = 1; i <= 11; i++) {
    t.equal((await device.register({ Contact: `<sip:line${i}@127.0.0.2:4000>`, Expires: `${i * 100}` })).status, 200);
  }
  const kept = (await bindingsOf('alice')).map(({ binding }) => binding.contact);
  t.equal(kept.length, 10);
  t.notOk(kept.includes('sip:line1@127.0.0.2:4000'));
});

t.test('a REGISTER that was overtaken changes nothing (RFC 3261 §10.3)', async (t) => {
  const device = await phone(t);
  t.equal((await device.register({ Expires: '500' })).status, 200);
  const proof = (challenge: SipMessage) =>
    authorize(
      challenge,
      { user: 'alice', password: 'secret', algorithm: 'MD5' },
      { method: 'REGISTER', uri: `sip:${REALM}` },
    );
  const late = { CSeq: '1 REGISTER', Contact: `<${device.contact}>`, Expires: '0' };
  t.equal((await device.send('REGISTER', { headers: late, authorization: proof })).status, 500);
  t.equal((await bindingsOf('alice')).length, 1);
  t.equal((await device.register({ Expires: '0' })).status, 200);
  t.equal((await bindingsOf('alice')).length, 0);
});

t.test('too short is 423 with Min-Expires, too long is cut, nonsense is an hour', async (t) => {
  const device = await phone(t);
  const short = await device.register({ Expires: '1' });
  t.same([short.status, short.get('Min-Expires')], [423, '2']);
  t.match(contactsOf(await device.register({ Expires: '99999' })).join(), /;expires=3600$/);
  // drachtio-server answers what it cannot read itself.
  if (!DRACHTIO) t.match(contactsOf(await device.register({ Expires: 'soon' })).join(), /;expires=3600$/);
  t.match(
    contactsOf(await device.register({ Contact: `<${device.contact}>;expires=77`, Expires: '5000' })).join(),
    /;expires=77$/,
  );
});

t.test('a registration ends by itself', async (t) => {
  const device = await phone(t);
  t.equal((await device.register({ Expires: '2' })).status, 200);
  await until('it is over', async () => (await bindingsOf('alice')).length === 0);
  t.same(await registrations(stores.redis).usersOf(REALM), []);
});

t.test('behind NAT over UDP the device is told to come back soon, and lives twice as long', async (t) => {
  const device = await phone(t);
  const response = await device.register({ Contact: '<sip:alice@192.168.1.20:5060>', Expires: '3600' });
  t.same(contactsOf(response), ['<sip:alice@192.168.1.20:5060>;expires=30']);
  const [kept] = await bindingsOf('alice');
  t.equal(kept?.binding.address, '127.0.0.2');
  const left = (kept?.expiresAt ?? 0) - Date.now();
  t.ok(left > 40_000 && left <= 61_000, `${left} ms`);
});

const onePath = withoutDrachtio('sends the first of several Path headers only');
t.test('Path is kept and sent back, where it names the proxy that the request came from', onePath, async (t) => {
  const device = await phone(t);
  const path = '<sip:127.0.0.2:5099;lr;ob>';
  const response = await device.register({ Path: `${path}, <sip:p2.example.com;lr>`, Supported: 'path' });
  t.same([response.status, response.get('Path')], [200, `${path}, <sip:p2.example.com;lr>`]);
  t.same((await bindingsOf('alice'))[0]?.binding.path, [path, '<sip:p2.example.com;lr>']);
  t.equal((await device.register({ Path: '<sip:127.0.0.1:9022;lr>', Supported: 'path' })).status, 403);
  t.equal((await device.register({ Path: 'nonsense', Supported: 'path' })).status, 400);
});

t.test('who registers again and again is told to wait, and keeps nobody else out', async (t) => {
  const device = await phone(t, 'eager123');
  let response = await device.register();
  for (let n = 0; n < 150 && response.status === 200; n++) response = await device.register();
  t.same([response.status, response.get('Retry-After')], [503, '30']);
  t.equal((await (await phone(t, 'bob')).register()).status, 200);
  t.equal((await bindingsOf('eager123')).length, 1);
});

t.test('who writes another’s address keeps him from nothing: such REGISTERs are not counted as his', async (t) => {
  const [target, forger] = [await phone(t, 'target78'), await phone(t, 'target78')];
  const made = `Digest username="target78", realm="${REALM}", nonce="made-up", uri="sip:${REALM}", response="0"`;
  for (let n = 0; n < 70; n++) await forger.send('REGISTER', { authorization: () => made });
  t.equal((await target.register()).status, 200);
  let overheard: SipMessage | undefined;
  const elsewhere = await phone(t, 'target78', { host: '127.0.0.3' });
  await elsewhere.send('REGISTER', {
    authorization: (challenge) => {
      overheard = challenge;
      return undefined;
    },
  });
  const who = { user: 'target78', password: 'secret', algorithm: 'SHA-256' } as const;
  let status = 200;
  for (let n = 1; n < 150 && status === 200; n++) {
    const nc = n.toString(16).padStart(8, '0');
    const authorization = () => authorize(overheard!, who, { method: 'REGISTER', uri: `sip:${REALM}` }, nc);
    ({ status } = await forger.send('REGISTER', { authorization }));
  }
  t.equal(status, 503, 'by itself it is counted');
  t.equal((await target.register()).status, 200);
});

t.test(
  'of a binding that is put back the one that was registered last counts, not the one that ends last',
  async (t) => {
    const device = await phone(t);
    await device.register();
    const aor = { user: 'alice', realm: REALM };
    const [before] = await bindingsOf('alice');
    let kept: Parameters<OnKept>[1] = [];
    const store = registrations(stores.redis, {
      onKept: (_aor, bindings) => {
        kept = bindings;
      },
    });
    const register = (cseq: number, lifeMs: number, registeredAt: number) =>
      store.register({
        ...{ aor, callId: 'restored', cseq, maxUsers: null },
        changes: [
          { id: 'x', lifeMs, binding: { ...before!.binding, userAgent: '"registeredAt":9999999999999', registeredAt } },
        ],
      });
    await register(1, 600_000, 1_000);
    const old = kept;
    await register(2, 60_000, 2_000);
    const fresh = kept;
    const registeredAt = async () => (await bindingsOf('alice')).find(({ id }) => id === 'x')?.binding.registeredAt;
    await store.restore(aor, old);
    t.equal(await registeredAt(), 2_000);
    await register(3, 600_000, 1_000);
    await store.restore(aor, fresh);
    t.equal(await registeredAt(), 2_000);
  },
);

t.test('malformed REGISTERs get a clear answer', async (t) => {
  const device = await phone(t);
  for (const request of [
    { headers: { Contact: '<tel:+1555>' } },
    { headers: { Contact: `<sip:${'x'.repeat(600)}@127.0.0.2>` } },
    { to: '<sip:127.0.0.1>' },
    { to: '<sip:alice@two.example.com>' },
  ]) {
    t.equal((await device.send('REGISTER', request)).status, 400, JSON.stringify(request).slice(0, 60));
  }
});

t.test('an account registers no more users than its limits allow, and hears of it', async (t) => {
  const db = openSeededDatabase(stores.env);
  t.teardown(async () => {
    await db.execute('DELETE FROM account_limits', []);
    await db.close();
    await sbc.edge.provisioning.reload();
  });
  await db.execute(
    "INSERT INTO account_limits (account_limits_sid, account_sid, category, quantity) VALUES ('l1', ?, 'device', 2)",
    [SEED.accountSid],
  );
  await sbc.edge.provisioning.reload();
  const [alice, bob, carol] = [await phone(t), await phone(t, 'bob'), await phone(t, 'carol12')];
  t.equal((await alice.register()).status, 200);
  t.equal((await bob.register()).status, 200);
  const refused = await carol.register();
  t.same([refused.status, refused.reason], [503, 'Max Devices Registered']);
  t.equal((await alice.register()).status, 200, 'who is registered stays');
  await until('the alert', async () =>
    (await stores.events()).some(({ type, data }) => type === 'alert' && data.alertType === 'account-device-limit'),
  );
  await bob.register({ Expires: '0' });
  t.equal((await carol.register()).status, 200, 'a place is free again');
});

t.test(
  'while Redis is away the answer is 503 with Retry-After; when it comes back empty the registrations are put back',
  async (t) => {
    const device = await phone(t);
    t.equal((await device.register({ Expires: '600' })).status, 200);
    const [before] = await bindingsOf('alice');
    await until('the mark', async () => (await stores.redis.keys('ringwire:registrar:*')).length === 1);
    await stores.redisServer.kill();
    await until('the loss is noticed', () => sbc.edge.redis.status !== 'ready');
    const away = await device.register();
    t.same([away.status, away.get('Retry-After')], [503, '5']);
    await stores.redisServer.restart();
    await until('redis is back', () => stores.redis.status === 'ready');
    t.same(await until('the binding is back', async () => (await bindingsOf('alice'))[0]), before);
    const after = await device.register({ Expires: '0' });
    t.same([after.status, after.get('X-Reason')], [200, undefined]);
  },
);
