import type { ServerResponse } from 'node:http';
import {
  type Account,
  addPart,
  applicationQueue,
  clientReceiptQueue,
  closeRedis,
  createMetrics,
  type MessageRecord,
  openPartsKey,
  openRedis,
  outboundQueue,
  ProvisioningSnapshot,
  partsKeyOf,
  readParts,
  takeInbound,
} from '@ringwire/common';
import { carrier } from '@ringwire/common/testing/routing-rows.js';
import { startTestRedis } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { test } from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { DEFAULT_CONVERSATION_LIMITS } from '../app-client/ws-application-options.js';
import { ApplicationServer } from '../testing/application-server.js';
import { CollectingSink, silentLogger } from '../testing/fakes.js';
import { ACCOUNT_SID, APPLICATION_SID, provisioningOf, webhookOf } from '../testing/platform-rig.js';
import { SocketServer } from '../testing/socket-server.js';
import { VERBS } from '../verbs/registry.js';
import { type MessageIntake, startMessageIntake } from './message-intake.js';
import { Outbox } from './outbox.js';
import { SessionMessages } from './session-messages.js';

const OTHER = 'other-account';

test('messages for applications', async (t) => {
  const logger = silentLogger;
  const server = await startTestRedis();
  const redis = openRedis({ host: server.host, port: server.port }, { logger, name: 'test' });
  const app = await ApplicationServer.start();
  const guard = new AddressGuard({ allowPrivate: true });
  const http = new HttpClient(guard, { headersTimeoutMs: 10_000 });
  t.teardown(async () => {
    http.close();
    await app.stop();
    await closeRedis(redis);
    await server.stop();
  });
  t.beforeEach(() => redis.flushall());
  const queue = applicationQueue(redis);
  const out = outboundQueue(redis);

  /** Instead of the path of the web server. */
  let messagingUrl: string | undefined;
  /** Two accounts; the carrier's messages go to the first, those to 222 to the second. */
  const snapshot = (): ProvisioningSnapshot => {
    const base = provisioningOf(app.url, {
      messagingHook: webhookOf(messagingUrl ?? `${app.url}/messages`),
    }).snapshot();
    const account = base.accountsBySid.get(ACCOUNT_SID) as Account;
    const application = base.applicationsBySid.get(APPLICATION_SID)!;
    const number = { phoneNumberSid: 'n', number: '222', voipCarrierSid: 'c1', serviceProviderSid: null };
    return new ProvisioningSnapshot(
      {
        serviceProviders: [],
        accounts: [account, { ...account, accountSid: OTHER, sipRealm: 'example.com' }],
        applications: [
          application,
          { ...application, applicationSid: 'other', accountSid: OTHER, messagingHook: webhookOf(`${app.url}/others`) },
        ],
        webhooks: [],
        sipGateways: [],
        phoneNumbers: [
          { ...number, accountSid: OTHER, applicationSid: 'other' },
          { ...number, phoneNumberSid: 'n3', number: '333', accountSid: OTHER, applicationSid: null },
        ],
        voipCarriers: [carrier('c1', { accountSid: ACCOUNT_SID, applicationSid: APPLICATION_SID })],
      },
      [],
      0,
    );
  };
  const start = (
    retryDelaysMs: number[] = [20, 20],
  ): { intake: MessageIntake; sink: CollectingSink; records: () => MessageRecord[] } => {
    const sink = new CollectingSink();
    const counters = createMetrics({ name: 'test', instanceId: 'test' });
    const intake = startMessageIntake({
      redis,
      queue,
      outbox: new Outbox({ redis, sink, queue: out }),
      sink,
      snapshot,
      applications: { http, guard, sockets: DEFAULT_CONVERSATION_LIMITS },
      registry: VERBS,
      counters,
      logger,
      retryDelaysMs,
    });
    t.teardown(() => intake.close());
    const records = () =>
      sink.events.filter(({ type }) => type === 'message.changed').map(({ data }) => data as MessageRecord);
    return { intake, sink, records };
  };
  let count = 0;
  const receive = async (more: { to?: string; text?: string } = {}): Promise<string> => {
    const messageSid = `m${++count}`;
    await takeInbound(queue, {
      messageSid,
      voipCarrierSid: 'c1',
      from: '+1555',
      to: '111',
      text: 'hi',
      media: [],
      ...more,
    });
    return messageSid;
  };
  const statusesOf = (records: () => MessageRecord[], sid: string) =>
    records()
      .filter((row) => row.messageSid === sid)
      .map((row) => row.status);
  const final = (records: () => MessageRecord[], sid: string) =>
    until(`${sid} is told`, () => records().find((row) => row.messageSid === sid && row.finishedAt !== null));

  await t.test('an application that answers 5xx is asked again, and in the end the message has failed', async (t) => {
    const { intake, records } = start();
    let asked = 0;
    app.on('/messages', (response) => {
      asked += 1;
      response.writeHead(500).end();
    });
    const sid = await receive();
    t.match(await final(records, sid), {
      status: 'failed',
      reason: 'application-failed',
      detail: /500/,
      carrier: 'name of c1',
    });
    t.equal(asked, 3, 'once, and after each pause');
    t.same(statusesOf(records, sid), ['received', 'failed']);
    t.equal(await queue.size(), 0);
    await intake.close();
  });

  await t.test('a messaging hook may be a WebSocket: each message is a session of its own', async (t) => {
    const sockets = await SocketServer.start();
    t.teardown(() => sockets.stop());
    messagingUrl = `${sockets.url}/messages`;
    t.teardown(() => {
      messagingUrl = undefined;
    });
    const { intake, records } = start();
    const sid = await receive({ text: 'over a socket' });
    const socket = await sockets.next();
    const message = await socket.next('session:new');
    t.match(message, { call_sid: sid, data: { message_sid: sid, text: 'over a socket' } });
    socket.ack(message, [{ verb: 'redirect', actionHook: '/more' }]);
    const redirect = await socket.next('session:redirect');
    t.equal(redirect.hook, '/more');
    socket.ack(redirect);
    t.match(await final(records, sid), { status: 'delivered' });
    t.match(await socket.closed, { code: 1000 }, 'there is no call that could wait for commands');
    await intake.close();
  });

  await t.test('an application that answers 4xx, or verbs that are none, is not asked again', async (t) => {
    const { intake, records } = start();
    let asked = 0;
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => response.writeHead(404).end(),
      (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('[{"verb":"dance"}]'),
    ];
    app.on('/messages', (response) => answers[asked++]?.(response));
    for (const detail of [/404/, /dance/]) {
      t.match(await final(records, await receive()), { status: 'failed', reason: 'application-failed', detail });
    }
    t.equal(asked, 2);
    await intake.close();
  });

  await t.test(
    "an application gets no messages of another account, also where it is its carrier's default",
    async (t) => {
      const { intake, records } = start();
      const sid = await receive({ to: '333' });
      t.match(await final(records, sid), { status: 'failed', reason: 'no-application', accountSid: OTHER });
      await intake.close();
    },
  );

  await t.test('an application that hangs does not stop those of others', async (t) => {
    const { intake, records } = start();
    const hanging: ServerResponse[] = [];
    app.on('/messages', (response) => void hanging.push(response));
    app.on('/others', []);
    for (let n = 0; n < 70; n++) await receive();
    await until('ten hang', () => hanging.length === 10);
    const sid = await receive({ to: '222' });
    t.match(await final(records, sid), { status: 'delivered', accountSid: OTHER });
    t.equal(hanging.length, 10, 'as many as an account may have');
    for (const response of hanging) response.writeHead(204).end();
    await intake.close();
  });

  await t.test('parts that are missing are marked when nobody waits for them any longer', async (t) => {
    const { intake, records } = start();
    app.on('/messages', []);
    const place = { reference: 1, total: 3, part: 2 };
    const partsKey = partsKeyOf('c1', '1555', '111', place);
    const added = await addPart(redis, partsKey, ACCOUNT_SID, place, 'two');
    const messageSid = added.kind === 'open' ? added.messageSid : '';
    const notice = { kind: 'parts' as const, voipCarrierSid: 'c1', from: '1555', to: '111', partsKey };
    const withReceipt = { ...notice, receiptOf: 'any' as const };
    await queue.put(`parts/${messageSid}`, ACCOUNT_SID, withReceipt, { delayMs: 50 });
    t.match(await final(records, messageSid), { status: 'delivered', text: '…two…' });
    await until('the parts are marked', async () => (await readParts(redis, partsKey)) === undefined);
    t.equal(await redis.exists(openPartsKey(ACCOUNT_SID)), 0, 'and count no longer');
    const [receipt] = await until('the receipt', async () => {
      const taken = await clientReceiptQueue(redis).take(1, 60_000);
      return taken.length > 0 && taken;
    });
    t.match(receipt?.item, { state: 'delivered', messageIds: [`${messageSid}.2`], to: '111' }, 'of the part that came');
    await intake.close();
  });

  await t.test('a message of a user goes to the application that it names', async (t) => {
    const { intake, records } = start();
    app.on('/others', { text: 'hello, Alice' });
    const messageSid = 'from-alice';
    const owner = { accountSid: OTHER, applicationSid: 'other' };
    await takeInbound(queue, {
      messageSid,
      voipCarrierSid: null,
      owner,
      from: 'alice',
      to: 'app',
      text: 'hi',
      media: [],
    });
    t.match(await final(records, messageSid), { status: 'delivered', voipCarrierSid: null, accountSid: OTHER });
    t.match(app.seen('/others').at(-1)?.json, { from: 'alice', to: 'app' });
    await until('the answer is queued', async () => (await out.size()) === 1);
    const [answer] = await out.take(1, 60_000);
    t.match(answer?.item.message, { from: 'app', to: 'alice@example.com', text: 'hello, Alice', accountSid: OTHER });
    await intake.close();
  });

  await t.test('replies have sids of their own, the same when they are made again', async (t) => {
    const { intake, records } = start();
    const reply = { verb: 'message', from: '111', to: '1555' };
    app.on('/messages', [
      { ...reply, text: 'one' },
      { verb: 'gather' },
      { ...reply, text: 'two', message_sid: 'mine' },
    ]);
    const sid = await receive();
    await final(records, sid);
    await until('both are queued', async () => (await out.size()) === 2);
    const sids = (await out.take(10, 60_000)).map(({ item }) => item.message.messageSid);
    t.ok(sids.includes('mine'));
    t.ok(sids.some((one) => /^[0-9a-f]{8}-[0-9a-f]{4}-8/.test(one)));
    await intake.close();
  });

  await t.test('messages of a session have the bounds of those over REST', async (t) => {
    const sink = new CollectingSink();
    const facts = { accountSid: ACCOUNT_SID, serviceProviderSid: null, applicationSid: APPLICATION_SID };
    const messages = new SessionMessages(new Outbox({ redis, sink, queue: out }), facts);
    const send = (more: object) =>
      messages.send({ from: '111', to: '1555', text: 'hi', media: [], ...more }, 0, new AbortController().signal);
    const url = 'http://example.com/a.png';
    for (const [more, field] of [
      [{ media: Array(11).fill(url) }, 'media'],
      [{ media: [`${url}?${'x'.repeat(1_024)}`] }, 'media'],
      [{ media: ['file:///etc/passwd'] }, 'media'],
      [{ carrier: 'x'.repeat(65) }, 'carrier'],
      [{ text: 'x'.repeat(4_000) }, 'text'],
      [{ text: '' }, 'text'],
      [{ to: 'alice' }, 'to'],
      [{ to: 'a b@example.com' }, 'to'],
    ] as const) {
      t.match(await send(more), { messageStatus: 'failure', messageFailureReason: new RegExp(`^${field}: `) });
    }
    t.equal(await out.size(), 0);
    t.match(await send({ media: Array(10).fill(url), carrier: 'x'.repeat(64) }), { messageStatus: 'queued' });
    t.equal(await out.size(), 1);
  });

  await t.test('a status hook is asked again until it answers, once for each status', async (t) => {
    const { intake, sink } = start();
    let asked = 0;
    app.on('/delivery', (response) => response.writeHead(++asked < 3 ? 500 : 204).end());
    const change = {
      kind: 'status' as const,
      accountSid: ACCOUNT_SID,
      applicationSid: null,
      messageSid: 'm',
      statusHook: `${app.url}/delivery`,
      status: 'delivered' as const,
      reason: null,
      detail: null,
      from: '1',
      to: '2',
      carrier: null,
      carrierMessageIds: [],
      attempts: 0,
    };
    t.equal(await queue.put('s1', ACCOUNT_SID, change), 'queued');
    await until('it is told', async () => asked === 3 && (await queue.size()) === 0);
    t.match((await app.next('/delivery')).json, { message_sid: 'm', message_status: 'delivered' });
    t.ok(sink.alerts.length > 0);
    await intake.close();
  });

  await t.test(
    'what is in hand is finished when a process drains, and comes to others when it is stopped',
    async (t) => {
      const first = start();
      const hanging: ServerResponse[] = [];
      app.on('/messages', (response) => void hanging.push(response));
      const sid = await receive();
      await until('it is asked', () => hanging.length === 1);
      const draining = first.intake.drain();
      hanging[0]?.writeHead(204).end();
      await draining;
      t.same(statusesOf(first.records, sid), ['received', 'delivered']);
      await first.intake.close();

      const second = start();
      const other = await receive();
      await until('it is asked', () => hanging.length === 2);
      await second.intake.close();
      t.same(statusesOf(second.records, other), ['received']);
      t.equal(await queue.size(), 1, 'it comes again when its lease ends');
    },
  );
});
