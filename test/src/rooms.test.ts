import { answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import { startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import t from 'tap';
import { startAnother } from './support/another-process.js';
import { hearsTone } from './support/audio.js';
import { eventually, within } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { Line } from './support/test-platform.js';

t.setTimeout(300_000);
const DEAD_MS = 40_000;

const ringwire = await openPlatform(t, {}, { looksForLeaks: false });
const { application, platform } = ringwire;
const core = await startServerProcess(t);
const second = await startAnother(t, platform, 'feature-server', { instanceId: 'second', sipServer: core });

interface Caller {
  line: Line;
  call: PhoneCall;
  callSid: string;
}

/** A caller whose call comes to the second feature server, or to the other one. Who comes elsewhere is refused. */
async function callerAt(where: 'first' | 'second', hz: number, verbs: (line: Line) => unknown[]): Promise<Caller> {
  const found = await eventually(
    `a call at the ${where} feature server`,
    async (): Promise<Caller | undefined> => {
      const line = await ringwire.line();
      let callSid: string | undefined;
      application.answer(line.call, ({ body }) => {
        const isThere = String(body.local_sip_address).endsWith(`:${core.sipPort}`) === (where === 'second');
        if (isThere) callSid = String(body.call_sid);
        return isThere ? verbs(line) : [{ verb: 'sip:decline', status: 486 }];
      });
      const call = await ringwire.call(line.number, { play: tone(hz, 120_000) });
      await within(10_000, 'an answer', Promise.race([call.answered(), call.finished]), () => 'nothing');
      return callSid === undefined ? undefined : { line, call, callSid };
    },
    (caller) => caller !== undefined,
    { timeoutMs: 60_000 },
  );
  return found as Caller;
}

/** What a call's status hook has heard. */
const statusesOf = ({ line }: Caller): string[] =>
  application.requests.filter(({ path }) => path === line.status).map(({ body }) => String(body.call_status));

/** All statuses of a call that is over. */
const finalOf = (caller: Caller): Promise<string[]> =>
  eventually(
    'the last status',
    () => statusesOf(caller),
    (all) => all.some((one) => /completed|failed/.test(one)),
    {
      timeoutMs: DEAD_MS,
    },
  );

t.test('queue: a caller at another feature server is moved to him who takes him, and notices nothing', async (t) => {
  const caller = await callerAt('first', 500, ({ action }) => [
    { verb: 'tag', data: { kept: 'yes' } },
    { verb: 'enqueue', name: 'far', actionHook: action },
  ]);
  application.answer(caller.line.action, [{ verb: 'play', url: 'tone_stream://%(60000,0,1700)' }]);
  const agent = await callerAt('second', 900, () => [{ verb: 'dequeue', name: 'far' }, { verb: 'hangup' }]);
  await hearsTone(agent.call, 500);
  await hearsTone(caller.call, 900);
  await agent.call.hangup();
  const { body } = await application.request(caller.line.action);
  t.match(body, { call_sid: caller.callSid, queue_result: 'bridged', customer_data: { kept: 'yes' } });
  t.match(body.fs_sip_address, new RegExp(`:${core.sipPort}$`), 'the call is at the other feature server');
  await hearsTone(caller.call, 1700);
  await caller.call.hangup();
  t.strictSame(await finalOf(caller), ['trying', 'in-progress', 'completed']);
});

/** A telephone that is called on order, by the first feature server; the second one's calls are given up. */
async function calledAtFirst(hz: number, verbs: () => unknown[]): Promise<Caller> {
  const phone = await answerCalls({ play: tone(hz, 120_000), answerAfterMs: 20 });
  t.teardown(() => phone.close());
  const { instance } = ringwire;
  const found = await eventually(
    'a call on order at the first feature server',
    async (): Promise<Caller | undefined> => {
      const line = await ringwire.line();
      let isThere = false;
      application.answer(line.call, ({ body }) => {
        isThere = !String(body.local_sip_address).endsWith(`:${core.sipPort}`);
        return isThere ? verbs() : [{ verb: 'hangup' }];
      });
      const next = phone.nextCall();
      const { sid } = await ringwire.api<{ sid: string }>('POST', `/v1/Accounts/${instance.accountSid}/Calls`, {
        from: '15550001111',
        to: { type: 'sip', sipUri: phone.uri },
        application_sid: line.applicationSid,
      });
      const call = await within(10_000, 'the telephone is called', next, () => 'nothing');
      await application.request(line.call);
      return isThere ? { line, call, callSid: sid } : undefined;
    },
    (caller) => caller !== undefined,
    { timeoutMs: 60_000 },
  );
  return found as Caller;
}

t.test('queue: a call that was placed on order is moved likewise', async (t) => {
  const called = await calledAtFirst(700, () => [{ verb: 'enqueue', name: 'ordered' }, { verb: 'hangup' }]);
  const agent = await callerAt('second', 1100, () => [{ verb: 'dequeue', name: 'ordered' }, { verb: 'hangup' }]);
  await hearsTone(agent.call, 700);
  await hearsTone(called.call, 1100);
  await agent.call.hangup();
  await within(10_000, 'released', called.call.finished, () => 'nothing');
  const statuses = await finalOf(called);
  t.equal(statuses.at(-1), 'completed');
  t.strictSame(statuses.filter((one) => one === 'in-progress').length, 1);
});

t.test(
  'conference: who is at another feature server is moved; when its holder is killed each is told of once',
  async (t) => {
    const room = [{ verb: 'conference', name: 'far' }];
    const host = await callerAt('second', 500, () => room);
    const guest = await callerAt('first', 900, () => room);
    await hearsTone(host.call, 900);
    await hearsTone(guest.call, 500);
    t.strictSame(statusesOf(guest), ['trying', 'in-progress']);
    await second.kill();
    for (const { call } of [host, guest])
      t.equal((await within(DEAD_MS, 'released', call.finished, () => 'nothing')).endedBy, 'them');
    for (const caller of [host, guest]) t.strictSame(await finalOf(caller), ['trying', 'in-progress', 'failed']);
    const again = await callerAt('first', 700, () => room);
    const other = await callerAt('first', 1100, () => room);
    await hearsTone(again.call, 1100);
    for (const { call } of [again, other]) await call.hangup();
  },
);
