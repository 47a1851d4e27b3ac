import { until } from '@ringwire/common/testing/until.js';
import type { VerbSpec } from '@ringwire/verb-specs';
import t from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { openApplication } from '../app-client/open-application.js';
import { DEFAULT_CONVERSATION_LIMITS } from '../app-client/ws-application-options.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { makeSession, type SessionRig, statuses } from '../testing/session-rig.js';
import { type ServerSocket, type SocketMessage, SocketServer } from '../testing/socket-server.js';
import { VERBS, type VerbRegistry } from '../verbs/registry.js';
import { CallInfo } from './call-info.js';
import type { MovedCall } from './moved-calls.js';
import { SessionDefaults } from './session-defaults.js';
import type { CallSessionOptions } from './session-options.js';

/** A verb that asks for the call to be moved, and what came of it. */
function moving(): { registry: VerbRegistry; outcome: Promise<boolean> } {
  let tell: (isMoved: boolean) => void = () => {};
  const outcome = new Promise<boolean>((resolve) => {
    tell = resolve;
  });
  const enqueue: VerbRegistry['enqueue'] = {
    needs: () => 'media',
    run: async (ctx, spec) => tell(await ctx.call.move('127.0.0.1:5090', spec, { token: 7 })),
  };
  return { registry: { ...VERBS, enqueue }, outcome };
}

interface MovingRig extends SessionRig {
  saved: Partial<MovedCall>[];
  dropped: string[];
  outcome: Promise<boolean>;
}

const LEDGER = { put: () => {}, remove: () => {}, isReported: async () => false, takeOver: async () => true };

async function makeMoving(
  t: Parameters<typeof makeSession>[0],
  more: Partial<CallSessionOptions> = {},
  before: unknown[] = [],
) {
  const { registry, outcome } = moving();
  const [saved, dropped]: [Partial<MovedCall>[], string[]] = [[], []];
  const moves = {
    save: async (_id: string, call: Partial<MovedCall>) => void saved.push(call),
    drop: (id: string) => void dropped.push(id),
  };
  const verbs = [...before, { verb: 'tag', data: { a: 1 } }, { verb: 'enqueue', name: 'q' }, { verb: 'hangup' }];
  const rig = await makeSession(t, verbs, { registry, moves, ...more });
  return { ...rig, saved, dropped, outcome } as MovingRig;
}

t.test('a call that moves leaves with its verbs and settings, and tells no end', async (t) => {
  const rig = await makeMoving(t);
  rig.leg.reply = async () => ({ status: 202, reason: '' });
  const over = rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  t.match(await rig.leg.actions.take(), {
    request: { method: 'REFER', headers: { 'Refer-To': /^<sip:context-[\w-]+@127\.0\.0\.1:5090>$/ } },
  });
  t.equal(await rig.outcome, true);
  await over;
  t.match(rig.saved, [
    {
      verbs: [{ verb: 'enqueue' }, { verb: 'hangup' }],
      info: { progress: { status: 'in-progress' }, customerData: { a: 1 }, answeredAt: Number },
      carried: { token: 7 },
      statusHook: { url: `${rig.app.url}/status` },
    },
  ]);
  t.strictSame(statuses(rig), ['trying', 'in-progress']);
  t.ok(rig.media.endpoint.isDestroyed);
});

t.test('what goes on beside the verbs of a call that moves is begun again at the other feature server', async (t) => {
  const bargeIn = { enable: true, input: ['digits'], numDigits: 1, actionHook: '/keys' };
  const hooks = { sipRequestWithinDialogHook: '/within', referHook: '/refer' };
  const amd = { actionHook: '/amd' };
  const config = { verb: 'config', bargeIn, amd, ...hooks, boostAudioSignal: 6, notifySttLatency: true };
  const transcribe = { verb: 'transcribe', transcriptionHook: '/text' };
  const rig = await makeMoving(t, {}, [config, transcribe]);
  rig.leg.reply = async () => ({ status: 202, reason: '' });
  const over = rig.run();
  t.equal(await rig.outcome, true);
  await over;
  const [saved] = rig.saved;
  t.match(saved?.defaults, { notifiesSttLatency: true });
  t.match(saved?.continued, [
    { command: 'config', spec: hooks },
    { command: 'boostAudioSignal', gainDb: 6 },
    { command: 'config', spec: { bargeIn } },
    { command: 'config', spec: { amd } },
    { command: 'config', spec: { transcribe: { enable: true, transcriptionHook: '/text' } } },
  ]);
  t.strictSame([...rig.app.seen('/keys'), ...rig.app.seen('/amd')], [], 'nothing is told of what goes on elsewhere');

  const { continued = [] } = JSON.parse(JSON.stringify(saved)) as MovedCall;
  const paused = { command: 'transcribe:status', status: 'pause' } as const;
  const next = await makeSession(t, undefined, {
    resumed: {
      ...resumed(Promise.resolve()),
      verbs: [{ verb: 'pause', length: 3_600 }],
      continued: [...continued, paused],
    },
    info: inProgress(),
  });
  next.app
    .on('/keys', [{ verb: 'hangup' }])
    .on('/text', {})
    .on('/amd', {});
  const ended = next.run();
  await next.recognizer.opened();
  next.recognizer.hear('hello');
  t.match((await next.app.next('/text')).json, { speech: { alternatives: [{ transcript: 'hello' }] } });
  t.strictSame(await next.media.endpoint.asked.take(), ['setGain', 6]);
  await until('its verbs run', () => next.sink.lines.some((line) => line.startsWith('info verb pause')));
  t.ok(next.sink.lines.includes('info speech transcribe: pause'));
  next.media.endpoint.press('1');
  t.match((await next.app.next('/keys')).json, { digits: '1' });
  t.match((await next.app.next('/amd')).json, { type: /^amd_/ });
  await ended;
});

t.test('a WebSocket application hears again with what a call that moved began, and of its verb once', async (t) => {
  const sockets = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => sockets.stop());
  const guard = new AddressGuard({ allowPrivate: true });
  const http = new HttpClient(guard);
  t.teardown(() => http.close());
  const hook = { url: `${sockets.url}/app` };
  const over = (sink: CollectingSink, opening?: object) =>
    openApplication(
      { http, guard, sockets: DEFAULT_CONVERSATION_LIMITS },
      {
        ...{ hook, callSid: 'call-1', journal: journalOver(sink), traceId: 'a'.repeat(32), webhookSecret: null },
        ...(opening && { opening }),
      },
    );
  const notice = ({ data }: SocketMessage): string => `${data.id ?? data.name} ${data.event}`;
  const rest = async (socket: ServerSocket): Promise<string[]> => {
    await socket.closed;
    const messages: SocketMessage[] = [];
    while (socket.messages.size > 0) messages.push(await socket.messages.take());
    return messages.filter(({ type }) => type === 'verb:status').map(notice);
  };
  const sources = { callHook: hook };

  const rig = await makeMoving(t, { application: over(new CollectingSink()), sources });
  rig.leg.reply = async () => ({ status: 202, reason: '' });
  const away = rig.run();
  const first = await sockets.next();
  const begun = await first.next('session:new');
  first.ack(begun, [
    { verb: 'config', notifyEvents: true },
    { verb: 'enqueue', id: 'q', name: 'q' },
    { verb: 'tag', data: {} },
  ]);
  t.equal(await rig.outcome, true);
  await away;
  t.strictSame(await rest(first), ['config finished', 'q starting']);

  const saved = JSON.parse(JSON.stringify(rig.saved[0])) as MovedCall;
  const defaults = new SessionDefaults({
    synthesizer: { vendor: 'espeak', language: 'en-US' },
    recognizer: { vendor: 'google', language: 'en-US' },
  });
  defaults.restore(saved.defaults);
  const taken = { ...resumed(Promise.resolve()), verbs: saved.verbs };
  const application = over(new CollectingSink(), saved.opening);
  const enqueue: VerbRegistry['enqueue'] = { needs: () => 'media', run: async () => {} };
  const registry = { ...VERBS, enqueue };
  const next = await makeSession(t, undefined, {
    ...{ resumed: taken, info: inProgress(), application, sources, defaults, registry },
  });
  const ended = next.run();
  const second = await sockets.next();
  const again = await second.next('session:reconnect');
  t.strictSame(again.data, begun.data);
  t.ok(again.data.defaults);
  second.ack(again);
  for (const text of ['q finished', 'tag starting', 'tag finished'])
    t.equal(notice(await second.next('verb:status')), text);
  second.ws.close(1000);
  await ended;
  t.strictSame(await rest(second), []);
});

t.test('the BYE that says that the call has moved may overtake the answer to REFER', async (t) => {
  const rig = await makeMoving(t);
  rig.leg.reply = () => new Promise(() => {});
  const over = rig.run();
  await rig.leg.actions.take();
  await rig.leg.actions.take();
  rig.leg.end({ how: 'bye', headers: { 'X-Reason': 'moved' } });
  t.equal(await rig.outcome, true);
  await over;
  t.strictSame(statuses(rig), ['trying', 'in-progress']);
});

t.test('a call that the other feature server does not take stays, and the timeline says why', async (t) => {
  const rig = await makeMoving(t);
  rig.leg.reply = async () => ({ status: 488, reason: '' });
  await rig.run();
  t.equal(await rig.outcome, false);
  t.equal(rig.dropped.length, 1);
  t.ok(rig.sink.lines.some((line) => /^error call the call was not moved .*: 488/.test(line)));
  t.strictSame(statuses(rig), ['trying', 'in-progress', 'completed']);
});

t.test('who hangs up while his call moves has ended it', async (t) => {
  const rig = await makeMoving(t);
  rig.leg.reply = () => new Promise(() => {});
  const over = rig.run();
  await rig.leg.actions.take();
  await rig.leg.actions.take();
  rig.leg.end({ how: 'bye', headers: {} });
  t.equal(await rig.outcome, false);
  await over;
  t.strictSame(statuses(rig), ['trying', 'in-progress', 'completed']);
});

t.test('nothing is done to a call while it moves, for nobody would do it at the other feature server', async (t) => {
  const rig = await makeMoving(t);
  let answer: (reply: { status: number; reason: string }) => void = () => {};
  rig.leg.reply = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const over = rig.run();
  await rig.leg.actions.take();
  await rig.leg.actions.take();
  t.match(await rig.session.execute({ command: 'tag', data: { b: 2 } }), { ok: false, because: 'wrong state' });
  answer({ status: 488, reason: '' });
  t.equal(await rig.outcome, false);
  await over;
});

t.test('the end of a call that moved and that nobody has taken is told by the one who gave it away', async (t) => {
  const rig = await makeMoving(t, { ledger: { ...LEDGER, isTaken: async () => false } });
  rig.leg.reply = async () => ({ status: 202, reason: '' });
  await rig.run();
  t.strictSame(statuses(rig), ['trying', 'in-progress', 'failed']);
});

const verbs: VerbSpec[] = [{ verb: 'hangup' }];
const inProgress = (ageMs = 5_000): CallInfo => {
  const info = new CallInfo({
    ...{ callSid: 'call-1', direction: 'inbound', from: '1', to: '2', callId: 'sip-call-id', accountSid: 'acc-1' },
    ...{ serviceProviderSid: null, applicationSid: 'app-1', traceId: 'a'.repeat(32), callerName: '' },
    fsSipAddress: '127.0.0.1:5070',
  });
  const progress = { status: 'in-progress', sipStatus: 200, sipReason: 'OK' } as const;
  info.restore({ progress, answeredAt: Date.now() - ageMs, customerData: { a: 1 } });
  return info;
};
const resumed = (committed: Promise<void>) => ({ from: 'fs-old', verbs, committed });

t.test(
  'a call that is taken over goes on with its verbs; the application is asked and told nothing anew',
  async (t) => {
    const info = inProgress();
    const rig = await makeSession(t, undefined, { resumed: resumed(Promise.resolve()), info });
    await rig.run();
    t.match(await rig.leg.actions.take(), { sent: '200' });
    t.match(await rig.leg.actions.take(), { sent: 'BYE' });
    t.strictSame(rig.app.seen('/hook'), []);
    t.strictSame(statuses(rig), ['completed']);
    t.match(rig.app.seen('/status')[0]?.json, { customer_data: { a: 1 }, duration: 5 });
  },
);

t.test('a redirect that comes while a call is taken over is what the call goes on with', async (t) => {
  const ledger = { ...LEDGER, isTaken: async () => true };
  const rig = await makeSession(t, undefined, {
    resumed: {
      ...resumed(Promise.resolve()),
      verbs: [{ verb: 'pause', length: 3_600 }],
      continued: [{ command: 'boostAudioSignal', gainDb: 6 }],
    },
    ledger,
    info: inProgress(),
  });
  ledger.takeOver = async () => {
    t.match(await rig.session.execute({ command: 'redirect', verbs: [{ verb: 'tag', data: { b: 2 } }] }), { ok: true });
    return true;
  };
  await rig.run();
  t.notOk(rig.sink.lines.some((line) => line.startsWith('info verb pause')));
  t.match(rig.app.seen('/status')[0]?.json, { call_status: 'completed', customer_data: { b: 2 } });
});

for (const [what, committed, takeOver] of [
  ['the edge takes back', Promise.reject(new Error('not in time')), async () => true],
  ['somebody has reported as ended', Promise.resolve(), async () => false],
] as const) {
  // It is awaited only when its test runs.
  committed.catch(() => {});
  t.test(`a call that ${what} is none of ours: BYE, and not a word`, async (t) => {
    const ledger = { ...LEDGER, takeOver, isTaken: async () => true };
    const rig = await makeSession(t, undefined, { resumed: resumed(committed), ledger, info: inProgress() });
    await rig.run();
    t.match(await rig.leg.actions.take(), { sent: '200' });
    t.match(await rig.leg.actions.take(), { sent: 'BYE' });
    t.strictSame(statuses(rig), []);
    t.ok(rig.media.endpoint.isDestroyed);
  });
}

t.test('who hangs up while his call is taken over has ended it, and its end is told once', async (t) => {
  let answer: (isTaken: boolean) => void = () => {};
  const ledger = { ...LEDGER, isTaken: async () => true };
  const asked = new Promise<void>((tell) => {
    ledger.takeOver = () =>
      new Promise((resolve) => {
        answer = resolve;
        tell();
      });
  });
  const rig = await makeSession(t, undefined, { resumed: resumed(Promise.resolve()), ledger, info: inProgress() });
  const over = rig.run();
  await asked;
  rig.leg.end({ how: 'bye', headers: {} });
  answer(true);
  await over;
  t.strictSame(statuses(rig), ['completed']);
  t.match(rig.app.seen('/status')[0]?.json, { call_termination_by: 'caller' });
});

t.test('who hangs up between the word of the edge and the claim of his call has ended it', async (t) => {
  let commit = (): void => {};
  const committed = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const ledger = { ...LEDGER, isTaken: async () => true };
  const rig = await makeSession(t, undefined, { resumed: resumed(committed), ledger, info: inProgress() });
  const over = rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  commit();
  rig.leg.end({ how: 'bye', headers: {} });
  await over;
  t.strictSame(statuses(rig), ['completed']);
  t.match(rig.app.seen('/status')[0]?.json, { call_termination_by: 'caller' });
});

t.test('a leg that the edge ends before its word is none of a call of ours', async (t) => {
  const ledger = { ...LEDGER, takeOver: async () => t.fail('it is not claimed'), isTaken: async () => true };
  const rig = await makeSession(t, undefined, { resumed: resumed(new Promise(() => {})), ledger, info: inProgress() });
  const over = rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  rig.leg.end({ how: 'bye', headers: { 'X-Reason': 'not moved' } });
  await over;
  t.strictSame(statuses(rig), []);
});

t.test('a call that was taken over and turns out to be told of as ended is let go without a word', async (t) => {
  let lose = (): void => {};
  const ledger = {
    ...LEDGER,
    isTaken: async () => true,
    takeOver: async (_callSid: string, _from: string, onLost: () => void) => {
      lose = onLost;
      return true;
    },
  };
  const verbs: VerbSpec[] = [{ verb: 'pause', length: 3_600 }];
  const rig = await makeSession(t, undefined, {
    resumed: { ...resumed(Promise.resolve()), verbs },
    ledger,
    info: inProgress(),
  });
  const over = rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  await until('its verbs run', () => rig.sink.lines.some((line) => line.startsWith('info verb pause')));
  lose();
  t.match(await rig.leg.actions.take(), { sent: 'BYE' });
  await over;
  t.strictSame(statuses(rig), []);
});

t.test('the longest duration of a call that is taken over counts from its answer', async (t) => {
  const parts = {
    resumed: { ...resumed(Promise.resolve()), verbs: [{ verb: 'pause', length: 3_600 }] as VerbSpec[] },
    info: inProgress(3_600_000),
  };
  const rig = await makeSession(t, undefined, parts, { maxCallDurationMs: 3_600_100 });
  await rig.run();
  t.ok(rig.sink.lines.some((line) => line.includes('BYE: the call reached its longest duration')));
});
