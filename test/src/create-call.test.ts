import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createLogger, openDatabase } from '@ringwire/common';
import { type AnswerCallsOptions, type AnsweringPhone, answerCalls } from '@ringwire/phone';
import { offerAudio } from '@ringwire/rtp';
import { createUserAgent, type IncomingCall } from '@ringwire/sip';
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { CallRecord } from './support/test-platform.js';

/** What is used of `@jambonz/node-client-ws`, which has no types. */
interface SocketSession {
  data: Record<string, unknown>;
  on(event: string, listener: (data: Record<string, unknown>) => void): void;
  gather(options: object): SocketSession;
  hangup(): SocketSession;
  send(): void;
  reply(): void;
}
const { createEndpoint } = createRequire(import.meta.url)('@jambonz/node-client-ws') as {
  createEndpoint(options: object): (options: { path: string }) => {
    on(event: 'session:new', listener: (session: SocketSession) => void): void;
  };
};

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;
const HOOK = { method: 'POST' };

/** A telephone in the outside world, reached by its SIP URI or as a gateway. */
async function phone(options: AnswerCallsOptions = {}): Promise<AnsweringPhone> {
  const made = await answerCalls(options);
  t.teardown(() => made.close());
  return made;
}

const good = await phone({ answerAfterMs: 50 });
await carrier('plain', good);
// A line is made after the carrier: then the call path knows both.
const line = await ringwire.line();

async function carrier(name: string, { host, port }: AnsweringPhone): Promise<void> {
  const db = openDatabase(instance.mysql, { logger: createLogger({ name: 'test', level: 'warn' }) });
  try {
    const sid = randomUUID();
    const [owner] = await db.query<{ service_provider_sid: string }>(
      'SELECT service_provider_sid FROM accounts WHERE account_sid = ?',
      [instance.accountSid],
    );
    await db.execute(
      'INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid) VALUES (?)',
      [[sid, name, instance.accountSid, owner?.service_provider_sid ?? '']],
    );
    await db.execute(
      'INSERT INTO sip_gateways (sip_gateway_sid, voip_carrier_sid, ipv4, port, inbound, outbound) VALUES (?)',
      [[randomUUID(), sid, host, port, 0, 1]],
    );
  } finally {
    await db.close();
  }
}

interface Created {
  sid: string;
  callId: string;
}

const create = (body: Record<string, unknown>): Promise<Created> =>
  ringwire.api('POST', `/v1/Accounts/${instance.accountSid}/Calls`, { from: '15550002222', ...body });

/** Paths of hooks that no other call of the test uses. */
let calls = 0;
function hooks(verbs: unknown[]): { path: string; status: string; fields: Record<string, unknown> } {
  calls += 1;
  const [path, status] = [`/ordered-${calls}`, `/ordered-status-${calls}`];
  application.answer(path, verbs);
  const url = (hookPath: string) => new URL(hookPath, application.url).href;
  return {
    path,
    status,
    fields: { call_hook: { url: url(path), ...HOOK }, call_status_hook: { url: url(status), ...HOOK } },
  };
}

const uri = ({ host, port }: AnsweringPhone): Record<string, unknown> => ({
  type: 'sip',
  sipUri: `sip:bob@${host}:${port}`,
});

const FINAL = ['completed', 'failed', 'busy', 'no-answer'];

/** The statuses of a call, once the final one has come; without a sid, of all calls of the path. */
const statusesOf = (path: string, callSid?: string): Promise<string[]> =>
  eventually(
    `final status at ${path}`,
    () => application.statuses(path, callSid),
    (statuses) => statuses.some((status) => FINAL.includes(status)),
    { timeoutMs: 20_000 },
  );

async function recordOf(sid: string): Promise<CallRecord> {
  const found = await eventually(
    `record of ${sid}`,
    async () => (await ringwire.records()).filter((record) => record.call_sid === sid && record.terminated_at),
    (records) => records.length > 0,
    { timeoutMs: 20_000 },
  );
  return found[0] as CallRecord;
}

t.test('a number is called over a carrier, the application of the line runs when it answers', async (t) => {
  application.answer(line.call, [{ verb: 'pause', length: 0.2 }]);
  const { sid, callId } = await create({
    to: { type: 'phone', number: '+4930123456', trunk: 'plain', headers: { 'X-Own': 'kept' } },
    application_sid: line.applicationSid,
    callerName: 'Anna',
    tag: { order: 7 },
    timeout: 30,
  });
  const callee = await good.nextCall();
  const { body } = await application.request(line.call);
  await callee.finished;
  t.match(body, {
    call_sid: sid,
    call_id: callId,
    direction: 'outbound',
    from: '15550002222',
    to: '+4930123456',
    call_status: 'in-progress',
    sip_status: 200,
    application_sid: line.applicationSid,
    customer_data: { order: 7 },
    defaults: { synthesizer: { language: String } },
  });
  t.notOk('sip' in body, 'there is no INVITE of a caller');
  t.same(await statusesOf(line.status), ['trying', 'ringing', 'in-progress', 'completed']);
  const statuses = application.requests.filter(({ path }) => path === line.status);
  t.ok(statuses.every((request) => request.body.call_sid === sid));
  t.match(statuses.at(-1)?.body, { duration: Number, call_termination_by: 'jambonz', sbc_callid: String });
  t.match(await recordOf(sid), { direction: 'outbound', trunk: 'plain', answered: true, sip_status: 200 });
  const lines = (await ringwire.timeline(sid)).map(({ text }) => text).join('\n');
  t.match(lines, /200 OK: the callee answered[\s\S]*verbs: pause/);
});

t.test('a call with hooks of its own and no application; the callee hangs up', async (t) => {
  const { path, status, fields } = hooks([{ verb: 'pause', length: 30 }]);
  const { sid } = await create({ to: uri(good), ...fields });
  const callee = await good.nextCall();
  const { body } = await application.request(path);
  t.notOk('application_sid' in body);
  await callee.hangup();
  t.same(await statusesOf(status), ['trying', 'ringing', 'in-progress', 'completed']);
  const last = application.requests.filter((request) => request.path === status).at(-1);
  t.match(last?.body, { call_termination_by: 'caller' });
  t.match(await recordOf(sid), { termination_reason: 'called party hungup' });
});

const FAILURES: { what: string; phone: AnswerCallsOptions; options?: object; statuses: string[]; sip: number }[] = [
  { what: 'busy', phone: { reject: { status: 486 } }, statuses: ['trying', 'busy'], sip: 486 },
  { what: 'declined', phone: { reject: { status: 603 } }, statuses: ['trying', 'busy'], sip: 603 },
  { what: 'failing', phone: { reject: { status: 503 } }, statuses: ['trying', 'failed'], sip: 503 },
  {
    what: 'not answered in time',
    phone: { answerAfterMs: 'never' },
    options: { timeout: 1 },
    statuses: ['trying', 'ringing', 'no-answer'],
    sip: 487,
  },
];
for (const { what, phone: callee, options, statuses, sip } of FAILURES) {
  t.test(`a call that is ${what}: ${statuses.join(', ')}, once each, and the application is not asked`, async (t) => {
    const { path, status, fields } = hooks([]);
    const { sid } = await create({ to: uri(await phone(callee)), ...fields, ...options });
    t.same(await statusesOf(status), statuses);
    const last = application.requests.filter((request) => request.path === status).at(-1);
    t.match(last?.body, { sip_status: sip });
    t.match(await recordOf(sid), { answered: false });
    t.same(
      application.requests.filter((request) => request.path === path),
      [],
    );
  });
}

t.test(
  'SIP URIs that challenge us get the proof of the credentials of the order, and of the target of dial',
  async (t) => {
    const pbx = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'pbx' });
    t.teardown(() => pbx.stop());
    const { host, port } = pbx.addresses[0]!;
    const accepted: string[] = [];
    pbx.onInvite((call) => {
      const proof = call.request.get('Authorization') ?? '';
      const field = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(proof)?.[1] ?? '';
      const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
      const secrets = `${md5(`${field('username')}:pbx:geheim`)}:n:${field('nc')}:${field('cnonce')}:auth`;
      if (field('response') !== md5(`${secrets}:${md5(`INVITE:${call.request.uri}`)}`)) {
        return call.reject(401, undefined, { 'WWW-Authenticate': 'Digest realm="pbx", nonce="n", qop="auth"' });
      }
      accepted.push(field('username'));
      const dialog = call.accept(offerAudio({ host, port: 9, sessionId: '1', sessionVersion: 1 }));
      // The dialled one hangs up, which ends the call of whoever was called first.
      if (field('username') === 'dialled') setTimeout(() => void dialog?.bye(), 100);
    });
    const target = (username: string) => ({
      type: 'sip',
      sipUri: `sip:bob@${host}:${port}`,
      auth: { username, password: 'geheim' },
    });
    const { path, status, fields } = hooks([{ verb: 'dial', target: [target('dialled')] }]);
    const { sid } = await create({ to: target('ordered'), ...fields });
    await application.request(path);
    t.same(await statusesOf(status, sid), ['trying', 'in-progress', 'completed']);
    t.same(accepted, ['ordered', 'dialled']);
    t.notMatch(JSON.stringify(await ringwire.timeline(sid)), /geheim/);
  },
);

t.test('no-answer asked for while a call rings: it is cancelled, and told no-answer once', async (t) => {
  const { status, fields } = hooks([]);
  const { sid } = await create({ to: uri(await phone({ answerAfterMs: 'never' })), ...fields });
  await application.request(({ path, body }) => path === status && body.call_status === 'ringing');
  await ringwire.api('PUT', `/v1/Accounts/${instance.accountSid}/Calls/${sid}`, { call_status: 'no-answer' });
  t.same(await statusesOf(status, sid), ['trying', 'ringing', 'no-answer']);
  t.match(await recordOf(sid), { answered: false, sip_status: 487 });
});

t.test('hooks with credentials, speech settings, headers and who is calling are as the order says', async (t) => {
  const pbx = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'pbx' });
  t.teardown(() => pbx.stop());
  const { host, port } = pbx.addresses[0]!;
  const invites = new Promise<{ request: IncomingCall['request']; dialog: ReturnType<IncomingCall['accept']> }>(
    (resolve) => {
      pbx.onInvite((call) => {
        const dialog = call.accept(offerAudio({ host, port: 9, sessionId: '1', sessionVersion: 1 }));
        resolve({ request: call.request, dialog });
      });
    },
  );
  const { path, status, fields } = hooks([{ verb: 'pause', length: 60 }]);
  const within = application.url.replace(/\/$/, '');
  const from = `agent-${'7'.repeat(94)}`;
  const { sid } = await create({
    ...{
      from,
      callerName: 'Zoë',
      fromHost: 'pbx.example.org',
      tag: { order: 7 },
      answerOnBridge: true,
      env_vars: { Greeting: 'hi' },
    },
    to: { type: 'sip', sipUri: `sip:bob@${host}:${port}`, headers: { 'X-To': 'kept' } },
    headers: { 'X-Own': 'kept', 'Call-ID': 'mine' },
    call_hook: { ...(fields.call_hook as object), basicAuth: { username: 'jane', password: 'pass:word' } },
    call_status_hook: { ...(fields.call_status_hook as object), username: 'joe', password: 'geheim' },
    ...{ speech_synthesis_vendor: 'flite', speech_synthesis_language: 'en-GB', speech_synthesis_voice: 'kal' },
    ...{ speech_recognizer_vendor: 'pocketsphinx', speech_recognizer_language: 'en-US' },
    ...{ speech_synthesis_label: 'mine', speech_recognizer_label: 'own' },
    sipRequestWithinDialogHook: { url: `${within}/within-${path.slice(1)}` },
    referHook: `${within}/refer-${path.slice(1)}`,
  });
  const { request, dialog } = await invites;
  t.match(request.get('From'), new RegExp(`"?Zo.*<sip:${from}@pbx\\.example\\.org`));
  t.match([request.get('X-Own'), request.get('X-To')], ['kept', 'kept']);
  t.not(request.get('Call-ID'), 'mine');
  const { body, headers } = await application.request(path);
  t.equal(headers.authorization, `Basic ${Buffer.from('jane:pass:word').toString('base64')}`);
  t.match(body, {
    call_sid: sid,
    from,
    caller_name: 'Zoë',
    customer_data: { order: 7 },
    env_vars: { Greeting: 'hi' },
    defaults: {
      synthesizer: { vendor: 'flite', language: 'en-GB', voice: 'kal', label: 'mine' },
      recognizer: { vendor: 'pocketsphinx', language: 'en-US', label: 'own' },
    },
  });
  const last = application.requests.findLast((one) => one.path === status);
  t.equal(last?.headers.authorization, `Basic ${Buffer.from('joe:geheim').toString('base64')}`);
  await dialog?.info({ body: 'hello', contentType: 'text/plain' });
  t.match((await application.request(`/within-${path.slice(1)}`)).body, { sip_method: 'INFO', sip_body: 'hello' });
  await dialog?.request('REFER', undefined, { 'Refer-To': '<sip:carol@example.com>' });
  t.match((await application.request(`/refer-${path.slice(1)}`)).body, { refer_details: { refer_to_user: 'carol' } });
  await dialog?.bye();
  t.same(await statusesOf(status, sid), ['trying', 'in-progress', 'completed']);
  const lines = (await ringwire.timeline(sid)).map(({ text }) => text).join('\n');
  t.match(lines, /not available in this version: headers\.Call-ID/);
});

t.test('an application, its number and a call on order: each can be had as soon as it was made', async (t) => {
  const [{ voip_carrier_sid: carrierSid } = { voip_carrier_sid: '' }] = await ringwire.api<
    { voip_carrier_sid: string }[]
  >('GET', '/v1/PhoneNumbers');
  for (let i = 0; i < 3; i++) {
    const { path, fields } = hooks([{ verb: 'sip:decline', status: 489 }]);
    const made = await ringwire.api<{ sid: string }>('POST', '/v1/Applications', {
      ...{ name: `new ${i}`, account_sid: instance.accountSid },
      ...fields,
    });
    const application_sid = made.sid;
    const number = `1777666000${i}`;
    await ringwire.api('POST', '/v1/PhoneNumbers', {
      ...{ number, account_sid: instance.accountSid },
      ...{ voip_carrier_sid: carrierSid, application_sid },
    });
    t.equal((await (await ringwire.call(number)).finished).status, 489);
    application.answer(path, [{ verb: 'hangup' }]);
    await create({ to: uri(good), application_sid });
    await (await good.nextCall()).finished;
  }
});

t.test('a call is ended by its time limit', async (t) => {
  const { status, fields } = hooks([{ verb: 'pause', length: 60 }]);
  const { sid } = await create({ to: uri(good), ...fields, timeLimit: 1 });
  await (await good.nextCall()).finished;
  t.same(await statusesOf(status), ['trying', 'ringing', 'in-progress', 'completed']);
  const lines = (await ringwire.timeline(sid)).map(({ text }) => text);
  t.ok(lines.includes('the call reached its time limit'));
});

t.test('what cannot be placed is refused by name', async (t) => {
  const { fields } = hooks([]);
  const to = uri(good);
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ to, from: undefined, ...fields }, /400: .*from/],
    [{ to: { type: 'phone' }, ...fields }, /400: .*to: .*number/],
    [{ to: { type: 'pigeon', number: '1' }, ...fields }, /400: .*to: .*type/],
    [{ to }, /400: .*application_sid/],
    [{ to, ...fields, timeout: 'long' }, /400: .*timeout/],
    [{ to, ...fields, call_hook: 'ftp://x' }, /400: .*call_hook.url/],
    [{ to, ...fields, aplication_sid: 'x' }, /400: .*aplication_sid: unknown/],
    [{ to, application_sid: randomUUID() }, /400: .*application_sid/],
    [{ to, ...fields, headers: { 'bad name': 'x' } }, /400: .*headers/],
    [{ to, ...fields, amd: { thresholdWordCount: 3 } }, /400: .*amd: .*actionHook/],
  ];
  for (const [body, expected] of cases) await t.rejects(create(body), expected, JSON.stringify(expected.source));
});

t.test("a stranger's order at the feature server's own port is refused", async (t) => {
  const url = new URL('/v1/createCall', instance.metrics['feature-server']);
  const post = (headers: Record<string, string>) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"payload":"{}"}',
    });
  t.equal((await post({})).status, 401);
  t.equal((await post({ 'X-Ringwire-Signature': `t=${Date.now()},v1=${'0'.repeat(64)}` })).status, 401);
});

t.test('a call may be given to an application behind a WebSocket', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const statuses: unknown[] = [];
  const session = new Promise<SocketSession>((resolve) => {
    createEndpoint({ server })({ path: '/app' }).on('session:new', (session) => {
      session.on('call:status', ({ call_status }) => statuses.push(call_status));
      session.on('/paused', () => session.hangup().reply());
      session.gather({ input: ['digits'], timeout: 0.1, actionHook: '/paused' }).send();
      resolve(session);
    });
  });
  const { port } = server.address() as AddressInfo;
  const { sid } = await create({ to: uri(good), call_hook: `ws://127.0.0.1:${port}/app`, tag: { ownKey: 1 } });
  const { data } = await session;
  t.match(data, { call_sid: sid, direction: 'outbound', customer_data: { ownKey: 1 }, fs_sip_address: /:/ });
  await eventually(
    'final status over the socket',
    () => statuses,
    () => statuses.includes('completed'),
    { timeoutMs: 20_000 },
  );
  t.strictSame(statuses, ['completed'], 'the client drops what comes before session:new');
});
