import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { MediaServerError } from '../errors.js';
import type { Answer } from '../testing/application-server.js';
import { FakeLeg } from '../testing/fakes.js';
import { makeSession, statuses } from '../testing/session-rig.js';
import { VERBS, type VerbRegistry } from '../verbs/registry.js';
import type { PlacedLegEnd } from './dialler.js';
import { OutboundLeg } from './outbound-leg.js';

t.test('the first request has the payload of a new call', async (t) => {
  const rig = await makeSession(t, [{ verb: 'hangup' }]);
  await rig.run();
  const [seen] = rig.app.seen('/hook');
  t.same(seen?.json, {
    direction: 'inbound',
    trace_id: 'a'.repeat(32),
    has_recording: false,
    caller_name: 'Jane',
    call_sid: 'call-1',
    account_sid: 'acc-1',
    application_sid: 'app-1',
    service_provider_sid: 'sp-1',
    from: '15551234',
    to: '15550100',
    call_id: 'sip-call-id',
    sbc_callid: 'outer-call-id',
    sip_status: 100,
    sip_reason: 'Trying',
    call_status: 'trying',
    originating_sip_ip: '127.0.0.9',
    originating_sip_trunk_name: 'carrier',
    local_sip_address: '127.0.0.1:5070',
    fs_sip_address: '127.0.0.1:5070',
    defaults: {
      synthesizer: { vendor: 'espeak', language: 'en-US', voice: 'en-us' },
      recognizer: { vendor: 'google', language: 'en-US' },
    },
    sip: { method: 'INVITE', headers: { 'X-Own-Key': 'as is' } },
    env_vars: { API_KEY: 'k' },
  });
});

t.test('say: speech is ready before the call is answered, and the end of the verbs hangs up', async (t) => {
  const rig = await makeSession(t, [{ verb: 'say', text: 'hello' }]);
  const running = rig.run();
  await rig.vendor.requests.take();
  t.same(await rig.leg.actions.take(), { sent: '200', sdp: 'v=0 fake' });
  const playback = await rig.media.endpoint.plays.take();
  t.match(playback.sources, [/[0-9a-f]{64}\.wav$/]);
  playback.finish();
  t.same(await rig.leg.actions.take(), { sent: 'BYE', headers: {} });
  await running;
  t.same(statuses(rig), ['trying', 'in-progress', 'completed']);
  t.ok(rig.media.endpoint.isDestroyed, 'the endpoint is given back');
  t.equal(rig.ledger.size, 0, 'nothing is left in the ledger');
  const order = rig.sink.lines.filter((line) => / speech espeak|answered| BYE/.test(line));
  t.match(order, [/speech espeak/, /answered/, /BYE/], 'synthesis comes before the answer');
});

t.test('the last status carries duration and who ended the call', async (t) => {
  const rig = await makeSession(t, [{ verb: 'pause', length: 30 }, { verb: 'answer' }]);
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'tag', data: { orderId: 'A-7' } }, { verb: 'pause', length: 30 }]);
  const running = rig.run();
  await rig.leg.actions.take();
  await rig.app.next('/status');
  await rig.app.next('/status');
  rig.leg.end({ how: 'bye', headers: { 'X-Why': 'bored' } });
  rig.leg.end({ how: 'bye', headers: {} });
  void rig.session.execute({ command: 'hangup', reason: 'both at once' });
  await running;
  const last = rig.app.seen('/status').at(-1)?.json;
  t.match(last, {
    call_status: 'completed',
    call_sid: 'call-1',
    call_termination_by: 'caller',
    duration: 0,
    sip_status: 200,
    sip_reason: 'OK',
    customer_data: { orderId: 'A-7' },
    headers: { x_why: 'bored' },
    fs_sip_address: '127.0.0.1:5070',
  });
  t.same(statuses(rig), ['trying', 'in-progress', 'completed'], 'completed is sent once');
});

t.test('a BYE that overtakes the news of the answer completes the call', async (t) => {
  const rig = await makeSession(t, [{ verb: 'answer' }, { verb: 'pause', length: 30 }]);
  const answer = rig.leg.answer.bind(rig.leg);
  rig.leg.answer = async (sdp) => {
    await answer(sdp);
    rig.leg.end({ how: 'bye', headers: {} });
  };
  await rig.run();
  t.same(statuses(rig), ['trying', 'in-progress', 'completed']);
  t.match(rig.app.seen('/status').at(-1)?.json, { call_termination_by: 'caller', duration: 0 });
});

t.test('a callee of ours whose BYE overtakes the news of his answer completes the call', async (t) => {
  let hangUp: (end: PlacedLegEnd) => void = () => {};
  const leg = new OutboundLeg(() => ({
    outcome: new Promise((resolve) =>
      setImmediate(() => {
        hangUp({ how: 'bye', headers: {} });
        resolve({ ok: true, sdp: 'v=0 callee', outerCallId: 'outer' });
      }),
    ),
    onModify: () => {},
    onDigit: () => {},
    onRefer: () => {},
    peerHost: undefined,
    request: async () => ({ status: 200, reason: 'OK' }),
    onRequest: () => {},
    onEnd: (listener) => {
      hangUp = listener;
    },
    end: async () => {},
  }));
  const rig = await makeSession(t, [{ verb: 'pause', length: 30 }], { leg, outgoing: { leg } });
  await rig.run();
  t.same(statuses(rig), ['trying', 'in-progress', 'completed']);
  t.same(rig.app.seen('/hook'), [], 'nobody is left to ask the application for');
});

t.test('a call that another feature server has reported tells nothing at its end', async (t) => {
  const ledger = {
    put: () => {},
    remove: () => {},
    isReported: async () => true,
    takeOver: async () => true,
    isTaken: async () => true,
  };
  const rig = await makeSession(t, [{ verb: 'answer' }, { verb: 'hangup' }], { ledger });
  await rig.run();
  t.same(statuses(rig), ['trying', 'in-progress']);
});

t.test('a call leaves the ledger when its last status is told, however slow its other hooks are', async (t) => {
  const tells: VerbRegistry['enqueue'] = { needs: () => 'nothing', run: async (ctx) => ctx.app.tell('/slow', {}) };
  const verbs = [{ verb: 'answer' }, { verb: 'enqueue', name: 'q' }, { verb: 'hangup' }];
  const rig = await makeSession(t, verbs, { registry: { ...VERBS, enqueue: tells } });
  let release = (): void => {};
  rig.app.on('/slow', (response) => {
    release = () => void response.writeHead(204).end();
  });
  let isOver = false;
  const running = rig.run().then(() => {
    isOver = true;
  });
  await rig.app.next('/slow');
  await until('it has left the ledger', () => rig.ledger.size === 0);
  t.same(statuses(rig), ['trying', 'in-progress', 'completed']);
  t.notOk(isOver, 'the hook is awaited all the same');
  release();
  await running;
});

t.test('a call that is to be answered twice at once is answered once', async (t) => {
  const leg = new (class extends FakeLeg {
    override async answer(sdp: string): Promise<void> {
      this.actions.post({ sent: '200', sdp });
      // The 200 takes its way to the SIP server; until then the leg counts as not answered.
      await new Promise((resolve) => setTimeout(resolve, 20));
      this.isAnswered = true;
    }
  })();
  const rig = await makeSession(t, [{ verb: 'pause', length: 60 }], { leg });
  const running = rig.run();
  await rig.app.next('/hook');
  await Promise.all([rig.session.answer(), rig.session.answer(), rig.session.earlyMedia()]);
  t.match(await leg.actions.take(), { sent: '200' });
  t.equal(leg.actions.size, 0);
  t.ok(rig.session.isAnswered);
  rig.session.hangup('over');
  await running;
});

t.test('a caller who gives up before the answer is no-answer', async (t) => {
  const rig = await makeSession(t, () => {});
  const running = rig.run();
  await rig.app.next('/hook');
  rig.leg.end({ how: 'cancelled' });
  await running;
  t.same(statuses(rig), ['trying', 'no-answer']);
  t.match(rig.app.seen('/status').at(-1)?.json, { sip_status: 487, call_termination_by: 'caller' });
  t.equal(rig.leg.actions.size, 0, 'nothing is sent on a cancelled leg');
  t.ok(rig.media.endpoint.isDestroyed);
});

t.test('an application that fails gets the caller a 480 that says why, and its status hooks', async (t) => {
  const rig = await makeSession(t, (response) => response.writeHead(500).end());
  await rig.run();
  t.match(await rig.leg.actions.take(), {
    sent: 'final',
    status: 480,
    headers: { 'X-Reason': 'webhook answered 500' },
  });
  const told = rig.sink.lines.filter((line) => / 500|480/.test(line));
  t.match(told, [/^error hook .*webhook answered with HTTP status 500$/, /^info sip 480 \(webhook answered 500\)$/]);
  t.equal(told.length, 2, 'the failure is told once, and what came of it');
  t.same(statuses(rig), ['trying', 'failed']);
  t.match(rig.app.seen('/status').at(-1)?.json, { sip_status: 480, sip_reason: 'Temporarily Unavailable' });
});

const NO_VERBS: [string, Answer][] = [
  ['an empty array', []],
  ['an object', { verb: 'hangup' }],
];
for (const [what, answer] of NO_VERBS) {
  t.test(`${what} as first answer is a 480`, async (t) => {
    const rig = await makeSession(t, answer);
    await rig.run();
    t.match(await rig.leg.actions.take(), { status: 480, headers: { 'X-Reason': /answer holds no verbs/ } });
    t.match(rig.sink.alerts, [{ alertType: 'invalid-app-payload' }]);
    t.equal(rig.sink.lines.filter((line) => /^(warn|error) /.test(line)).length, 1, 'told once');
    t.ok(rig.sink.lines.some((line) => line.startsWith('error hook')));
  });
}

t.test('a webhook that cannot be reached is not named to the caller, but on the timeline', async (t) => {
  const rig = await makeSession(t, (response) => response.socket?.destroy());
  await rig.run();
  t.match(await rig.leg.actions.take(), {
    status: 480,
    headers: { 'X-Reason': 'webhook could not be reached (ECONNRESET)' },
  });
  const errors = rig.sink.lines.filter((line) => line.startsWith('error '));
  t.match(errors, [/^error hook http:\/\/127\.0\.0\.1:\d+\/hook: /]);
  t.equal(errors.length, 1);
});

t.test('where the operator wants it, a failing application is apologized for', async (t) => {
  const rig = await makeSession(t, (response) => response.writeHead(500).end(), {}, { hookFailureMode: 'apology' });
  rig.media.endpoint.playsInstantly = true;
  await rig.run();
  t.match((await rig.vendor.requests.take()).text, /We are sorry/);
  t.match(await rig.leg.actions.take(), { sent: '200' });
  t.match(await rig.leg.actions.take(), { sent: 'BYE' });
});

t.test('fallback URL and fallback verbs are tried in this order', async (t) => {
  const rig = await makeSession(t, undefined);
  const { app } = rig;
  const withFallback = await makeSession(t, undefined, {
    sources: {
      callHook: { url: `${app.url}/broken` },
      fallbackHook: { url: `${app.url}/spare` },
      fallbackStored: '[{"verb":"sip:decline","status":486}]',
    },
  });
  app.on('/broken', (response) => response.writeHead(500).end());
  app.on('/spare', [{ verb: 'sip:decline', status: 404 }]);
  await withFallback.run();
  t.match(await withFallback.leg.actions.take(), { status: 404 });
  t.equal(app.seen('/spare').length, 1);
  const second = await makeSession(t, undefined, {
    sources: {
      callHook: { url: `${app.url}/broken` },
      fallbackHook: { url: `${app.url}/missing` },
      fallbackStored: '[{"verb":"sip:decline","status":486}]',
    },
  });
  await second.run();
  t.match(await second.leg.actions.take(), { status: 486 });
});

t.test('a stored document is used instead of the webhook', async (t) => {
  const rig = await makeSession(t, [], {
    sources: { stored: '[{"sip:decline": {"status": 486, "reason": "Busy"}}]' },
  });
  await rig.run();
  t.equal(rig.app.seen('/hook').length, 0);
  t.match(await rig.leg.actions.take(), { status: 486, reason: 'Busy', headers: { 'X-Reason': 'SIP Decline Verb' } });
  t.same(statuses(rig), ['trying', 'failed']);
});

t.test('verbs that end without an answer refuse the call with 603', async (t) => {
  const rig = await makeSession(t, [{ verb: 'tag', data: { a: 1 } }]);
  await rig.run();
  t.match(await rig.leg.actions.take(), { sent: 'final', status: 603 });
  t.match(rig.app.seen('/status').at(-1)?.json, { call_status: 'failed', sip_status: 603, sip_reason: 'Decline' });
});

t.test('earlyMedia plays on a 183 without an answer', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'say', text: 'wait', earlyMedia: true },
    { verb: 'sip:decline', status: 486 },
  ]);
  rig.media.endpoint.playsInstantly = true;
  await rig.run();
  t.match(await rig.leg.actions.take(), { sent: '183' });
  t.match(await rig.leg.actions.take(), { sent: 'final', status: 486 });
  t.same(statuses(rig), ['trying', 'early-media', 'failed']);
});

t.test('hangup sends its headers; sip:decline on an answered call is passed over', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'answer' },
    { verb: 'sip:decline', status: 486 },
    { verb: 'hangup', headers: { 'X-Bye': 'now' } },
    { verb: 'tag', data: {} },
  ]);
  await rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  t.match(await rig.leg.actions.take(), { sent: 'BYE', headers: { 'X-Bye': 'now' } });
  t.ok(rig.sink.lines.some((line) => line.startsWith('warn verb sip:decline')));
  t.notOk(
    rig.sink.lines.some((line) => line.includes('info verb tag')),
    'nothing runs after hangup',
  );
});

t.test('a verb that this version lacks is reported and passed over', async (t) => {
  const { leave: _, ...registry } = VERBS;
  const rig = await makeSession(t, [{ verb: 'leave' }, { verb: 'sip:decline', status: 486 }], { registry });
  await rig.run();
  t.match(await rig.leg.actions.take(), { status: 486 });
  t.ok(rig.sink.lines.includes('error verb leave: verb not available in this version'));
  t.match(rig.sink.alerts, [{ alertType: 'verb-not-available' }]);
});

t.test('redirect asks the new application, moves the base and the status hook', async (t) => {
  const rig = await makeSession(t, [{ verb: 'pause', length: 0 }]);
  const { app } = rig;
  app.on('/hook', [
    { verb: 'redirect', actionHook: `${app.url}/next`, statusHook: '/status2', id: 'r1' },
    { verb: 'answer' },
  ]);
  app.on('/status2', (response) => response.writeHead(204).end());
  app.on('/next', [{ verb: 'sip:decline', status: 404 }]);
  await rig.run();
  t.match(app.seen('/next')[0]?.json, { call_sid: 'call-1', verb_id: 'r1', call_status: 'trying' });
  t.match(await rig.leg.actions.take(), { status: 404 });
  t.same(
    app.seen('/status2').map(({ json }) => json.call_status),
    ['failed'],
  );
});

t.test('config changes the voice of later verbs, and reset brings the old one back', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'config',
      synthesizer: { vendor: 'espeak', language: 'de-DE', voice: 'de' },
    },
    { verb: 'say', text: 'eins' },
    { verb: 'config', reset: ['synthesizer', 'listen', 'bargein'], notifyEvents: false },
    { verb: 'say', text: 'one' },
    { verb: 'say', text: 'two', synthesizer: { vendor: 'default', language: 'en-GB' } },
  ]);
  rig.media.endpoint.playsInstantly = true;
  await rig.run();
  t.match(await rig.vendor.requests.take(), { text: 'eins', language: 'de-DE', voice: 'de' });
  t.match(await rig.vendor.requests.take(), { text: 'one', language: 'en-US', voice: 'en-us' });
  t.match(await rig.vendor.requests.take(), { text: 'two', language: 'en-GB' });
  const told = JSON.stringify(rig.sink.events);
  t.match(told, /config: reset knows synthesizer and recognizer, not listen, bargein/, 'what is no setting is told');
});

t.test('a media server that is not there refuses the call with 503', async (t) => {
  const rig = await makeSession(t, [{ verb: 'say', text: 'hello' }]);
  rig.media.failure = new MediaServerError('media server is not connected');
  await rig.run();
  t.match(await rig.leg.actions.take(), { status: 503, headers: { 'X-Reason': 'media server not available' } });
  t.same(statuses(rig), ['trying', 'failed']);
});

t.test('a media server that goes away ends the call with BYE', async (t) => {
  const rig = await makeSession(t, [{ verb: 'say', text: 'hello', loop: 'forever' }]);
  const running = rig.run();
  await rig.media.endpoint.plays.take();
  rig.media.endpoint.lose('connection closed');
  await running;
  t.match(await rig.leg.actions.take(), { sent: '200' });
  t.match(await rig.leg.actions.take(), {
    sent: 'BYE',
    headers: { Reason: 'SIP;cause=503;text="media server lost: connection closed"' },
  });
  t.match(rig.app.seen('/status').at(-1)?.json, { call_status: 'completed', call_termination_by: 'jambonz' });
});

t.test('a SIP server that goes away completes the call without a BYE', async (t) => {
  const rig = await makeSession(t, [{ verb: 'say', text: 'hello' }]);
  const running = rig.run();
  const playback = await rig.media.endpoint.plays.take();
  t.equal(rig.ledger.get('call-1')?.payload.callStatus, 'in-progress', 'the ledger knows the call');
  rig.leg.end({ how: 'lost', reason: 'control connection closed' });
  await running;
  t.ok(playback.isStopped);
  t.ok(rig.media.endpoint.isDestroyed);
  t.match(await rig.leg.actions.take(), { sent: '200' });
  t.equal(rig.leg.actions.size, 0);
  t.same(statuses(rig), ['trying', 'in-progress', 'failed']);
});

t.test('a redirect from outside stops the verb and replaces the queue', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'say', text: 'long story' },
    { verb: 'say', text: 'never heard' },
  ]);
  const running = rig.run();
  const playback = await rig.media.endpoint.plays.take();
  void rig.session.execute({ command: 'redirect', verbs: [{ verb: 'hangup', headers: { 'X-Done': '1' } }] });
  await running;
  t.ok(playback.isStopped);
  await rig.leg.actions.take();
  t.match(await rig.leg.actions.take(), { sent: 'BYE', headers: { 'X-Done': '1' } });
});

t.test('verbs that are queued from outside wait in bounded number and size', async (t) => {
  const rig = await makeSession(t, [{ verb: 'answer' }, { verb: 'pause', length: 60 }]);
  const running = rig.run();
  t.match(await rig.leg.actions.take(), { sent: '200' });
  const verbs = Array.from({ length: 600 }, () => ({ verb: 'pause' as const, length: 1 }));
  const queue = () => rig.session.execute({ command: 'redirect', verbs, isQueued: true });
  t.match(await queue(), { ok: true });
  t.match(await queue(), { ok: false, because: 'wrong state', reason: /verbs wait already/ });
  await rig.session.execute({ command: 'redirect', verbs: [{ verb: 'pause', length: 60 }], isQueued: false });
  const long = () => [{ verb: 'tag' as const, data: { text: 'x'.repeat(1024 * 1024) } }];
  const queueLong = () => rig.session.execute({ command: 'redirect', verbs: long(), isQueued: true });
  for (let i = 0; i < 3; i++) t.match(await queueLong(), { ok: true });
  t.match(await queueLong(), { ok: false, because: 'wrong state', reason: /characters of verbs would wait/ });
  rig.session.hangup('over');
  await running;
});

t.test('a call that lasts too long is ended', async (t) => {
  const rig = await makeSession(
    t,
    [{ verb: 'answer' }, { verb: 'pause', length: 60 }],
    {},
    { maxCallDurationMs: 1000 },
  );
  await rig.run();
  await rig.leg.actions.take();
  t.match(await rig.leg.actions.take(), { sent: 'BYE' });
});

t.test('a re-INVITE is answered by the media endpoint', async (t) => {
  const rig = await makeSession(t, [{ verb: 'answer' }, { verb: 'pause', length: 60 }]);
  const running = rig.run();
  await rig.leg.actions.take();
  t.equal(await rig.leg.modify('v=0 hold'), 'answer to v=0 hold');
  t.equal(await rig.leg.modify(''), 'v=0 fake', 'an offerless one gets the present SDP');
  rig.leg.end({ how: 'bye', headers: {} });
  await running;
});
