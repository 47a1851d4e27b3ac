import { type CallEnded, createEventSink, createTimeline, storeEvents } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from './testing/api.js';
import { readEvents } from './testing/client.js';

const api = await startTestApi();
t.teardown(() => api.stop());
const { account, admin, server } = api;
const sink = createEventSink({ redis: api.redis, source: 'test:1', logger: api.logger });
t.teardown(() => sink.close());

const T0 = Date.UTC(2026, 0, 1);
const call = (callSid: string, more: Partial<CallEnded> = {}): CallEnded => ({
  callSid,
  accountSid: SEED.accountSid,
  serviceProviderSid: SEED.serviceProviderSid,
  applicationSid: SEED.applicationSid,
  voipCarrierSid: SEED.carrierSid,
  direction: 'inbound',
  from: '4930100',
  to: '15551234567',
  sipCallId: `${callSid}@example.com`,
  trunk: 'carrier',
  remoteHost: '127.0.0.1',
  host: '127.0.0.2',
  attemptedAt: T0,
  owner: 'edge',
  answered: true,
  answeredAt: T0 + 1_000,
  terminatedAt: T0 + 4_000,
  durationSec: 3,
  sipStatus: 200,
  sipReason: 'OK',
  terminationReason: 'caller hungup',
  ...more,
});
let nextId = 0;
const store = (calls: CallEnded[]) =>
  storeEvents(
    api.db,
    calls.map((data) => ({ id: `id-${nextId++}`, type: 'call.ended', at: T0, source: 'x', data })),
  );
const recentCalls = (query = '') => account('GET', `/v1/Accounts/${SEED.accountSid}/RecentCalls${query}`);
const sids = async (query: string) =>
  ((await recentCalls(query)).body as { data: { call_sid: string }[] }).data.map((row) => row.call_sid);

t.test(
  'recent calls are listed in jambonz’s fields and units, newest first, finished ones of the account only',
  async (t) => {
    await store([
      call('a'),
      call('b', {
        attemptedAt: T0 + 10,
        answered: false,
        answeredAt: null,
        durationSec: 0,
        trunk: 'other',
        direction: 'outbound',
      }),
      call('c', { attemptedAt: Date.now() - 1_000, from: '50%' }),
      call('not mine', { accountSid: SEED.siblingAccountSid }),
    ]);
    const { owner: _, ...running } = call('running');
    await storeEvents(api.db, [
      { id: 'r', type: 'call.started', at: T0, source: 'x', data: { ...running, owner: 'edge' } },
    ]);
    t.strictSame(await sids(''), ['c', 'b', 'a']);
    t.match(await recentCalls('?page=3&page_size=1'), {
      body: {
        page: 3,
        page_size: 1,
        total: 3,
        data: [
          {
            call_sid: 'a',
            account_sid: SEED.accountSid,
            from: '4930100',
            to: '15551234567',
            sip_callid: 'a@example.com',
            answered: true,
            duration: 3,
            sip_status: 200,
            termination_reason: 'caller hungup',
            direction: 'inbound',
            trunk: 'carrier',
            host: '127.0.0.2',
            remote_host: '127.0.0.1',
            attempted_at: T0,
            answered_at: T0 + 1_000,
            terminated_at: T0 + 4_000,
          },
        ],
      },
    });
  },
);

t.test('recent calls are filtered; a filter’s signs mean themselves; wrong parameters are named', async (t) => {
  t.strictSame(await sids('?answered=false'), ['b']);
  t.strictSame(await sids('?direction=outbound'), ['b']);
  t.strictSame(await sids('?trunk=other'), ['b']);
  t.strictSame(await sids('?days=1'), ['c']);
  t.strictSame(await sids('?start=2026-01-01T00:00:00.005Z&end=2026-01-01T01:00:00Z'), ['b']);
  t.strictSame(await sids('?filter=a%40example'), ['a']);
  t.strictSame(await sids('?filter=%25'), ['c']);
  t.strictSame(await sids(`?filter=${encodeURIComponent("' OR 1=1 -- ")}`), []);
  t.strictSame(await sids('?count=2'), ['c', 'b']);
  for (const [query, field] of [
    ['page_size=501', 'page_size'],
    ['count=0', 'count'],
    ['page=x', 'page'],
    ['direction=up', 'direction'],
    ['answered=1', 'answered'],
    ['days=0', 'days'],
    ['start=yesterday', 'start'],
    ['days=1&start=2026-01-01', 'days'],
    ['start=2026-01-02&end=2026-01-01', 'start'],
    ['trunk=a&trunk=b', 'trunk'],
  ] as const) {
    t.match(await recentCalls(`?${query}`), { status: 400, body: { msg: new RegExp(`^${field}: `) } }, query);
  }
});

t.test('one call is found by its sid or Call-ID, running ones too, and only within its account', async (t) => {
  t.match(await recentCalls('/a'), { status: 200, body: { call_sid: 'a', duration: 3 } });
  t.match(await recentCalls('/a%40example.com'), { body: { call_sid: 'a' } });
  t.match(await recentCalls('/running'), { body: { call_sid: 'running', terminated_at: null } });
  t.equal((await recentCalls('/not%20mine')).status, 404);
  t.equal((await recentCalls('/nothing')).status, 404);
});

t.test('alerts are listed newest first and filtered by type', async (t) => {
  const alert = (alertType: string, at: number, accountSid: string = SEED.accountSid) =>
    sink.emit(
      'alert',
      { alertType, accountSid, serviceProviderSid: null, message: `m ${alertType}`, detail: 'd' },
      { at },
    );
  alert('webhook-failure', T0);
  alert('tts-failure', T0 + 1);
  alert('tts-failure', T0 + 2, SEED.siblingAccountSid);
  const alerts = async (query = '') => (await account('GET', `/v1/Accounts/${SEED.accountSid}/Alerts${query}`)).body;
  await until('the worker wrote them', async () => ((await alerts()) as { total: number }).total === 2);
  t.match(await alerts(), {
    page_size: 25,
    data: [{ alert_type: 'tts-failure', time: '2026-01-01T00:00:00.001Z' }, { alert_type: 'webhook-failure' }],
  });
  t.match(await alerts('?alert_type=webhook-failure'), {
    total: 1,
    data: [{ message: 'm webhook-failure', detail: 'd' }],
  });
});

const timelineUrl = (callId: string) =>
  `${server.url}/v1/Accounts/${SEED.accountSid}/Calls/${encodeURIComponent(callId)}/Timeline`;
const open = (callId: string, signal?: AbortSignal) =>
  fetch(timelineUrl(callId), {
    headers: { authorization: `Bearer ${SEED.accountToken}`, accept: 'text/event-stream' },
    ...(signal ? { signal } : {}),
  });
const json = (callId: string, client = account) => client('GET', new URL(timelineUrl(callId)).pathname);
/** Opens a call's stream as soon as the call is known. */
const openWhenKnown = (callId: string) =>
  until('the call is known', async () => {
    const response = await open(callId);
    if (response.status === 200) return response;
    await response.body?.cancel();
    return undefined;
  });

t.test(
  'a timeline is live: it gives what came before, each line once, then each as it happens, and ends after the last',
  async (t) => {
    const about = { callSid: 'live', sipCallId: 'live@phone', accountSid: SEED.accountSid };
    const timeline = createTimeline(sink, about);
    t.equal((await json('live')).status, 404);
    timeline.info('call', 'INVITE from 1 to 2');
    timeline.info('hook', 'POST /hello', { authorization: 'Bearer abcdefgh' });
    const response = await openWhenKnown('live@phone');
    t.equal(response.headers.get('content-type'), 'text/event-stream');
    const events = readEvents(response);
    const next = async () => (await events.next()).value as Record<string, unknown> | undefined;
    t.match(await next(), { kind: 'call', level: 'info', text: 'INVITE from 1 to 2', at_ms: Number, offset_ms: 0 });
    t.match(await next(), { kind: 'hook', data: { authorization: '***' } });
    timeline.warn('verb', 'say');
    t.match(await next(), { kind: 'verb', level: 'warn', text: 'say' });
    await until(
      'the database has them',
      async () => (await api.db.query("SELECT 1 FROM call_timeline WHERE call_sid = 'live'")).length === 3,
    );
    timeline.info('call', 'over', { final: true });
    t.match(await next(), { text: 'over' });
    t.equal(await next(), undefined);

    const again = [];
    for await (const entry of readEvents(await open('live'))) again.push(entry.text);
    t.strictSame(
      again,
      ['INVITE from 1 to 2', 'POST /hello', 'say', 'over'],
      'one who comes late gets all of it and the end',
    );
    const { status, body } = await json('live');
    t.equal(status, 200);
    t.match(body, {
      call_sid: 'live',
      started_at: Number,
      entries: [{ offset_ms: 0 }, { kind: 'hook' }, { kind: 'verb' }, { kind: 'call', data: { final: true } }],
    });
  },
);

t.test('a timeline measures from the INVITE of the call record, and is the same by sid and by Call-ID', async (t) => {
  const timeline = createTimeline(sink, { callSid: 'a', accountSid: SEED.accountSid });
  timeline.info('sip', 'something');
  await until('it is there', async () => ((await json('a')).body as { entries: unknown[] }).entries.length === 1);
  const body = (await json('a')).body as { started_at: number; entries: { at_ms: number; offset_ms: number }[] };
  t.equal(body.started_at, T0);
  t.ok(Math.abs((body.entries[0]?.at_ms ?? 0) - T0 - (body.entries[0]?.offset_ms ?? 0)) < 1);
  t.strictSame((await json('a@example.com')).body, body);
});

t.test('the timeline of another account’s call is not shown; one without an account is for admins', async (t) => {
  createTimeline(sink, { callSid: 'foreign', accountSid: SEED.siblingAccountSid }).info('call', 'secret');
  createTimeline(sink, { callSid: 'nobody' }).info('call', 'number unknown');
  await until('an admin sees it', async () => (await json('nobody', admin)).status === 200);
  t.equal((await json('nobody')).status, 404);
  t.equal((await json('foreign')).status, 404);
  t.equal((await json('foreign', admin)).status, 404, 'it is not a call of the account in the path');
  t.equal((await open('foreign')).status, 404);
});

t.test('a live timeline goes on after Redis was killed and restarted', async (t) => {
  const timeline = createTimeline(sink, { callSid: 'tough', accountSid: SEED.accountSid });
  timeline.info('call', 'one');
  const events = readEvents(await openWhenKnown('tough'));
  t.match((await events.next()).value, { text: 'one' });
  await api.redisServer.kill();
  timeline.info('call', 'two');
  await api.redisServer.restart();
  timeline.info('call', 'three', { final: true });
  const rest = [];
  for await (const entry of events) rest.push(entry.text);
  t.strictSame(rest, ['two', 'three']);
});

t.test('a reader that goes away leaves nothing, and draining ends the streams that are open', async (t) => {
  createTimeline(sink, { callSid: 'open', accountSid: SEED.accountSid }).info('call', 'one');
  const first = await openWhenKnown('open');
  const abort = new AbortController();
  const second = await open('open', abort.signal);
  abort.abort();
  await t.rejects(second.text());
  const rest = first.text();
  await server.drain();
  t.match(await rest, /"text":"one"/);
  await t.rejects(fetch(`${server.url}/health`), 'it takes no more requests');
});
