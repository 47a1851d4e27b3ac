import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AudioStream, createEndpoint, type Session } from '@jambonz/sdk/websocket';
import { answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone, toneShare } from '@ringwire/rtp';
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

const lastOf = new WeakMap<AudioStream, Int16Array>();
/** How much of what the audio server has heard last is the tone of 500 Hz. */
function hears500(stream: AudioStream): number {
  if (!lastOf.has(stream)) {
    lastOf.set(stream, new Int16Array());
    stream.on('audio', (data: Buffer) => {
      const samples = new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
      const all = Int16Array.from([...(lastOf.get(stream) ?? []), ...samples]);
      lastOf.set(stream, all.subarray(-1_600));
    });
  }
  const last = lastOf.get(stream) ?? new Int16Array();
  return last.length < 1_600 ? 0 : toneShare(last, 500, 8_000, 0, last.length);
}

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

t.test('queue: who was dialled, and has become a call of his own, is moved likewise', async (t) => {
  const phone = await answerCalls({ play: tone(700, 120_000), answerAfterMs: 20 });
  t.teardown(() => phone.close());
  application.answer('/for-callee', [{ verb: 'enqueue', name: 'dialled' }, { verb: 'hangup' }]);
  const next = phone.nextCall();
  const caller = await callerAt('first', 500, () => [{ verb: 'dial', target: [{ type: 'sip', sipUri: phone.uri }] }]);
  const callee = await within(10_000, 'the telephone is called', next, () => 'nothing');
  await hearsTone(callee, 500);
  const { accountSid } = ringwire.instance;
  await ringwire.api('PUT', `/v1/Accounts/${accountSid}/Calls/${caller.callSid}`, {
    child_call_hook: `${application.url}/for-callee`,
  });
  const agent = await callerAt('second', 1100, () => [{ verb: 'dequeue', name: 'dialled' }, { verb: 'hangup' }]);
  await hearsTone(agent.call, 700);
  await hearsTone(callee, 1100);
  await agent.call.hangup();
  await within(10_000, 'released', callee.finished, () => 'nothing');
  await within(10_000, 'released', caller.call.hangup(), () => 'nothing');
});

t.test(
  'queue: the WebSocket application and the listening in the background of a call that is moved go on with it',
  async (t) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const endpoint = createEndpoint({ server });
    const came = new EventEmitter();
    let sessions = 0;
    endpoint({ path: '/app' }).on('session:new', (session: Session) => {
      sessions += 1;
      // The published client tells of session:reconnect as of any new session.
      if (sessions === 1) {
        const listen = { enable: true, url: `${url}/audio`, mixType: 'mono' as const, metadata: { mine: 1 } };
        session.config({ listen }).enqueue({ name: 'sockets', actionHook: '/done' }).send();
      } else session.reply();
      came.emit('session', session);
    });
    endpoint.audio({ path: '/audio' }).on('connection', (stream: AudioStream) => came.emit('audio', stream));
    const [begun, heard] = [once(came, 'session'), once(came, 'audio')];
    const caller = await callerAt('first', 500, () => [{ verb: 'redirect', actionHook: `${url}/app` }]);
    const [first] = (await within(10_000, 'the session', begun, () => 'nothing')) as [Session];
    const [audio] = (await within(10_000, 'the audio', heard, () => 'nothing')) as [AudioStream];
    t.match(audio.metadata, { callSid: caller.callSid, mine: 1 });
    t.notOk('isResumed' in audio.metadata);
    const closed = [once(first, 'close'), once(audio, 'close')];
    const [resumed, reheard] = [once(came, 'session'), once(came, 'audio')];
    const agent = await callerAt('second', 900, () => [{ verb: 'dequeue', name: 'sockets' }, { verb: 'hangup' }]);
    await hearsTone(agent.call, 500);
    const [second] = (await within(10_000, 'the session again', resumed, () => 'nothing')) as [Session];
    const [again] = (await within(10_000, 'the audio again', reheard, () => 'nothing')) as [AudioStream];
    t.match(second.data, { call_sid: caller.callSid });
    t.match(again.metadata, { callSid: caller.callSid, mine: 1, isResumed: true });
    await eventually(
      'the caller is heard where the call is now',
      () => hears500(again),
      (share) => share > 0.9,
    );
    await within(10_000, 'the connections that were', Promise.all(closed), () => 'nothing');
    const asked = new Promise<Record<string, unknown>>((resolve) => {
      second.on('/done', (body: Record<string, unknown>) => {
        resolve(body);
        second.play({ url: 'tone_stream://%(60000,0,1700)' }).reply();
      });
    });
    await agent.call.hangup();
    t.match(await within(10_000, 'the action hook', asked, () => 'nothing'), { queue_result: 'bridged' });
    await hearsTone(caller.call, 1700);
    second.injectCommand('redirect', [{ verb: 'hangup' }]);
    const { endedBy } = await within(10_000, 'released', caller.call.finished, () => 'nothing');
    t.equal(endedBy, 'them');
    t.strictSame(await finalOf(caller), ['trying', 'in-progress', 'completed']);
  },
);

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
