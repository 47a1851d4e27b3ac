import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { OutgoingCall } from '@ringwire/sip';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { refusal } from './testing/caller.js';
import { addClients, REALM, startDevice } from './testing/device.js';
import { openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';

t.setTimeout(180_000);

let stores: Stores;
let server: ServerProcess;
let fs: TestFeatureServer;
let sbc: SbcInbound;
let db: ReturnType<typeof openSeededDatabase>;

t.before(async () => {
  stores = await startStores(t);
  db = openSeededDatabase(stores.env);
  t.teardown(() => db.close());
  await addClients(db, [
    { username: 'alice' },
    { username: 'bob' },
    { username: 'inside', allow_direct_app_calling: 0, allow_direct_user_calling: 0 },
    { username: 'limited', call_limit: 1 },
  ]);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcInbound, {
    name: 'sbc-inbound',
    stores,
    controlPort: server.controlPort,
    env: { HOOK_ALLOW_PRIVATE: 'loopback' },
  });
  await sbc.edge.featureServers.refresh();
});

const phone = (t: { teardown(fn: () => unknown): void }, user = 'alice', more = {}) =>
  startDevice(t, { user, sipPort: server.sipPort, ...more });

async function setAccount(columns: Record<string, string | null>): Promise<void> {
  for (const [column, value] of Object.entries(columns)) {
    await db.execute(`UPDATE accounts SET ${column} = ? WHERE account_sid = ?`, [value, SEED.accountSid]);
  }
  await sbc.edge.provisioning.reload();
}

/** What the feature server got of a call that was answered, and hung up. */
async function accepted(call: OutgoingCall) {
  const dialog = await call.answered;
  await dialog.bye();
  return fs.invites.at(-1)!;
}

t.test(
  'a user calls another directly: the feature server hears whom, and who calls, whatever the device says',
  async (t) => {
    const alice = await phone(t);
    const call = await alice.call('bob', {
      From: `"Boss" <sip:boss@${REALM}>;tag=x1`,
      'P-Asserted-Identity': '<sip:+15550009999@bank.example>',
      'Remote-Party-ID': '<sip:+15550009999@bank.example>;party=calling',
      Diversion: '<sip:+15550009999@bank.example>',
      'X-Authenticated-User': 'boss@one.example.com',
      'X-Jambonz-Direct-User': 'boss@one.example.com',
      'X-Custom': 'kept',
    });
    const invite = await accepted(call);
    t.equal(invite.get('X-Jambonz-Direct-User'), `bob@${REALM}`);
    t.equal(invite.get('X-Authenticated-User'), `alice@${REALM}`);
    t.equal(invite.get('X-Account-Sid'), SEED.accountSid);
    t.equal(invite.get('X-Custom'), 'kept');
    t.match(invite.get('From'), /^"Boss" <sip:alice@/);
    for (const name of ['P-Asserted-Identity', 'Remote-Party-ID', 'Diversion', 'X-Application-Sid', 'Authorization']) {
      t.notOk(invite.has(name), name);
    }
    const record = (await stores.event('call.ended', call.callId)).data;
    t.match(record, { trunk: 'user', voipCarrierSid: null, applicationSid: null, accountSid: SEED.accountSid });
  },
);

t.test('what is no user goes to the device calling application; without one it is 404', async (t) => {
  const alice = await phone(t);
  t.equal((await refusal(await alice.call('15557654321'))).status, 404);
  await setAccount({ device_calling_application_sid: SEED.applicationSid });
  const invite = await accepted(await alice.call('15557654321'));
  t.equal(invite.get('X-Application-Sid'), SEED.applicationSid);
  t.equal(invite.get('X-Authenticated-User'), `alice@${REALM}`);
  t.notOk(invite.has('X-Jambonz-Direct-User'));
  const inside = await phone(t, 'inside');
  const toUser = await accepted(await inside.call('bob'));
  t.equal(toUser.get('X-Application-Sid'), SEED.applicationSid, 'who may not call users directly');
  await setAccount({ device_calling_application_sid: null });
});

t.test('an application is called directly by those who may', async (t) => {
  const alice = await phone(t);
  const invite = await accepted(await alice.call(`app-${SEED.applicationSid}`));
  t.equal(invite.get('X-Application-Sid'), SEED.applicationSid);
  t.equal((await refusal(await alice.call(`app-${randomUUID()}`))).status, 404);
  const inside = await phone(t, 'inside');
  t.equal((await refusal(await inside.call(`app-${SEED.applicationSid}`))).status, 404);
});

t.test('a queue and a conference are called directly by those who may', async (t) => {
  const alice = await phone(t);
  for (const room of ['queue-sales', 'conference-daily']) {
    const invite = await accepted(await alice.call(room));
    t.equal(invite.get('X-Jambonz-Direct-User'), room);
    t.notOk(invite.has('X-Application-Sid'));
  }
  const inside = await phone(t, 'inside');
  t.equal((await refusal(await inside.call('conference-daily'))).status, 404);
});

t.test('nobody calls with a wrong password, or under the name of an account that has no users', async (t) => {
  const count = fs.invites.length;
  const guess = await phone(t, 'alice', { password: 'guess' });
  t.equal((await refusal(await guess.call('bob'))).status, 403);
  t.equal((await refusal(await (await phone(t)).call('sip:bob@two.example.com'))).status, 403);
  t.equal(fs.invites.length, count);
});

t.test('a user has no more calls at the same time than his limit', async (t) => {
  const limited = await phone(t, 'limited');
  const first = await (await limited.call('bob')).answered;
  const refused = await refusal(await limited.call('bob'));
  t.same([refused.status, refused.get('X-Reason')], [503, 'Max User Calls In Progress']);
  await first.bye();
  await until('the place is given back', () => sbc.edge.limits.size === 0);
  await accepted(await limited.call('bob'));
});

/** A customer's server that says who is a user. */
async function startHook(t: { teardown(fn: () => unknown): void }) {
  const asked: { body: Record<string, unknown>; signature: string }[] = [];
  const hook = { asked, status: 200, answer: { status: 'ok' } as unknown };
  const listener = createServer((request: IncomingMessage, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      asked.push({ body: JSON.parse(text), signature: String(request.headers['jambonz-signature']) });
      response.writeHead(hook.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(hook.answer));
    });
  });
  await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise<void>((resolve) => void listener.close(() => resolve()));
  t.teardown(close);
  return { hook, close, url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/auth` };
}

t.test(
  "an account's registration hook says who is a user, how long, and which application takes the calls",
  async (t) => {
    const { hook, url, close } = await startHook(t);
    const webhookSid = randomUUID();
    await db.execute('INSERT INTO webhooks (webhook_sid, url) VALUES (?)', [[webhookSid, url]]);
    await setAccount({ registration_hook_sid: webhookSid });
    t.teardown(() => setAccount({ registration_hook_sid: null }));
    const dana = await phone(t, 'dana', { algorithm: 'MD5', password: 'known to the customer' });
    hook.answer = { status: 'ok', expires: 120, application_sid: SEED.applicationSid };
    const registered = await dana.register({ Expires: '900' });
    t.equal(registered.status, 200);
    t.match(registered.get('Contact'), /;expires=120$/);
    t.match(hook.asked[0]?.signature, /^t=\d+,v1=[0-9a-f]{64}$/);
    t.match(hook.asked[0]?.body, {
      ...{
        method: 'REGISTER',
        source_address: '127.0.0.2',
        expires: 900,
        scheme: 'digest',
        username: 'dana',
        realm: REALM,
      },
      ...{ algorithm: 'MD5', qop: 'auth', nc: '00000001', uri: `sip:${REALM}`, response: /^[0-9a-f]{32}$/ },
    });
    t.notOk(JSON.stringify(hook.asked[0]?.body.headers).includes('Digest'));
    t.equal((await accepted(await dana.call('15557654321'))).get('X-Application-Sid'), SEED.applicationSid);
    const erin = await phone(t, 'erin', { algorithm: 'MD5' });
    const direct = await accepted(await erin.call('dana'));
    t.equal(direct.get('X-Jambonz-Direct-User'), `dana@${REALM}`, 'a registered user of the hook is called directly');
    hook.answer = { status: 'ok', call_hook: 'https://one.example.com/dana', call_status_hook: 'no URL' };
    const hooked = await accepted(
      await dana.call('15557654321', { 'X-Jambonz-Call-Hook': 'https://evil.example.com/' }),
    );
    t.equal(
      hooked.get('X-Jambonz-Call-Hook'),
      'https://one.example.com/dana',
      'a hook of her own, without application',
    );
    t.notOk(hooked.has('X-Application-Sid') || hooked.has('X-Jambonz-Call-Status-Hook'));
    hook.answer = {
      status: 'ok',
      call_hook: 'https://one.example.com/r',
      call_status_hook: 'https://one.example.com/s',
    };
    t.equal((await dana.register()).status, 200);
    hook.answer = { status: 'ok', application_sid: SEED.applicationSid };
    const later = await accepted(await dana.call('15557654321'));
    t.same(
      ['X-Jambonz-Call-Hook', 'X-Jambonz-Call-Status-Hook', 'X-Application-Sid'].map((name) => later.get(name)),
      ['https://one.example.com/r', 'https://one.example.com/s', SEED.applicationSid],
      'as it was said when she registered',
    );
    t.notOk((await accepted(await dana.call('dana'))).has('X-Jambonz-Call-Hook'), 'not for direct calls');
    hook.answer = { status: 'fail', msg: 'no such user' };
    const failed = await erin.register();
    t.same([failed.status, failed.get('X-Reason')], [403, 'Invalid credentials']);
    hook.status = 402;
    t.equal((await erin.register()).status, 402, "another status is the customer's answer");
    await close();
    const away = await erin.register();
    t.same([away.status, away.get('Retry-After')], [503, '10']);
    await until('the alert', async () =>
      (await stores.events()).some(
        ({ type, data }) => type === 'alert' && data.alertType === 'webhook-connection-failure',
      ),
    );
  },
);
