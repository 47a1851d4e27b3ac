import { once } from 'node:events';
import { closeRedis, createLogger, openRedis, SBCS, type SbcInfo, sbcKey } from '@ringwire/common';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { offerAudio } from '@ringwire/rtp';
import { startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { createUserAgent, type IncomingCall } from '@ringwire/sip';
import t from 'tap';
import { type AnotherProcess, startAnother } from './support/another-process.js';
import { eventually, within } from './support/eventually.js';
import { readMetrics } from './support/metrics.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
/** Less than the 32 s for which a SIP server waits for a dead one (timer B): who waits for that is not called any more. */
const RING_S = 20;
const CALLED_MS = 30_000;

const ringwire = await openPlatform(t, {}, { looksForLeaks: false });
const { application, instance, platform } = ringwire;
const redis = openRedis(instance.redis, { logger: createLogger({ name: 'test', level: 'warn' }), name: 'edges-test' });
t.teardown(() => closeRedis(redis));
const callee = await answerCalls();
t.teardown(() => callee.close());
const line = await ringwire.line();
/** An edge on another machine: a SIP server, and each time another sbc-outbound. */
const server = await startServerProcess(t);
const httpPort = await findFreePort();
const startEdge = (instanceId: string): Promise<AnotherProcess> =>
  startAnother(t, platform, 'sbc-outbound', { instanceId, sipServer: server, env: { HTTP_PORT: `${httpPort}` } });

interface LiveCall {
  caller: PhoneCall;
  called: PhoneCall;
  /** Instance id of the edge. */
  via: string;
}

let names = 0;
/** A name that the callee has in no other call. */
const newName = (): string => `callee${++names}`;
const uri = (name: string, { host, port }: AnsweringPhone): string => `sip:${name}@${host}:${port}`;

/** Which edge has the call to this name. */
async function edgeOf(name: string): Promise<string> {
  const find = async (): Promise<string | undefined> => {
    const calls = await Promise.all((await redis.keys('ringwire:call:*')).map((key) => redis.hgetall(key)));
    return calls.find(({ to, direction }) => to === name && direction === 'outbound')?.owner;
  };
  return (await eventually(`the edge of ${name}`, find, (owner) => owner !== undefined)) as string;
}

/** A caller for whom `dial` has found the callee. */
async function talk(): Promise<LiveCall> {
  const name = newName();
  const target = [{ type: 'sip', sipUri: uri(name, callee) }];
  application.answer(line.call, [{ verb: 'dial', target, timeout: RING_S }]);
  const caller = await ringwire.call(line.number);
  const called = await within(CALLED_MS, 'the callee is called', callee.nextCall(), () => caller.responses);
  await called.answered();
  return { caller, called, via: await edgeOf(name) };
}

async function hangUp({ caller, called }: LiveCall): Promise<void> {
  await caller.hangup();
  await called.finished;
}

/** A call by way of this edge, once the feature server knows of it. */
async function talkVia(edge: string): Promise<LiveCall> {
  for (;;) {
    const call = await talk();
    if (call.via === edge) return call;
    await hangUp(call);
  }
}

// The first edge has two calls all the time, so that the next is for the other one as long as that can take it.
const { via: first } = await talk();
await talk();

t.test(
  'an edge that is killed with its SIP server is passed over, also by a call that rings by way of it',
  async (t) => {
    const second = await startEdge('edge-b');
    await hangUp(await talkVia('edge-b'));
    const slow = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'slow' });
    t.teardown(() => slow.stop());
    const invites = new Map<number, (call: IncomingCall) => void>();
    const [rings, answers] = [1, 2].map((nth) => new Promise<IncomingCall>((resolve) => invites.set(nth, resolve)));
    let count = 0;
    slow.onInvite((call) => invites.get(++count)?.(call));
    const { host, port } = slow.addresses[0]!;
    const name = newName();
    const target = [{ type: 'sip', sipUri: `sip:${name}@${host}:${port}` }];
    application.answer(line.call, [{ verb: 'dial', target, timeout: RING_S }]);
    const caller = await ringwire.call(line.number);
    (await within(CALLED_MS, 'the callee is called', rings!, () => caller.responses)).ring(180);
    t.equal(await edgeOf(name), 'edge-b');
    await Promise.all([server.kill(), second.kill()]);
    const placedAgain = await within(CALLED_MS, 'the callee is called again', answers!, () => caller.responses);
    const dialog = placedAgain.accept(offerAudio({ host, port: 9, sessionId: '1', sessionVersion: 1 }))!;
    const over = once(dialog, 'ended');
    t.equal(await edgeOf(name), first);
    await caller.hangup();
    await over;
    t.equal(count, 2);
    const call = await talk();
    t.equal(call.via, first);
    await hangUp(call);
    await server.start();
  },
);

t.test('an edge whose process is killed is passed over, also for a REST call, which keeps its Call-ID', async (t) => {
  const second = await startEdge('edge-c');
  await hangUp(await talkVia('edge-c'));
  await second.kill();
  const name = newName();
  application.answer(line.call, [{ verb: 'pause', length: 30 }]);
  const path = `/v1/Accounts/${instance.accountSid}/Calls`;
  const { sid, callId } = await ringwire.api<{ sid: string; callId: string }>('POST', path, {
    from: '15550002222',
    to: { type: 'sip', sipUri: uri(name, callee) },
    application_sid: line.applicationSid,
  });
  const called = await within(CALLED_MS, 'the callee is called', callee.nextCall(), () => application.requests.at(-1));
  await called.answered();
  t.equal(await edgeOf(name), first);
  const { body } = await application.request((request) => request.path === line.call && request.body.call_sid === sid);
  t.equal(body.call_id, callId);
  await called.hangup();
});

t.test('an edge that drains is passed over and keeps its calls; what a callee answers is final', async (t) => {
  const second = await startEdge('edge-d');
  const kept = await talkVia('edge-d');

  const refusing = await answerCalls({ reject: { status: 503, headers: { 'X-Reason': 'draining' } } });
  t.teardown(() => refusing.close());
  const target = [{ type: 'sip', sipUri: uri(newName(), refusing) }];
  application.answer(line.call, [{ verb: 'dial', target, actionHook: line.action }]);
  const refused = await ringwire.call(line.number);
  const { body } = await application.request(line.action);
  t.match(body, { dial_call_status: 'failed', dial_sip_status: 503 });
  await refused.finished;
  const timeline = await ringwire.timeline(String(body.dial_call_sid));
  t.equal(timeline.filter(({ text }) => text.startsWith('INVITE from')).length, 1, 'one edge had the call');

  second.child.kill('SIGTERM');
  const ended = once(second.child, 'exit');
  const told = async (): Promise<SbcInfo> => JSON.parse((await redis.get(sbcKey('edge-d'))) ?? '{}');
  const { privateSipAddress } = await eventually(
    'it says that it drains',
    told,
    ({ accepting }) => accepting === false,
  );
  // Feature servers read of it up to a second later: this makes that second last.
  const late: SbcInfo = { instanceId: 'late', role: 'outbound', privateSipAddress, calls: 0, accepting: true };
  await redis.multi().sadd(SBCS, 'late').set(sbcKey('late'), JSON.stringify(late), 'PX', 120_000).exec();
  const refusals = async (): Promise<number> =>
    (await readMetrics(`http://127.0.0.1:${httpPort}/metrics`)).sum(/^ringwire_calls_rejected_total.*draining/) ?? 0;
  while ((await refusals()) === 0) {
    const call = await talk();
    t.equal(call.via, first);
    await hangUp(call);
  }
  await redis.multi().srem(SBCS, 'late').del(sbcKey('late')).exec();
  await hangUp(kept);
  t.equal((await kept.called.finished).endedBy, 'them');
  await ended;
});
