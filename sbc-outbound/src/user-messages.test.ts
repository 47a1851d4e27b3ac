import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { outboundQueue, submitMessage } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { REALM } from '@ringwire/sbc-inbound/testing/device.js';
import t from 'tap';
import { inbox, sendText, startTwoEdges } from './testing/two-edges.js';

t.setTimeout(180_000);

const { stores, east, west, phone, addBinding } = await startTwoEdges(t);

t.test('a message of a user goes to all devices of another, at every edge, in the name that was proven', async (t) => {
  const alice = await phone(t, 'alice');
  const devices = [await phone(t, 'bob'), await phone(t, 'bob', west, { transport: 'tcp' })];
  t.equal((await sendText(alice, 'bob')).status, 480, 'nobody is there');
  for (const device of devices) await device.register();
  const boxes = [inbox(devices[0]!), inbox(devices[1]!)];
  const sent = await sendText(alice, 'bob', {
    From: `"Boss" <sip:boss@${REALM}>;tag=m1`,
    'P-Asserted-Identity': '<sip:boss@bank.example>',
    'X-Custom': 'kept',
  });
  t.equal(sent.status, 200);
  // One that took it is enough for 200.
  await until('all devices have it', () => boxes.every((box) => box.length > 0));
  for (const [got] of boxes) {
    t.equal(got?.bodyText, 'hello, Bob');
    t.match(got?.get('From'), new RegExp(`^"Boss" <sip:alice@${REALM}>`));
    t.same([got?.get('Content-Type'), got?.get('X-Custom')], ['text/plain', 'kept']);
    for (const name of ['P-Asserted-Identity', 'Authorization']) t.notOk(got?.has(name), name);
  }
  inbox(devices[0]!, 488);
  inbox(devices[1]!, 488);
  t.equal((await sendText(alice, 'bob')).status, 488, 'nobody took it');
  t.equal((await sendText(alice, 'nobody')).status, 404);
  for (const device of devices) await device.register({ Contact: '*', Expires: '0' });
});

t.test(
  'a message is taken as soon as one device takes it, and goes to no edge that is dead',
  { timeout: 10_000 },
  async (t) => {
    const alice = await phone(t, 'alice');
    const [silent, quick] = [await phone(t, 'bob'), await phone(t, 'bob', west)];
    for (const device of [silent, quick]) await device.register();
    const dead = createSocket('udp4').bind(0, '127.0.0.1');
    t.teardown(() => dead.close());
    await once(dead, 'listening');
    let lost = 0;
    dead.on('message', () => lost++);
    await addBinding('bob', { edge: `127.0.0.1:${dead.address().port}` });
    silent.agent.onRequest(() => {});
    inbox(quick);
    t.equal((await sendText(alice, 'bob')).status, 200);
    t.equal(lost, 0);
    await quick.register({ Contact: '*', Expires: '0' });
  },
);

t.test('what is between a device and us is no answer to the sender of a message', async (t) => {
  const alice = await phone(t, 'alice');
  const bob = await phone(t, 'bob');
  await bob.register();
  for (const status of [302, 407]) {
    inbox(bob, status);
    t.equal((await sendText(alice, 'bob')).status, 480, `${status}`);
  }
  await bob.register({ Contact: '*', Expires: '0' });
});

t.test('a user who writes to names that nobody has is no guesser', async (t) => {
  const alice = await phone(t, 'alice', east, { host: '127.0.0.81', transport: 'tcp' });
  for (let i = 0; i < 20; i++) t.equal((await sendText(alice, `nobody${i}`)).status, 404);
});

t.test('a message to an application waits for a feature server; strangers send none', async (t) => {
  const alice = await phone(t, 'alice');
  const sent = await sendText(alice, `app-${SEED.applicationSid}`);
  t.equal(sent.status, 202);
  const [notice] = await stores.redis.hvals(
    (await stores.redis.keys('*messages-in*items*'))[0] ?? 'no queue of messages',
  );
  t.match(notice, `"accountSid":"${SEED.accountSid}"`);
  t.match(notice, '"text":"hello, Bob"');
  const html = await sendText(alice, `app-${SEED.applicationSid}`, { 'Content-Type': 'text/html' });
  t.equal(html.status, 415);
  const mallory = await phone(t, 'mallory');
  t.equal((await sendText(mallory, 'bob')).status, 403);
});

t.test('a message of an application reaches the devices of a user, also of one who registers later', async (t) => {
  const queue = outboundQueue(stores.redis);
  const { sink } = east.outbound.edge;
  const send = async (to: string, messageSid: string): Promise<void> => {
    const facts = { accountSid: SEED.accountSid, serviceProviderSid: null, applicationSid: SEED.applicationSid };
    const rest = { text: 'hello, Bob', media: [], carrier: null, statusHook: null, createdAt: Date.now() };
    await submitMessage({ queue, sink }, { ...facts, ...rest, messageSid, from: `app-${SEED.applicationSid}`, to });
  };
  const final = (messageSid: string) =>
    until(`${messageSid} is over`, async () =>
      (await stores.events()).find(
        ({ type, data }) => type === 'message.changed' && data.messageSid === messageSid && data.finishedAt !== null,
      ),
    );
  const bob = await phone(t, 'bob', west, { transport: 'tcp' });
  const got = inbox(bob);
  await send(`bob@${REALM}`, 'to-bob');
  await until(
    'nobody is there',
    async () => Number(await stores.redis.zcard('ringwire:{queue:messages-out}:due')) === 1,
  );
  await bob.register();
  t.match((await final('to-bob')).data, { status: 'delivered', to: `bob@${REALM}` });
  t.match(got[0]?.get('From'), new RegExp(`<sip:app-${SEED.applicationSid}@${REALM}>`));
  t.same([got.length, got[0]?.bodyText, got[0]?.get('Content-Type')], [1, 'hello, Bob', 'text/plain']);
  inbox(bob, 488);
  await send(`bob@${REALM}`, 'unwanted');
  t.match((await final('unwanted')).data, { status: 'failed', reason: 'rejected', detail: /488/ });
  await send('bob@two.example.com', 'of-others');
  t.match((await final('of-others')).data, { status: 'failed', reason: 'rejected', detail: /has no user/ });
  await bob.register({ Contact: '*', Expires: '0' });
});

t.test('the messages of one account that wait fill no more than their share of the queue', async (t) => {
  const alice = await phone(t, 'alice');
  const owners = 'ringwire:{queue:messages-in}:owners';
  const users = `users/${SEED.accountSid}`;
  t.ok(await stores.redis.hexists(owners, users));
  await stores.redis.hset(owners, users, 500);
  t.equal((await sendText(alice, `app-${SEED.applicationSid}`)).status, 503);
  await stores.redis.hset(owners, users, 499);
  t.equal((await sendText(alice, `app-${SEED.applicationSid}`)).status, 202);
});
