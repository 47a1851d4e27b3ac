import { randomUUID } from 'node:crypto';
import { createLogger, type Database, openDatabase } from '@ringwire/common';
import { type AnswerCallsOptions, type AnsweringPhone, answerCalls, type PhoneCall, placeCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import { startDevice } from '@ringwire/sbc-inbound/testing/device.js';
import type { SipMessage } from '@ringwire/sip';
import t from 'tap';
import { hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;
/** No address of a gateway: who calls from here has to say who he is. */
const HOST = '127.0.0.2';
const BOB_HZ = 1500;
const ALICE_HZ = 500;
const PASSWORD = 'a password';

const db: Database = openDatabase(instance.mysql, { logger: createLogger({ name: 'test', level: 'warn' }) });
t.teardown(() => db.close());
const realm = 'users.example.com';
await db.execute('UPDATE accounts SET sip_realm = ? WHERE account_sid = ?', [realm, instance.accountSid]);
const account = (user: string) => ({ user, password: PASSWORD, realm });
for (const username of ['alice', 'bob', 'carol', 'dana']) {
  await db.execute('INSERT INTO clients (client_sid, account_sid, username, password) VALUES (?)', [
    [randomUUID(), instance.accountSid, username, PASSWORD],
  ]);
}

/** A telephone of a user: the platform's own phone, which registers. */
async function phone(user: string, options: AnswerCallsOptions = {}): Promise<AnsweringPhone> {
  const { host, port } = instance.sip;
  const register = { ...account(user), registrar: { host, port } };
  const made = await answerCalls({ host: HOST, register, play: tone(BOB_HZ, 10_000), ...options });
  t.teardown(() => made.close());
  return made;
}

const callAs = (user: string, target: string): Promise<PhoneCall> =>
  placeCall({
    target: `sip:${target}@${realm}`,
    proxy: instance.sip,
    localHost: HOST,
    account: account(user),
    play: tone(ALICE_HZ, 10_000),
  });

// Made last, so that who knows this line knows the users too.
const line = await ringwire.line([{ verb: 'sip:decline', status: 489 }]);
const bob = await phone('bob');
const busy = await phone('carol', { reject: { status: 486 } });
t.ok(busy.port);

t.test('a user calls another: they hear each other, and the record says that both are users', async (t) => {
  const alice = await callAs('alice', 'bob');
  const called = await bob.nextCall();
  await hearsTone(called, ALICE_HZ);
  await hearsTone(alice, BOB_HZ);
  await called.hangup();
  await alice.finished;
  const record = await ringwire.record(alice.sipCallId);
  t.match(record, { direction: 'inbound', trunk: 'user', from: 'alice', to: 'bob', answered: true });
  const out = await eventually(
    'the record of the leg to the user',
    async () => (await ringwire.records()).find(({ direction, trunk }) => direction === 'outbound' && trunk === 'user'),
    (found) => found !== undefined,
  );
  t.match(out, { to: 'bob', answered: true });
});

t.test('a user who is busy, or not there: the caller gets the status of the telephone, not a decline', async (t) => {
  const toCarol = await callAs('alice', 'carol');
  t.equal((await toCarol.finished).status, 486);
  const toAlice = await callAs('bob', 'alice');
  t.equal((await toAlice.finished).status, 480);
});

t.test('dial: a user is called by the name alone, from a carrier', async (t) => {
  const { number, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: [{ type: 'user', name: 'bob' }], actionHook: action },
  ]);
  const caller = await ringwire.call(number, { play: tone(ALICE_HZ, 10_000) });
  const called = await bob.nextCall();
  await hearsTone(called, ALICE_HZ);
  await hearsTone(caller, BOB_HZ);
  await called.hangup();
  t.match((await ringwire.application.request(action)).body, { dial_call_status: 'completed', dial_sip_status: 200 });
  await caller.finished;
});

t.test('a user dials a number: the device calling application takes the call and knows who calls', async (t) => {
  await db.execute('UPDATE accounts SET device_calling_application_sid = ? WHERE account_sid = ?', [
    line.applicationSid,
    instance.accountSid,
  ]);
  await ringwire.specialLine({});
  t.equal((await (await callAs('alice', '15557654321')).finished).status, 489);
  const { body } = await ringwire.application.request(line.call);
  t.match(body, { from: 'alice', to: '15557654321', sip: { headers: { 'X-Authenticated-User': `alice@${realm}` } } });
});

t.test('a user writes to an application, and reads its answer', async (t) => {
  const dana = await startDevice(t, { user: 'dana', password: PASSWORD, realm, sipPort: instance.sip.port });
  const received = new Promise<SipMessage>((resolve) =>
    dana.agent.onRequest((transaction) => {
      transaction.reply(200);
      resolve(transaction.request);
    }),
  );
  t.equal((await dana.register()).status, 200);
  await ringwire.api('PUT', `/v1/Applications/${line.applicationSid}`, {
    messaging_hook: { url: `${application.url}/messages`, method: 'POST' },
  });
  await ringwire.specialLine({});
  const target = `sip:app-${line.applicationSid}@${realm}`;
  application.answer('/messages', { status: 200, json: { text: 'hello, Dana' } });
  const sent = await dana.send('MESSAGE', { uri: target, to: `<${target}>`, body: 'hello, application' });
  t.equal(sent.status, 202);
  t.match((await application.request('/messages')).body, { from: 'dana', text: 'hello, application' });
  const answer = await received;
  t.same([answer.bodyText, answer.get('To')], ['hello, Dana', `<sip:dana@${realm}>`]);
  t.match(answer.get('From'), new RegExp(`<${target}>`));
});
