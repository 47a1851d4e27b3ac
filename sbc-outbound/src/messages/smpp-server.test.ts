import { once } from 'node:events';
import { connect } from 'node:net';
import { clientReceiptQueue, openPartsKey, readDeliveryReceipt, STATUS_RESERVE } from '@ringwire/common';
import { makeStirAuthority } from '@ringwire/common/testing/stir-authority.js';
import { until } from '@ringwire/common/testing/until.js';
import { account } from '@ringwire/sbc-inbound/testing/snapshots.js';
import { type Test, test } from 'tap';
import { type CarrierOf, startMessagingRig } from '../testing/messaging-rig.js';
import { connectSmppClient } from '../testing/smpp-client.js';
import { SMPP_STATUS } from './smpp-status.js';

const LISTENER = [{ host: '127.0.0.1', port: 0 }];
const LOGIN = { system_id: 'them', password: 'geheim', interface_version: 0x34 };
const smppInbound = { systemId: 'them', password: 'geheim', enquireLinkMs: null };
const CARRIER: CarrierOf = { carrier: { smpp: null, smppInbound } };
const octets = (text: string) => ({ short_message: Buffer.from(text) });
const SMS = { source_addr: '4915112345678', destination_addr: '15550001111', ...octets('hallo') };

test('clients that bind to our SMPP server', async (t) => {
  const rig = await startMessagingRig(t);
  t.beforeEach(() => rig.clear());
  /** Starts messaging with carriers, and connects. */
  const serve = async (t: Test, carriers: CarrierOf[] = [CARRIER], options: Parameters<typeof rig.start>[2] = {}) => {
    const { messaging, change } = await rig.start(t, carriers, { smppListeners: LISTENER, ...options });
    const client = () => connectSmppClient(t, messaging.smppPorts[0] ?? 0);
    const bound = async (command = 'bind_transceiver') => {
      const made = await client();
      t.equal((await made.ask(command, LOGIN)).command_status, SMPP_STATUS.ok);
      return made;
    };
    return { messaging, change, client, bound };
  };

  await t.test(
    'what a client submits goes to the application of its number; it gets our id, and a receipt by it',
    async (t) => {
      const { bound } = await serve(t);
      const client = await bound();
      const answer = await client.ask('submit_sm', { ...SMS, registered_delivery: 1 });
      t.equal(answer.command_status, SMPP_STATUS.ok);
      const messageId = String(answer.message_id);
      const [notice] = await rig.inbound(1);
      t.match(notice, {
        kind: 'inbound',
        voipCarrierSid: 'c1',
        messageSid: messageId,
        from: '4915112345678',
        to: '15550001111',
        text: 'hallo',
        receipt: { of: 'any', messageIds: [messageId] },
      });
      const facts = { from: '4915112345678', to: '15550001111', text: 'hallo', receivedAt: 0, doneAt: Date.now() };
      await clientReceiptQueue(rig.redis).put(messageId, 'c1', {
        ...{ voipCarrierSid: 'c1', messageIds: [messageId], state: 'delivered', attempts: 0 },
        ...facts,
      });
      const receipt = await until('the receipt', () => client.received[0]);
      t.match(receipt, {
        command: 'deliver_sm',
        esm_class: 4,
        source_addr: '15550001111',
        destination_addr: '4915112345678',
        receipted_message_id: messageId,
        message_state: 2,
      });
      const words = String(receipt.short_message);
      t.match(
        words,
        /^id:\S+ sub:001 dlvrd:001 submit date:7001010000 done date:\d{10} stat:DELIVRD err:000 text:hallo$/,
      );
      t.match(readDeliveryReceipt(words), { carrierMessageId: messageId, state: 'delivered' });
      await until('it is told', async () => (await clientReceiptQueue(rig.redis).size()) === 0);
    },
  );

  await t.test(
    'each part of a long message gets an id and a receipt of its own; who asks for none gets none',
    async (t) => {
      const { bound } = await serve(t);
      const client = await bound('bind_transmitter');
      const part = (index: number) => ({
        ...{ ...SMS, esm_class: 0x40, registered_delivery: 1 },
        short_message: Buffer.concat([Buffer.from([5, 0, 3, 9, 2, index]), Buffer.from(`part ${index} `)]),
      });
      const ids = [];
      for (const index of [1, 2]) ids.push((await client.ask('submit_sm', part(index))).message_id);
      await client.ask('submit_sm', SMS);
      const notices = await rig.inbound(2);
      t.match(notices[0], { text: 'part 1 part 2 ', receipt: { messageIds: ids } });
      t.equal(new Set(ids).size, 2);
      t.notMatch(notices[1], { receipt: {} });
    },
  );

  const partOf = (reference: number, total: number, index: number, words: string) => ({
    ...{ ...SMS, esm_class: 0x40, registered_delivery: 1 },
    short_message: Buffer.concat([
      Buffer.from([6, 8, 4, reference >> 8, reference & 255, total, index]),
      Buffer.from(words),
    ]),
  });

  await t.test('a message whose last part is missing waits with the receipt that was asked for', async (t) => {
    const { bound } = await serve(t);
    const client = await bound('bind_transmitter');
    const answer = await client.ask('submit_sm', partOf(1, 2, 2, 'two'));
    t.equal(answer.command_status, SMPP_STATUS.ok);
    t.equal(await rig.notices.size(), 1);
    const [waiting] = await rig.redis.hvals('ringwire:{queue:messages-in}:items');
    t.match(JSON.parse(waiting ?? '{}'), { kind: 'parts', voipCarrierSid: 'c1', receiptOf: 'any' });
  });

  await t.test('parts and texts that are too long are refused for good, before anything is kept of them', async (t) => {
    const { bound } = await serve(t);
    const client = await bound('bind_transmitter');
    const ask = async (fields: object) => (await client.ask('submit_sm', { ...SMS, ...fields })).command_status;
    const none = { short_message: Buffer.alloc(0) };
    const sar = { sar_msg_ref_num: 5, sar_total_segments: 255, sar_segment_seqnum: 1 };
    t.equal(await ask({ ...sar, ...none, message_payload: Buffer.alloc(256, 'x') }), SMPP_STATUS.submitFailed);
    t.equal(await ask({ ...none, message_payload: Buffer.alloc(10_001, 'x') }), SMPP_STATUS.submitFailed);
    t.same(await rig.redis.keys('ringwire:message-parts*'), []);
    t.equal(await rig.notices.size(), 0);
    t.equal(await ask({ ...none, message_payload: Buffer.alloc(10_000, 'x') }), SMPP_STATUS.ok);
    const statuses = [];
    for (let index = 1; index <= 43; index++) statuses.push(await ask(partOf(2, 255, index, 'x'.repeat(240))));
    t.same(statuses, [...Array(41).fill(SMPP_STATUS.ok), SMPP_STATUS.submitFailed, SMPP_STATUS.submitFailed]);
  });

  await t.test('carriers of one account share the long messages that may be open, and the queue', async (t) => {
    const logins = [1, 2].map((n) => ({
      accountSid: 'acc',
      smpp: null,
      smppInbound: { ...smppInbound, systemId: `them${n}` },
    }));
    const others = { accountSid: 'other', smpp: null, smppInbound: { ...smppInbound, systemId: 'others' } };
    const { client } = await serve(
      t,
      [...logins, others].map((carrier) => ({ carrier })),
      {
        accounts: [account('acc'), account('other')],
      },
    );
    const bound = async (system_id: string) => {
      const made = await client();
      t.equal((await made.ask('bind_transmitter', { ...LOGIN, system_id })).command_status, SMPP_STATUS.ok);
      return async (fields: object) => (await made.ask('submit_sm', { ...fields })).command_status;
    };
    const [one, two, other] = [await bound('them1'), await bound('them2'), await bound('others')];
    t.equal(await one(partOf(1, 2, 1, 'a')), SMPP_STATUS.ok);
    const later = Date.now() + 3_600_000;
    await rig.redis.zadd(openPartsKey('acc'), ...Array.from({ length: 999 }, (_, n) => [later, `k${n}`]).flat());
    t.equal(await two(partOf(1, 2, 1, 'a')), SMPP_STATUS.queueFull, 'no more may be begun');
    t.equal((await rig.redis.keys('ringwire:message-parts:*')).length, 1);
    t.equal(await other(partOf(1, 2, 1, 'a')), SMPP_STATUS.ok, 'by this account');
    t.equal(await one(partOf(1, 2, 2, 'b')), SMPP_STATUS.ok, 'what is open is taken');
    t.equal(await two(partOf(1, 2, 1, 'a')), SMPP_STATUS.ok, 'and then there is room');
    await rig.redis.hset('ringwire:{queue:messages-in}:owners', 'acc', 50_000);
    t.equal(await one(SMS), SMPP_STATUS.queueFull);
    t.equal(await two(SMS), SMPP_STATUS.queueFull);
    t.equal(await other(SMS), SMPP_STATUS.ok);
    const status = {
      kind: 'status' as const,
      accountSid: 'acc',
      applicationSid: null,
      messageSid: 'm',
      statusHook: 'http://x/',
    };
    const facts = { status: 'sent' as const, reason: null, detail: null, from: '1', to: '2', carrier: null };
    const notice = { ...status, ...facts, carrierMessageIds: [], attempts: 0 };
    t.equal(await rig.notices.put('status', 'acc', notice, { beyond: STATUS_RESERVE }), 'queued', 'a status has room');
  });

  await t.test('a receipt waits for the client that is away, one link may take it when it is back', async (t) => {
    const { bound } = await serve(t);
    await clientReceiptQueue(rig.redis).put('m', 'c1', {
      ...{ voipCarrierSid: 'c1', messageIds: ['m.1', 'm.2'], from: 'Name', to: '1555', text: 'ж'.repeat(30) },
      ...{ state: 'failed', receivedAt: 0, doneAt: Date.now(), attempts: 0 },
    });
    await bound('bind_transmitter');
    const client = await bound('bind_receiver');
    await until('both parts are told', () => client.received.length === 2);
    t.match(
      client.received.map((pdu) => [pdu.receipted_message_id, String(pdu.short_message)]),
      [
        ['m.1', /stat:UNDELIV err:001 text:\?{20}$/],
        ['m.2', /stat:UNDELIV/],
      ],
    );
  });

  await t.test('a client that does not answer holds up no receipts of others', async (t) => {
    const other = { systemId: 'others', password: 'geheim', enquireLinkMs: null };
    const carriers = [CARRIER, { carrier: { smpp: null, smppInbound: other } }];
    const { bound, client } = await serve(t, carriers, { timings: { responseMs: 60_000 } });
    const slow = await bound();
    slow.onDeliver = () => undefined;
    const queue = clientReceiptQueue(rig.redis);
    const put = (id: string, voipCarrierSid: string) =>
      queue.put(id, voipCarrierSid, {
        ...{ voipCarrierSid, messageIds: [id], from: 'Name', to: '1555', text: 'x' },
        ...{ state: 'delivered', receivedAt: 0, doneAt: Date.now(), attempts: 0 },
      });
    // Who waited for its window two seconds each would keep all workers for longer than this waits.
    await Promise.all(Array.from({ length: 1_500 }, (_, index) => put(`s.${index}`, 'c1')));
    await until('its window is full', () => slow.received.length === 10);
    const quick = await client();
    await quick.ask('bind_transceiver', { ...LOGIN, system_id: 'others' });
    await put('q', 'c2');
    await until('the other has its receipt', () => quick.received.length === 1);
    t.equal(slow.received.length, 10);
  });

  await t.test(
    'our messages go to a client that is bound to receive, where a gateway of its carrier is outbound',
    async (t) => {
      const smpp = [{ port: 2775, address: '127.0.0.1', inbound: true, outbound: true }];
      const { bound } = await serve(t, [{ ...CARRIER, smpp }]);
      await bound('bind_transmitter');
      const client = await bound('bind_receiver');
      client.onDeliver = () => ({ message_id: 'theirs' });
      t.match(await rig.outcome(await rig.submit({ text: 'hi' })), { status: 'sent', carrierMessageIds: ['theirs'] });
      t.match(client.received[0], { command: 'deliver_sm', destination_addr: '15552223333', registered_delivery: 0 });
      t.equal(String(client.received[0]?.short_message), 'hi');
    },
  );

  await t.test(
    'a wrong login is refused, by whom it is does not show, and who goes on guessing hears nothing',
    async (t) => {
      const { client } = await serve(t);
      const guess = async (login: object) =>
        (await (await client()).ask('bind_transceiver', { ...LOGIN, ...login })).command_status;
      const guesses = [
        { password: 'falsch' },
        { system_id: 'nobody' },
        { password: '' },
        { system_id: '' },
        { password: 'x' },
      ];
      t.same(
        await Promise.all(guesses.map(guess)),
        guesses.map(() => SMPP_STATUS.bindFailed),
      );
      await (await client()).gone();
    },
  );

  await t.test(
    'a client comes from the networks of its inbound gateways, and its account must be active',
    async (t) => {
      const at = (address: string, netmask: number) => [
        { port: 2775, address, netmask, inbound: true, outbound: false },
      ];
      const of = (systemId: string, more: object = {}) => ({
        smpp: null,
        smppInbound: { ...smppInbound, systemId },
        ...more,
      });
      const carriers = [
        { carrier: of('far'), smpp: at('192.0.2.0', 24) },
        { carrier: of('near'), smpp: at('127.0.0.0', 8) },
        { carrier: of('off', { isActive: false }) },
        { carrier: of('asleep', { accountSid: 'gone' }) },
        { carrier: of('twice') },
        { carrier: of('twice') },
      ];
      const accounts = [account('gone', { isActive: false })];
      const { client } = await serve(t, carriers, { accounts });
      const status = async (system_id: string) =>
        (await (await client()).ask('bind_transceiver', { ...LOGIN, system_id })).command_status;
      t.same(await Promise.all(['far', 'near', 'off', 'asleep', 'twice'].map(status)), [13, 0, 13, 13, 13]);
    },
  );

  await t.test('commands that do not fit are answered as SMPP says', async (t) => {
    const { client, bound } = await serve(t);
    const stranger = await client();
    t.equal((await stranger.ask('submit_sm', SMS)).command_status, SMPP_STATUS.invalidBindStatus);
    t.equal((await stranger.ask('enquire_link')).command_status, SMPP_STATUS.ok);
    const receiver = await bound('bind_receiver');
    t.equal((await receiver.ask('submit_sm', SMS)).command_status, SMPP_STATUS.invalidBindStatus);
    t.equal((await receiver.ask('bind_receiver', LOGIN)).command_status, SMPP_STATUS.alreadyBound);
    t.match(await receiver.ask('query_sm', { message_id: 'x' }), { command: 'generic_nack', command_status: 3 });
    t.equal((await receiver.ask('unbind')).command_status, SMPP_STATUS.ok);
    await receiver.gone();
    t.equal(await rig.notices.size(), 0);
  });

  await t.test('what is no SMPP ends its connection only', async (t) => {
    const { client, bound } = await serve(t);
    const good = await bound();
    for (const junk of ['GET / HTTP/1.1\r\n\r\n', '\0\0\0\x08\0\0\0\x09', '\xff\xff\xff\xff', '\0\0\0\0']) {
      const bad = await client();
      bad.socket.write(Buffer.from(junk, 'latin1'));
      await bad.gone();
    }
    const broken = await bound();
    broken.socket.write(Buffer.from('0000001200000004000000000000000a4141', 'hex'));
    broken.socket.write(Buffer.from('0000000f', 'hex'));
    await broken.gone();
    t.equal((await good.ask('submit_sm', SMS)).command_status, SMPP_STATUS.ok);
  });

  await t.test('who does not bind, or is silent, is left', async (t) => {
    const { client, bound, messaging } = await serve(t, [CARRIER], {
      timings: { responseMs: 300, enquireLinkMs: 200 },
    });
    const idle = await client();
    const dead = await bound();
    dead.answersEnquiries = false;
    const alive = await bound();
    await idle.gone();
    await dead.gone();
    await until('it is asked again and again', () => alive.enquiries() >= 3);
    t.equal((await alive.ask('submit_sm', SMS)).command_status, SMPP_STATUS.ok);
    const closing = messaging.close();
    await until('it is said goodbye to', () => alive.received.some(({ command }) => command === 'unbind'));
    await closing;
  });

  await t.test('an address has few connections that have not bound, so that it keeps nobody out', async (t) => {
    const authority = makeStirAuthority(t);
    const { key, cert } = authority.webServer();
    for (const tls of [undefined, { key, cert }]) {
      const smppListeners = [{ ...LISTENER[0]!, ...(tls && { tls }) }];
      const { messaging } = await rig.start(t, [CARRIER], { smppListeners });
      const port = messaging.smppPorts[0] ?? 0;
      const client = () => connectSmppClient(t, port, tls && authority.rootPem);
      const bound = await client();
      t.equal((await bound.ask('bind_transceiver', LOGIN)).command_status, SMPP_STATUS.ok);
      const idle = [];
      for (let n = 0; n < 10; n++) idle.push(await client());
      const refused = connect({ host: '127.0.0.1', port });
      refused.on('error', () => {});
      await once(refused, 'close');
      t.equal((await bound.ask('submit_sm', SMS)).command_status, SMPP_STATUS.ok);
      t.equal((await idle[0]!.ask('bind_transceiver', LOGIN)).command_status, SMPP_STATUS.ok);
      t.equal((await (await client()).ask('bind_transceiver', LOGIN)).command_status, SMPP_STATUS.ok, 'there is room');
    }
  });

  await t.test('who leaves connections without a login again and again is let in no more', async (t) => {
    const { client } = await serve(t, [CARRIER], { timings: { responseMs: 300 } });
    const idle = [];
    for (let n = 0; n < 5; n++) idle.push(await client());
    for (const one of idle) await one.gone();
    await (await client()).gone();
  });

  await t.test('a flood is told that our queue is full; what was taken is there', async (t) => {
    const { bound } = await serve(t);
    const client = await bound();
    client.socket.cork();
    const answers = Array.from({ length: 400 }, () => client.ask('submit_sm', SMS));
    client.socket.uncork();
    const statuses = (await Promise.all(answers)).map(({ command_status: status }) => status);
    const taken = statuses.filter((status) => status === SMPP_STATUS.ok).length;
    t.ok(taken >= 100 && statuses.every((status) => status === SMPP_STATUS.ok || status === SMPP_STATUS.queueFull));
    t.equal(await rig.notices.size(), taken);
  });

  await t.test('a client whose login changes is unbound when what it sent is answered', async (t) => {
    const { bound, change } = await serve(t);
    const client = await bound();
    change([{ carrier: { smpp: null, smppInbound: { ...smppInbound, password: 'neu' } } }]);
    await client.gone();
    t.equal(client.received.at(-1)?.command, 'unbind');
  });

  await t.test('over TLS', async (t) => {
    const authority = makeStirAuthority(t);
    const { key, cert } = authority.webServer();
    const tls = { key, cert };
    const { messaging } = await rig.start(t, [CARRIER], { smppListeners: [{ host: '127.0.0.1', port: 0, tls }] });
    const client = await connectSmppClient(t, messaging.smppPorts[0] ?? 0, authority.rootPem);
    t.equal((await client.ask('bind_transceiver', LOGIN)).command_status, SMPP_STATUS.ok);
    t.equal((await client.ask('submit_sm', SMS)).command_status, SMPP_STATUS.ok);
  });
});
