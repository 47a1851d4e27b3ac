import { randomUUID } from 'node:crypto';
import { createLogger, type Database, openDatabase } from '@ringwire/common';
import { type AnswerCallsOptions, type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import { addClients, REALM, startDevice, type TestDevice } from '@ringwire/sbc-inbound/testing/device.js';
import type { Dialog } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { CallRecord, Line } from './support/test-platform.js';

t.setTimeout(240_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;

const CALLEE_HZ = 1_500;
const THIRD_HZ = 700;

async function phone(options: AnswerCallsOptions): Promise<AnsweringPhone> {
  const made = await answerCalls(options);
  t.teardown(() => made.close());
  return made;
}

const callee = await phone({ play: tone(CALLEE_HZ, 30_000) });
const third = await phone({ play: tone(THIRD_HZ, 30_000), answerAfterMs: 300 });
const busy = await phone({ reject: { status: 486 } });

const db: Database = openDatabase(instance.mysql, { logger: createLogger({ name: 'test', level: 'warn' }) });
t.teardown(() => db.close());
const { accountSid } = instance;
await db.execute('UPDATE accounts SET sip_realm = ? WHERE account_sid = ?', [REALM, accountSid]);
await addClients(db, [
  { username: 'alice', account_sid: accountSid },
  { username: 'bob', account_sid: accountSid },
]);
/** The account's only way out to numbers. */
const carrierSid = randomUUID();
await db.execute('INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid) VALUES (?)', [
  [carrierSid, 'transfers', accountSid, instance.serviceProviderSid],
]);
await db.execute(
  'INSERT INTO sip_gateways (sip_gateway_sid, voip_carrier_sid, ipv4, port, inbound, outbound) VALUES (?)',
  [[randomUUID(), carrierSid, third.host, third.port, 0, 1]],
);

/** Statuses of the NOTIFYs that tell how a transfer goes, up to the final one. */
function progressOf(dialog: Dialog): Promise<number[]> {
  const seen: number[] = [];
  return new Promise((resolve) =>
    dialog.on('request', (transaction) => {
      transaction.reply(200);
      const { request } = transaction;
      if (request.method !== 'NOTIFY') return;
      seen.push(Number(/^SIP\/2\.0 (\d+)/.exec(request.bodyText)?.[1]));
      if (/^terminated/.test(request.get('Subscription-State') ?? '')) resolve(seen);
    }),
  );
}

interface Talk {
  alice: TestDevice;
  dialog: Dialog;
  called: PhoneCall;
  line: Line;
}

/** Alice, a user of the account, talks to the callee; where the application asks for transfers they may lead anywhere. */
async function talking(t: Test, { referHook = '/refer' as string | null } = {}): Promise<Talk> {
  const alice = await startDevice(t, { user: 'alice', sipPort: instance.sip.port });
  const line = await ringwire.lineWith(({ action }) => [
    {
      verb: 'dial',
      target: [{ type: 'sip', sipUri: callee.uri }],
      answerOnBridge: true,
      actionHook: action,
      ...(referHook && { referHook }),
    },
  ]);
  const dialog = await (await alice.call(`app-${line.applicationSid}`)).answered;
  const called = await callee.nextCall();
  await called.answered();
  return { alice, dialog, called, line };
}

/** The record of the call out to a number. */
const recordTo = async (number: string): Promise<CallRecord | undefined> => {
  const found = await eventually(
    `record of the call to ${number}`,
    async () => (await ringwire.records()).filter(({ to, terminated_at }) => to === number && terminated_at),
    (records) => records.length > 0,
  );
  return found[0];
};

const ended = (dialog: Dialog): Promise<void> =>
  dialog.isEnded ? Promise.resolve() : new Promise((resolve) => dialog.once('ended', () => resolve()));

t.test(
  'a user transfers the callee to a number: the two talk, the user is released, the records are right',
  async (t) => {
    const { dialog, called, line } = await talking(t);
    const progress = progressOf(dialog);
    const over = ended(dialog);
    const answer = await dialog.request('REFER', undefined, {
      'Refer-To': `<sip:4930777@${REALM}>`,
      'Referred-By': `<sip:alice@${REALM}>`,
    });
    t.equal(answer?.status, 202);
    const other = await third.nextCall();
    const seen = await progress;
    t.equal(seen[0], 100);
    t.equal(seen.at(-1), 200);
    await over;
    await hearsTone(called, THIRD_HZ);
    await hearsTone(other, CALLEE_HZ);
    t.match((await application.request(line.action)).body, { dial_call_status: 'completed', dial_sip_status: 200 });
    t.match(await ringwire.record(dialog.callId), {
      answered: true,
      trunk: 'user',
      termination_reason: 'called party hungup',
    });
    await called.hangup();
    t.equal((await other.finished).endedBy, 'them', 'who is left is released');
    t.match(await recordTo('4930777'), { direction: 'outbound', trunk: 'transfers', answered: true });
  },
);

t.test('a user who hangs up as soon as the transfer is accepted does not end it', async (t) => {
  const { dialog, called } = await talking(t);
  t.equal((await dialog.request('REFER', undefined, { 'Refer-To': '<tel:+4930888>' }))?.status, 202);
  await dialog.bye();
  const other = await third.nextCall();
  await hearsTone(called, THIRD_HZ);
  await hearsTone(other, CALLEE_HZ);
  await other.hangup();
  t.equal((await called.finished).endedBy, 'them');
});

t.test('a transfer that fails is told to the user, who keeps the callee', async (t) => {
  const { alice, dialog, called, line } = await talking(t);
  const progress = progressOf(dialog);
  t.equal((await dialog.request('REFER', undefined, { 'Refer-To': `<${busy.uri}>` }))?.status, 202);
  t.equal((await progress).at(-1), 486);
  t.notOk(dialog.isEnded);
  const again = await dialog.request('REFER', undefined, { 'Refer-To': '<sip:bob@x?Replaces=a%3Bto-tag%3Db>' });
  t.equal(again?.status, 501, 'attended transfers are not taken here');
  await dialog.bye();
  t.equal((await called.finished).endedBy, 'them');
  t.match((await application.request(line.action)).body, { dial_call_status: 'completed', call_status: 'completed' });
  await alice.agent.stop();
});

t.test('a user transfers past an application that has not asked for it to users only', async (t) => {
  const refer = async ({ dialog }: Talk, to: string) =>
    (await dialog.request('REFER', undefined, { 'Refer-To': `<${to}>` }))?.status;
  const alice = await talking(t, { referHook: null });
  for (const to of ['tel:+4930999', 'sip:4930999@198.51.100.1', third.uri]) t.equal(await refer(alice, to), 403, to);
  const progress = progressOf(alice.dialog);
  t.equal(await refer(alice, `sip:bob@${REALM}`), 202);
  t.equal((await progress).at(-1), 480, 'bob is not registered');
  await alice.dialog.bye();
  t.equal((await alice.called.finished).endedBy, 'them');
});

t.test('a caller of a carrier may not transfer at the cost of the account', async (t) => {
  const line = await ringwire.lineWith(() => [
    { verb: 'dial', target: [{ type: 'sip', sipUri: callee.uri }], answerOnBridge: true },
  ]);
  const stranger = await startDevice(t, { user: '15550001111', sipPort: instance.sip.port, host: '127.0.0.1' });
  const { host, port } = instance.sip;
  const dialog = await (await stranger.call(`sip:${line.number}@${host}:${port}`)).answered;
  const called = await callee.nextCall();
  await called.answered();
  t.equal((await dialog.request('REFER', undefined, { 'Refer-To': '<sip:4930999@x>' }))?.status, 403);
  await dialog.bye();
  await called.finished;
});
