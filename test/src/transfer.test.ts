import { randomUUID } from 'node:crypto';
import { createLogger, type Database, openDatabase } from '@ringwire/common';
import { type AnswerCallsOptions, type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import { addClients, REALM, startDevice, type TestDevice } from '@ringwire/sbc-inbound/testing/device.js';
import { startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import type { Dialog } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { startAnother } from './support/another-process.js';
import { hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { CallRecord, Line } from './support/test-platform.js';

t.setTimeout(240_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;

const CALLEE_HZ = 1_500;
const THIRD_HZ = 700;
const CUSTOMER_HZ = 2_200;

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

/** A REFER that the application is asked about, which leaves it to the rules: how these refuse it. */
async function refusedAfterAsking(dialog: Dialog, to: string): Promise<number | undefined> {
  const progress = progressOf(dialog);
  t.equal((await refer(dialog, to))?.status, 202);
  return (await progress).at(-1);
}

interface Talk {
  alice: TestDevice;
  dialog: Dialog;
  called: PhoneCall;
  line: Line;
}

const telephone = (t: Test, user = 'alice'): Promise<TestDevice> =>
  startDevice(t, { user, sipPort: instance.sip.port });

/** Alice, a user of the account, talks to the callee; where the application asks for transfers they may lead anywhere. */
async function talking(
  t: Test,
  {
    by,
    to = callee,
    referHook = '/refer' as string | null,
  }: { by?: TestDevice; to?: AnsweringPhone; referHook?: string | null } = {},
): Promise<Talk> {
  const alice = by ?? (await telephone(t));
  const line = await ringwire.lineWith(({ action }) => [
    {
      verb: 'dial',
      target: [{ type: 'sip', sipUri: to.uri }],
      answerOnBridge: true,
      actionHook: action,
      ...(referHook && { referHook }),
    },
  ]);
  const dialog = await (await alice.call(`app-${line.applicationSid}`)).answered;
  const called = await to.nextCall();
  await called.answered();
  return { alice, dialog, called, line };
}

/** A customer who called a number that rings at a user's telephone; `dialog` is the telephone's. */
interface Answered {
  customer: PhoneCall;
  dialog: Dialog;
  line: Line;
}

/** A customer calls, and the user answers at a telephone that is registered. */
async function answered(
  alice: TestDevice,
  { referHook = '/refer' as string | null, hz = CUSTOMER_HZ }: { referHook?: string | null; hz?: number } = {},
): Promise<Answered> {
  const line = await ringwire.lineWith(({ action }) => [
    {
      verb: 'dial',
      target: [{ type: 'user', name: 'alice' }],
      answerOnBridge: true,
      actionHook: action,
      ...(referHook && { referHook }),
    },
    { verb: 'hangup' },
  ]);
  const answer = alice.answerNext();
  const customer = await ringwire.call(line.number, { play: tone(hz, 30_000) });
  const { dialog } = await answer;
  await customer.answered();
  return { customer, dialog, line };
}

async function registered(t: Test): Promise<TestDevice> {
  const alice = await telephone(t);
  t.equal((await alice.register()).status, 200);
  return alice;
}

/** Refer-To of an attended transfer, as a telephone with two calls writes it. */
const intoCall = (callId: string, { remoteTag, localTag }: Pick<Dialog['state'], 'remoteTag' | 'localTag'>): string =>
  `<sip:third@${REALM}?Replaces=${encodeURIComponent(`${callId};to-tag=${remoteTag};from-tag=${localTag}`)}>`;

const refer = (dialog: Dialog, to: string) => dialog.request('REFER', undefined, { 'Refer-To': to });

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
    const { body } = await application.request(line.action);
    t.match(body, { dial_call_status: 'completed', dial_sip_status: 200, dial_call_sid: String });
    t.match(await ringwire.record(dialog.callId), {
      answered: true,
      trunk: 'user',
      termination_reason: 'called party hungup',
    });
    // The call that has placed the leg is over: it takes commands all the same.
    const leg = `/v1/Accounts/${instance.accountSid}/Calls/${body.dial_call_sid}`;
    await ringwire.api('PUT', leg, { call_status: 'completed' });
    t.equal((await called.finished).endedBy, 'them');
    t.equal((await other.finished).endedBy, 'them', 'who is left is released');
    t.match(await recordTo('4930777'), { direction: 'outbound', trunk: 'transfers', answered: true });
  },
);

t.test(
  'a user who hangs up as soon as the transfer is accepted does not end it, also where one has failed',
  async (t) => {
    const { dialog, called } = await talking(t);
    const progress = progressOf(dialog);
    t.equal((await dialog.request('REFER', undefined, { 'Refer-To': `<${busy.uri}>` }))?.status, 202);
    t.equal((await progress).at(-1), 486);
    t.equal((await dialog.request('REFER', undefined, { 'Refer-To': '<tel:+4930888>' }))?.status, 202);
    await dialog.bye();
    const other = await third.nextCall();
    await hearsTone(called, THIRD_HZ);
    await hearsTone(other, CALLEE_HZ);
    await other.hangup();
    t.equal((await called.finished).endedBy, 'them');
  },
);

t.test('a transfer that fails is told to the user, who keeps the callee', async (t) => {
  const { alice, dialog, called, line } = await talking(t);
  const progress = progressOf(dialog);
  t.equal((await dialog.request('REFER', undefined, { 'Refer-To': `<${busy.uri}>` }))?.status, 202);
  t.equal((await progress).at(-1), 486);
  t.notOk(dialog.isEnded);
  const unreadable = await dialog.request('REFER', undefined, { 'Refer-To': '<sip:bob@x?Replaces=a%3Bto-tag%3Db>' });
  t.equal(unreadable?.status, 400, 'Replaces without a tag');
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

t.test('a user with two calls joins those with whom he talks, and is released from both', async (t) => {
  const first = await talking(t, { referHook: null });
  const second = await talking(t, { by: first.alice, to: third, referHook: null });
  const progress = progressOf(first.dialog);
  const over = Promise.all([ended(first.dialog), ended(second.dialog)]);
  t.equal((await refer(first.dialog, intoCall(second.dialog.callId, second.dialog.state)))?.status, 202);
  t.same(await progress, [100, 200]);
  await over;
  await hearsTone(first.called, THIRD_HZ);
  await hearsTone(second.called, CALLEE_HZ);
  for (const { line, dialog } of [first, second]) {
    t.match((await application.request(line.action)).body, { dial_call_status: 'completed', dial_sip_status: 200 });
    t.match(await ringwire.record(dialog.callId), { answered: true, termination_reason: 'called party hungup' });
  }
  await first.called.hangup();
  t.equal((await second.called.finished).endedBy, 'them', 'who is left is released');
});

t.test('a user who hangs up both calls as soon as his attended transfer is accepted does not end it', async (t) => {
  const first = await talking(t);
  const second = await talking(t, { by: first.alice, to: third });
  t.equal((await refer(first.dialog, intoCall(second.dialog.callId, second.dialog.state)))?.status, 202);
  await Promise.all([first.dialog.bye(), second.dialog.bye()]);
  await hearsTone(first.called, THIRD_HZ);
  await hearsTone(second.called, CALLEE_HZ);
  await second.called.hangup();
  t.equal((await first.called.finished).endedBy, 'them');
});

t.test("a user may not join with another user's call, one that is over, or one whose tags are others", async (t) => {
  const own = await talking(t);
  const second = await talking(t, { by: own.alice, to: third });
  const others = await talking(t, { by: await telephone(t, 'bob'), to: third });
  const { remoteTag, localTag } = second.dialog.state;
  const swapped = { ...second.dialog.state, remoteTag: localTag, localTag: remoteTag };
  const wrong = [
    [others.dialog.callId, others.dialog.state],
    ['gone@nowhere', second.dialog.state],
    [second.dialog.callId, swapped],
  ] as const;
  for (const [callId, state] of wrong) {
    const progress = progressOf(own.dialog);
    t.equal((await refer(own.dialog, intoCall(callId, state)))?.status, 202);
    t.equal((await progress).at(-1), 481);
    own.dialog.removeAllListeners('request');
  }
  for (const { dialog } of [own, second, others]) t.notOk(dialog.isEnded);
  await Promise.all([own.dialog.bye(), second.dialog.bye(), others.dialog.bye()]);
  await Promise.all([own.called.finished, second.called.finished, others.called.finished]);
});

t.test('a user who was called transfers the caller to a number: the two talk, and he is released', async (t) => {
  const alice = await registered(t);
  const { customer, dialog, line } = await answered(alice);
  const progress = progressOf(dialog);
  const over = ended(dialog);
  t.equal((await refer(dialog, '<tel:+4930555>'))?.status, 202);
  const other = await third.nextCall();
  const seen = await progress;
  t.equal(seen[0], 100);
  t.equal(seen.at(-1), 200);
  await over;
  await hearsTone(customer, THIRD_HZ);
  await hearsTone(other, CUSTOMER_HZ);
  await other.hangup();
  t.match((await application.request(line.action)).body, { dial_call_status: 'completed', call_status: 'in-progress' });
  t.equal((await customer.finished).endedBy, 'them', 'the application goes on: it hangs up');
  t.match(await ringwire.record(customer.sipCallId), { answered: true, termination_reason: 'called party hungup' });
  t.match(await recordTo('+4930555'), { direction: 'outbound', trunk: 'transfers', answered: true });
  t.match(await recordTo('alice'), { trunk: 'user', answered: true, termination_reason: 'caller hungup' });
});

t.test(
  'a user who was called hangs up as soon as his transfer is accepted: the caller waits for the other',
  async (t) => {
    const alice = await registered(t);
    const { customer, dialog } = await answered(alice);
    t.equal((await refer(dialog, '<tel:+4930666>'))?.status, 202);
    await dialog.bye();
    const other = await third.nextCall();
    await hearsTone(customer, THIRD_HZ);
    await hearsTone(other, CUSTOMER_HZ);
    await customer.hangup();
    t.equal((await other.finished).endedBy, 'them');
  },
);

t.test(
  'a transfer by a user who was called fails: he keeps the caller, or the call goes on without both',
  async (t) => {
    const alice = await registered(t);
    const { customer, dialog, line } = await answered(alice);
    const progress = progressOf(dialog);
    t.equal((await refer(dialog, `<${busy.uri}>`))?.status, 202);
    t.equal((await progress).at(-1), 486);
    t.notOk(dialog.isEnded);
    t.equal((await refer(dialog, `<${busy.uri}>`))?.status, 202);
    await dialog.bye();
    t.match((await application.request(line.action)).body, {
      dial_call_status: 'completed',
      call_status: 'in-progress',
    });
    t.equal((await customer.finished).endedBy, 'them');
  },
);

t.test('who was called transfers under the rules of who calls: users only, unless the application asks', async (t) => {
  const alice = await registered(t);
  const { customer, dialog } = await answered(alice, { referHook: null });
  for (const to of ['tel:+4930999', 'sip:4930999@198.51.100.1', third.uri])
    t.equal((await refer(dialog, `<${to}>`))?.status, 403, to);
  const progress = progressOf(dialog);
  t.equal((await refer(dialog, `<sip:bob@${REALM}>`))?.status, 202);
  t.equal((await progress).at(-1), 480, 'bob is not registered');
  await customer.hangup();
  await ended(dialog);
  // Somebody whom the application calls by his address is nobody's user.
  const stranger = await telephone(t, 'stranger');
  const talk = await ringwire.lineWith(() => [
    { verb: 'dial', target: [{ type: 'sip', sipUri: stranger.contact }], answerOnBridge: true, referHook: '/refer' },
  ]);
  const answer = stranger.answerNext();
  const other = await ringwire.call(talk.number);
  const { dialog: strangers } = await answer;
  await other.answered();
  t.equal(await refusedAfterAsking(strangers, `<${third.uri}>`), 403);
  // His telephone ends with the test: it must have answered the BYE by then.
  const over = ended(strangers);
  await other.hangup();
  await over;
});

for (const named of ['the call that he made', 'the call that he answered'] as const) {
  t.test(`a user joins who called him with whom he called, and names ${named}`, async (t) => {
    const alice = await registered(t);
    const { customer, dialog, line } = await answered(alice, { referHook: null });
    const second = await talking(t, { by: alice, to: third, referHook: null });
    const [from, into] = named === 'the call that he made' ? [dialog, second.dialog] : [second.dialog, dialog];
    const progress = progressOf(from);
    const over = Promise.all([ended(dialog), ended(second.dialog)]);
    t.equal((await refer(from, intoCall(into.callId, into.state)))?.status, 202);
    t.same(await progress, [100, 200]);
    await over;
    await hearsTone(customer, THIRD_HZ);
    await hearsTone(second.called, CUSTOMER_HZ);
    t.match((await application.request(second.line.action)).body, { dial_call_status: 'completed' });
    await second.called.hangup();
    t.match((await application.request(line.action)).body, {
      dial_call_status: 'completed',
      call_status: 'in-progress',
    });
    t.equal((await customer.finished).endedBy, 'them');
  });
}

t.test('a user joins two who called him; when one leaves, the application goes on with the other', async (t) => {
  const alice = await registered(t);
  const one = await answered(alice);
  const other = await answered(alice, { hz: THIRD_HZ });
  const progress = progressOf(one.dialog);
  const over = Promise.all([ended(one.dialog), ended(other.dialog)]);
  t.equal((await refer(one.dialog, intoCall(other.dialog.callId, other.dialog.state)))?.status, 202);
  t.same(await progress, [100, 200]);
  await over;
  await hearsTone(one.customer, THIRD_HZ);
  await hearsTone(other.customer, CUSTOMER_HZ);
  await one.customer.hangup();
  t.match((await application.request(one.line.action)).body, {
    dial_call_status: 'completed',
    call_status: 'completed',
  });
  t.match((await application.request(other.line.action)).body, {
    ...{ dial_call_status: 'completed', call_status: 'in-progress' },
  });
  t.equal((await other.customer.finished).endedBy, 'them');
});

t.test(
  'who takes the place of a user by INVITE with Replaces does not get his transfers; nor has he them any more',
  async (t) => {
    const bob = await telephone(t, 'bob');
    const take = async ({ callId, state }: Dialog, application: string): Promise<Dialog> => {
      const Replaces = `${callId};to-tag=${state.remoteTag};from-tag=${state.localTag}`;
      return (await bob.call(application, { Replaces })).answered;
    };
    const made = await talking(t);
    const over = ended(made.dialog);
    const taken = await take(made.dialog, `app-${made.line.applicationSid}`);
    await over;
    t.equal(await refusedAfterAsking(taken, '<tel:+4930999>'), 403, 'of a user who called');
    const second = await talking(t, { by: made.alice, to: third });
    const progress = progressOf(second.dialog);
    t.equal((await refer(second.dialog, intoCall(made.dialog.callId, made.dialog.state)))?.status, 202);
    t.equal((await progress).at(-1), 481);
    await second.dialog.bye();
    await taken.bye();
    await made.called.finished;

    const alice = await registered(t);
    const { customer, dialog, line } = await answered(alice);
    const gone = ended(dialog);
    const callees = await take(dialog, `app-${line.applicationSid}`);
    await gone;
    t.equal(await refusedAfterAsking(callees, '<tel:+4930999>'), 403, 'of a user who was called');
    await customer.hangup();
    await ended(callees);
  },
);

t.test('calls at different feature servers', async (t) => {
  const core = await startServerProcess(t);
  const second = await startAnother(t, ringwire.platform, 'feature-server', { instanceId: 'second', sipServer: core });
  const alice = await registered(t);

  /** A call of a user to a telephone with a tone of its own. */
  interface Placed extends Talk {
    hz: number;
  }
  const talks: Record<'first' | 'second', Placed[]> = { first: [], second: [] };
  const whereIs = async (line: Line): Promise<'first' | 'second'> => {
    const { local_sip_address: address } = (await application.request(line.call)).body;
    return String(address).endsWith(`:${core.sipPort}`) ? 'second' : 'first';
  };
  // New calls go to the one with the fewest as soon as the edge knows of both.
  let hz = 400;
  await eventually(
    'two calls at each feature server',
    async () => {
      hz = hz < 3_000 ? hz + 100 : 500;
      const to = await phone({ play: tone(hz, 60_000) });
      const talk = await talking(t, { by: alice, to, referHook: null });
      const there = talks[await whereIs(talk.line)];
      if (there.length < 2) there.push({ ...talk, hz });
      else await talk.dialog.bye();
      return Math.min(talks.first.length, talks.second.length);
    },
    (count) => count === 2,
    { timeoutMs: 60_000, everyMs: 200 },
  );
  const next = (where: 'first' | 'second'): Placed => talks[where].shift() as Placed;

  await t.test('a user joins those whom he called', async (t) => {
    const referred = next('first');
    const named = next('second');
    const progress = progressOf(referred.dialog);
    const over = Promise.all([ended(referred.dialog), ended(named.dialog)]);
    t.equal((await refer(referred.dialog, intoCall(named.dialog.callId, named.dialog.state)))?.status, 202);
    t.same(await progress, [100, 200]);
    await over;
    await hearsTone(referred.called, named.hz);
    await hearsTone(named.called, referred.hz);
    for (const { line } of [referred, named]) {
      t.match((await application.request(line.action)).body, { dial_call_status: 'completed' });
    }
    await named.called.hangup();
    t.equal((await referred.called.finished).endedBy, 'them');
  });

  await t.test(
    'a user joins who called him with whom he called; a feature server dies: both are released',
    async (t) => {
      const { customer, dialog, line } = await answered(alice, { referHook: null });
      const made = next((await whereIs(line)) === 'first' ? 'second' : 'first');
      const { remoteTag, localTag } = made.dialog.state;
      const wrong = progressOf(dialog);
      t.equal(
        (await refer(dialog, intoCall(made.dialog.callId, { remoteTag, localTag: `${localTag}x` })))?.status,
        202,
      );
      t.equal((await wrong).at(-1), 481, 'no feature server knows such a call');
      dialog.removeAllListeners('request');
      const progress = progressOf(dialog);
      const over = Promise.all([ended(dialog), ended(made.dialog)]);
      t.equal((await refer(dialog, intoCall(made.dialog.callId, made.dialog.state)))?.status, 202);
      t.equal((await progress).at(-1), 200);
      await over;
      await hearsTone(customer, made.hz);
      await hearsTone(made.called, CUSTOMER_HZ);
      await second.kill();
      t.equal((await customer.finished).endedBy, 'them');
      t.equal((await made.called.finished).endedBy, 'them');
    },
  );
});
