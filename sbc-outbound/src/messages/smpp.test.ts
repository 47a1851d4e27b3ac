import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { DEFAULT_OUTBOUND_RULES, outboundQueue, readUserData } from '@ringwire/common';
import { decodeGsm7 } from '@ringwire/common/messages/gsm7.js';
import { makeStirAuthority } from '@ringwire/common/testing/stir-authority.js';
import { until } from '@ringwire/common/testing/until.js';
import { account } from '@ringwire/sbc-inbound/testing/snapshots.js';
import { test } from 'tap';
import { startMessagingRig } from '../testing/messaging-rig.js';
import { acceptAll, startSmppCarrier } from '../testing/smpp-carrier.js';
import type { PDU } from './smpp-library.js';

const octets = (pdu: PDU | undefined): Buffer => pdu?.short_message as Buffer;
const RECEIPT = 0x04;

test('messages over SMPP', async (t) => {
  const rig = await startMessagingRig(t);
  t.beforeEach(() => rig.clear());

  await t.test('a message goes out as one submit_sm, and its record says so', async (t) => {
    const gateway = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [gateway] }]);
    const message = await rig.submit({ text: 'Grüße {1} €', from: 'Ringwire' });
    const record = await rig.outcome(message);
    t.match(record, {
      status: 'sent',
      carrier: 'name of c1',
      voipCarrierSid: 'c1',
      carrierMessageIds: ['id-1'],
      segments: 1,
    });
    const [pdu] = gateway.submitted;
    t.match(pdu, {
      source_addr: 'Ringwire',
      source_addr_ton: 5,
      destination_addr: '15552223333',
      dest_addr_ton: 1,
      dest_addr_npi: 1,
      data_coding: 0,
      esm_class: 0,
      registered_delivery: 1,
    });
    t.equal(decodeGsm7(octets(pdu)), 'Grüße {1} €');
    t.match(gateway.binds[0], {
      command: 'bind_transceiver',
      system_id: 'ringwire',
      password: 'secret',
      interface_version: 0x34,
    });
    await until('nothing is left in the queue', async () => (await rig.queue.size()) === 0);
  });

  await t.test('a long text with emoji goes out in parts that name each other', async (t) => {
    const gateway = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [gateway] }]);
    const text = `${'ж'.repeat(66)}😀${'ю'.repeat(100)}`;
    const record = await rig.outcome(await rig.submit({ text }));
    t.match(record, { status: 'sent', segments: 3, encoding: 'ucs2', carrierMessageIds: ['id-1', 'id-2', 'id-3'] });
    const parts = gateway.submitted.map((pdu) =>
      readUserData(octets(pdu), pdu.data_coding as number, pdu.esm_class === 0x40),
    );
    t.equal(parts.map((part) => part.text).join(''), text);
    t.same(
      parts.map((part) => [part.concatenation?.part, part.concatenation?.total]),
      [
        [1, 3],
        [2, 3],
        [3, 3],
      ],
    );
    t.equal(new Set(parts.map((part) => part.concatenation?.reference)).size, 1);
  });

  await t.test('the same sid is sent once', async (t) => {
    const gateway = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [gateway] }]);
    const message = await rig.submit();
    await rig.outcome(message);
    await rig.submit(message);
    await rig.outcome(await rig.submit());
    t.equal(gateway.submitted.length, 2);
  });

  await t.test('throttled parts are sent again, those that were taken are not', async (t) => {
    const gateway = await startSmppCarrier(t);
    let count = 0;
    gateway.onSubmit = () =>
      ++count === 2 || count === 3 ? { command_status: count === 2 ? 0x58 : 0x14 } : { message_id: `p${count}` };
    await rig.start(t, [{ smpp: [gateway] }]);
    const record = await rig.outcome(await rig.submit({ text: 'a'.repeat(400) }));
    t.match(record, { status: 'sent', carrierMessageIds: ['p1', 'p4', 'p5'] });
    const places = gateway.submitted.map((pdu) => readUserData(octets(pdu), 0, true).concatenation);
    t.same(
      places.map((place) => place?.part),
      [1, 2, 2, 2, 3],
    );
    t.equal(new Set(places.map((place) => place?.reference)).size, 1, 'the reference stays');
  });

  await t.test('a carrier that refuses is followed by the next; an impossible number by none', async (t) => {
    const [first, second] = [await startSmppCarrier(t), await startSmppCarrier(t)];
    first.onSubmit = ({ destination_addr: to }) => ({ command_status: to === '15550000000' ? 0x0b : 0x45 });
    await rig.start(t, [{ smpp: [first] }, { smpp: [second] }]);
    t.match(await rig.outcome(await rig.submit()), { status: 'sent', voipCarrierSid: 'c2' });
    t.match(await rig.outcome(await rig.submit({ to: '15550000000' })), {
      status: 'failed',
      reason: 'rejected',
      detail: /RINVDSTADR/,
      voipCarrierSid: 'c1',
    });
    t.equal(second.submitted.length, 1);
    t.match(
      await rig.outcome(await rig.submit({ carrier: 'name of c1' })),
      { status: 'failed', reason: 'rejected' },
      'named',
    );
    t.match(await rig.outcome(await rig.submit({ carrier: 'nobody' })), { status: 'failed', reason: 'no-carrier' });
  });

  await t.test(
    "a number's own carrier comes first, and strangers' senders are not let through where the carrier says so",
    async (t) => {
      const [first, second] = [await startSmppCarrier(t), await startSmppCarrier(t)];
      const rules = {
        ...DEFAULT_OUTBOUND_RULES,
        callerIdPolicy: 'own_numbers' as const,
      };
      const number = {
        phoneNumberSid: 'n',
        number: '15550009999',
        voipCarrierSid: 'c2',
        accountSid: 'acc',
        applicationSid: null,
        serviceProviderSid: null,
      };
      const carriers = [{ smpp: [first] }, { smpp: [second], carrier: { outboundRules: rules } }];
      await rig.start(t, carriers, { numbers: [number] });
      t.match(await rig.outcome(await rig.submit({ from: '15550009999' })), { status: 'sent', voipCarrierSid: 'c2' });
      t.match(await rig.outcome(await rig.submit({ carrier: 'c2' })), {
        status: 'failed',
        reason: 'sender-not-allowed',
      });
    },
  );

  await t.test("a sender that is an account's own word only is not let through by a shared carrier", async (t) => {
    const gateway = await startSmppCarrier(t);
    const rules = { ...DEFAULT_OUTBOUND_RULES, callerIdPolicy: 'own_numbers' as const };
    const row = { accountSid: 'acc', applicationSid: null, serviceProviderSid: null };
    const numbers = [
      { ...row, phoneNumberSid: 'claimed', number: '15550008888', voipCarrierSid: 'c2' },
      { ...row, phoneNumberSid: 'given', number: '15550009999', voipCarrierSid: 'c1' },
    ];
    await rig.start(t, [{ smpp: [gateway], carrier: { accountSid: null, outboundRules: rules } }, {}], { numbers });
    t.match(await rig.outcome(await rig.submit({ from: '15550008888' })), { reason: 'sender-not-allowed' });
    t.match(await rig.outcome(await rig.submit({ from: '15550009999' })), { status: 'sent', voipCarrierSid: 'c1' });
  });

  await t.test('an account that is not active sends nothing', async (t) => {
    const gateway = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [gateway] }], { accounts: [account('acc', { isActive: false })] });
    t.match(await rig.outcome(await rig.submit()), { status: 'failed', reason: 'account-not-active' });
    t.equal(gateway.submitted.length, 0);
  });

  await t.test('destinations that the account may not call get no messages either', async (t) => {
    const gateway = await startSmppCarrier(t);
    const limits = {
      callsPerMinute: null,
      callsPerHour: null,
      messagesPerMinute: null,
      messagesPerHour: null,
      expensivePrefixesPerHour: null,
      expensiveRateMicros: null,
    };
    const policy = {
      ownerSid: 'acc',
      setBy: 'service_provider' as const,
      defaultAction: 'deny' as const,
      highRiskAction: 'deny' as const,
      destinations: [{ prefix: '1555', action: 'allow' as const }],
      limits: { ...limits, blockMinutes: 60 },
    };
    await rig.start(t, [{ smpp: [gateway] }], { fraudPolicies: [policy] });
    t.match(await rig.outcome(await rig.submit({ to: '88112345678' })), {
      status: 'failed',
      reason: 'destination-denied',
      detail: /high risk/,
    });
    t.match(await rig.outcome(await rig.submit({ to: '4930123456' })), { reason: 'destination-denied' });
    t.match(await rig.outcome(await rig.submit({ to: '15552223333' })), { status: 'sent' });
    t.equal(gateway.submitted.length, 1);
  });

  await t.test('a link that goes in the middle of the window leaves no message doubled', async (t) => {
    const gateway = await startSmppCarrier(t);
    const accepted = acceptAll();
    const answered = new Set<unknown>();
    gateway.onSubmit = (pdu, session) => {
      if (gateway.submitted.length === 8) {
        session.destroy();
        return undefined;
      }
      // Every other message is left without answer when the link goes.
      if (gateway.submitted.length < 8 && gateway.submitted.length % 2 === 0) return undefined;
      answered.add(pdu.destination_addr);
      return accepted(pdu, session);
    };
    await rig.start(t, [{ smpp: [{ port: gateway.port, windowSize: 8 }] }]);
    const messages = await Promise.all(Array.from({ length: 20 }, (_, n) => rig.submit({ to: `1555000${1000 + n}` })));
    const records = await Promise.all(messages.map((message) => rig.outcome(message)));
    for (const record of records) {
      const times = gateway.submitted.filter((pdu) => pdu.destination_addr === record.to).length;
      // What was on its way when the link went, the answer too, may not have arrived: nobody can know.
      if (record.status === 'sent') t.ok(answered.has(record.to), 'answered');
      else t.match(record, { status: 'failed', reason: 'unknown-outcome' });
      t.ok(times === 1 || (times === 0 && record.status === 'failed'), `${record.to} was sent ${times} times`);
    }
    const failed = records.filter(({ status }) => status === 'failed').length;
    t.ok(failed >= 4 && failed <= 8, `${failed} are in doubt, of a window of 8`);
    t.equal(gateway.binds.length, 2, 'it came back');
  });

  await t.test('a carrier that does not answer is left, and asked no second time', async (t) => {
    const gateway = await startSmppCarrier(t);
    gateway.onSubmit = () => undefined;
    await rig.start(t, [{ smpp: [gateway] }], { timings: { responseMs: 300 } });
    const record = await rig.outcome(await rig.submit());
    t.match(record, { status: 'failed', reason: 'unknown-outcome', detail: /did not answer/ });
    t.equal(gateway.submitted.length, 1);
    await until('it is bound again', () => gateway.binds.length > 1 && gateway.sessions.length === 1);
  });

  await t.test('messages wait for a carrier that is away, and expire when it stays away', async (t) => {
    const gateway = await startSmppCarrier(t);
    const { port } = gateway;
    await gateway.close();
    await rig.start(t, [{ smpp: [{ port }] }]);
    const early = await rig.submit();
    const late = await rig.submit({ createdAt: Date.now() - 120_000 });
    t.match(await rig.outcome(late), { status: 'failed', reason: 'expired', detail: /ECONNREFUSED/ });
    const again = await startSmppCarrier(t, port);
    t.match(await rig.outcome(early), { status: 'sent' });
    t.equal(again.submitted.length, 1);
  });

  await t.test('a login that is refused fails the message, unless another carrier takes it', async (t) => {
    const [bad, good] = [await startSmppCarrier(t), await startSmppCarrier(t)];
    bad.bindStatus = 0x0e;
    const { messaging } = await rig.start(t, [{ smpp: [bad] }, { smpp: [good] }]);
    await until('the refusal is known', () => messaging.carriers.linkOf('c1')?.isLoginRefused);
    t.match(await rig.outcome(await rig.submit()), { status: 'sent', voipCarrierSid: 'c2' });
    t.match(await rig.outcome(await rig.submit({ carrier: 'c1' })), {
      status: 'failed',
      reason: 'carrier-configuration',
      detail: /RINVPASWD/,
    });
  });

  await t.test("the carrier's window and rate are kept", async (t) => {
    const gateway = await startSmppCarrier(t);
    let open = 0;
    let most = 0;
    const times: number[] = [];
    gateway.onSubmit = (pdu, session) => {
      most = Math.max(most, ++open);
      times.push(performance.now());
      setImmediate(() => {
        open -= 1;
        session.send(pdu.response({ message_id: `w${gateway.submitted.indexOf(pdu)}` }));
      });
      return undefined;
    };
    await rig.start(t, [{ smpp: [{ port: gateway.port, windowSize: 3, maxPerSecond: 50 }] }]);
    const messages = await Promise.all(Array.from({ length: 40 }, () => rig.submit()));
    for (const message of messages) t.equal((await rig.outcome(message)).status, 'sent');
    t.equal(gateway.submitted.length, 40);
    t.ok(most <= 3, `${most} at a time`);
    // Late ones may come closer together than they were sent, but not all of them: 40 messages take 39 twentieths of a second's tenth.
    const tookMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
    t.ok(tookMs > 39 * 20 * 0.5, `40 messages in ${tookMs} ms`);
  });

  await t.test('a silent carrier is asked whether it is there, and left when it is not', async (t) => {
    const gateway = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [gateway] }], { timings: { enquireLinkMs: 50, responseMs: 500 } });
    await until('it is asked', () => gateway.enquiries() >= 2);
    t.equal(gateway.binds.length, 1);
    gateway.answersEnquiries = false;
    await until('it is bound anew', () => gateway.binds.length >= 2);
  });

  await t.test('a gateway with TLS must prove who it is', async (t) => {
    const authority = makeStirAuthority(t);
    const gateway = await startSmppCarrier(t, 0, authority.webServer());
    const carriers = [{ smpp: [{ port: gateway.port, useTls: true }] }];
    const { messaging } = await rig.start(t, carriers);
    await until('its certificate is refused', () => /certificate/.test(messaging.carriers.linkOf('c1')?.trouble ?? ''));
    await messaging.close();
    await rig.start(t, carriers, { ca: authority.rootPem });
    t.match(await rig.outcome(await rig.submit()), { status: 'sent' });
  });

  await t.test(
    "gateways of an account's own carrier are not at private addresses, however they are written",
    async (t) => {
      const gateway = await startSmppCarrier(t);
      const { port } = gateway;
      const at = (address: string, carrier = {}) => ({ smpp: [{ port, address }], carrier });
      const shared = { accountSid: null, serviceProviderSid: 'sp' };
      const own = ['127.0.0.1', '::ffff:127.0.0.1', 'localhost', '2130706433'];
      const carriers = [...own.map((address) => at(address)), at('127.0.0.1', shared)];
      const { messaging, change } = await rig.start(t, carriers, { allowPrivate: false });
      const trouble = (sid: string) => messaging.carriers.linkOf(sid)?.trouble ?? '';
      for (const [index, address] of own.entries()) {
        await until(`${address} is refused`, () => /private address/.test(trouble(`c${index + 1}`)));
      }
      await until("the service provider's is bound", () => messaging.carriers.linkOf('c5')?.isBound);
      t.equal(gateway.binds.length, 1);
      t.match(await rig.outcome(await rig.submit()), { status: 'sent', voipCarrierSid: 'c5' });
      change(own.map((address) => at(address)));
      await until('the link is gone', () => gateway.sessions.length === 0);
    },
  );

  await t.test('links follow what is provisioned', async (t) => {
    const [old, next] = [await startSmppCarrier(t), await startSmppCarrier(t)];
    const { change, messaging } = await rig.start(t, [{ smpp: [old] }]);
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    change([{ smpp: [next] }]);
    await until('the old link is gone', () => old.sessions.length === 0);
    t.match(await rig.outcome(await rig.submit()), { status: 'sent' });
    t.equal(next.submitted.length, 1);
    change([]);
    await until('no link is left', () => next.sessions.length === 0);
  });

  await t.test('receipts go to the workers; those that cannot be read harm nobody', async (t) => {
    const gateway = await startSmppCarrier(t);
    const { messaging } = await rig.start(t, [{ smpp: [gateway] }]);
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    const receipt = (words: string, more = {}) =>
      gateway.deliver({ esm_class: RECEIPT, short_message: Buffer.from(words), ...more });
    for (const broken of ['', 'id:', 'stat:DELIVRD', 'id:x stat:??', '\u0000', 'x'.repeat(250)]) {
      t.equal(await receipt(broken), 0, JSON.stringify(broken.slice(0, 20)));
    }
    t.equal(await receipt('id:1 stat:ENROUTE'), 0);
    t.equal(await receipt('id:17 sub:001 dlvrd:001 stat:DELIVRD err:000 text:x'), 0);
    t.equal(await receipt('', { receipted_message_id: '18', message_state: 5 }), 0);
    t.equal(await receipt('', { esm_class: 0, receipted_message_id: '19', message_state: 2 }), 0);
    const told = (await rig.events('message.receipt')).map((event) => event.data);
    t.same(told, [
      { carrierMessageId: '17', state: 'delivered', detail: 'DELIVRD 000', voipCarrierSid: 'c1' },
      { carrierMessageId: '18', state: 'failed', detail: 'UNDELIV', voipCarrierSid: 'c1' },
      { carrierMessageId: '19', state: 'delivered', detail: 'DELIVRD', voipCarrierSid: 'c1' },
    ]);
  });

  await t.test('messages come in whole: short, in parts in any order and twice, by TLV, as payload', async (t) => {
    const gateway = await startSmppCarrier(t);
    const { messaging } = await rig.start(t, [{ smpp: [gateway] }]);
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    const parties = { source_addr: '+15557770000', destination_addr: '15551234567' };
    const header = (part: number) => Buffer.from([5, 0, 3, 77, 3, part]);
    const part = (n: number, words: string) =>
      gateway.deliver({ ...parties, esm_class: 0x40, short_message: Buffer.concat([header(n), Buffer.from(words)]) });
    t.equal(await gateway.deliver({ ...parties, short_message: Buffer.from('short') }), 0);
    for (const [n, words] of [
      [3, 'three'],
      [1, 'one '],
      [1, 'one '],
    ] as const) {
      t.equal(await part(n, words), 0);
    }
    t.equal(await part(2, 'two '), 0);
    const sar = { sar_msg_ref_num: 5, sar_total_segments: 2 };
    t.equal(await gateway.deliver({ ...parties, ...sar, sar_segment_seqnum: 2, short_message: Buffer.from('b') }), 0);
    t.equal(await gateway.deliver({ ...parties, ...sar, sar_segment_seqnum: 1, short_message: Buffer.from('a') }), 0);
    const long = Buffer.from('ж'.repeat(500), 'utf16le').swap16();
    t.equal(
      await gateway.deliver({ ...parties, data_coding: 8, short_message: Buffer.alloc(0), message_payload: long }),
      0,
    );
    const notices = await rig.inbound(4);
    t.same(
      notices.map((notice) => (notice.kind === 'inbound' ? notice.text : notice.kind)),
      ['short', 'one two three', 'ab', 'ж'.repeat(500)],
    );
    t.match(notices[0], { from: '15557770000', to: '15551234567', voipCarrierSid: 'c1' });
    t.equal(await rig.notices.size(), 0, 'nobody waits for parts any more');
    t.equal((await rig.redis.keys('*:known:*')).length, 4, 'made-up sids of messages in one part are forgotten');
    t.equal(await part(2, 'two '), 0, 'the carrier did not get our answer');
    t.equal(await rig.notices.size(), 0, 'a part that comes again is no new message');
    t.equal(await part(2, 'new '), 0);
    t.equal(await rig.notices.size(), 1, 'another text under a reference that comes round again is');
    for (const key of await rig.redis.keys('ringwire:message-parts:*')) t.ok((await rig.redis.pttl(key)) > 0, key);
  });

  await t.test('parts that never become a message are told of after a while', async (t) => {
    const gateway = await startSmppCarrier(t);
    const { messaging } = await rig.start(t, [{ smpp: [gateway] }]);
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    const short_message = Buffer.concat([Buffer.from([5, 0, 3, 78, 2, 2]), Buffer.from('world')]);
    t.equal(await gateway.deliver({ source_addr: '1', destination_addr: '2', esm_class: 0x40, short_message }), 0);
    t.equal(await rig.notices.size(), 1);
    t.equal((await rig.notices.take(10, 1_000)).length, 0, 'not due yet');
  });

  await t.test('a carrier that floods us is asked to come again when there is no room', async (t) => {
    const gateway = await startSmppCarrier(t);
    const { messaging } = await rig.start(t, [{ smpp: [gateway] }]);
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    const statuses = await Promise.all(
      Array.from({ length: 2_000 }, (_, n) =>
        gateway.deliver({ source_addr: '1', destination_addr: '2', short_message: Buffer.from(`n${n}`) }),
      ),
    );
    const taken = statuses.filter((status) => status === 0).length;
    const later = statuses.filter((status) => status === 0x64).length;
    t.equal(taken + later, 2_000);
    t.ok(taken >= 100, `${taken} taken`);
    t.equal(await rig.notices.size(), taken);
    t.equal(await gateway.deliver({ source_addr: '1', destination_addr: '2', short_message: Buffer.from('after') }), 0);
  });

  await t.test('rubbish from a carrier ends its link, never the process', async (t) => {
    const rubbish = [
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 8, 0, 0, 0, 5]),
      Buffer.from([0xff, 0xff, 0xff, 0xff]),
      // deliver_sm that is cut in the middle of its addresses, and one whose TLV is longer than it is.
      Buffer.from([0, 0, 0, 20, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 65, 65, 65, 65]),
      Buffer.from([0, 0, 0, 37, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, ...new Array(17).fill(0), 2, 4, 255, 255]),
      Buffer.from([0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 99]),
      Buffer.from([0, 0, 0, 16, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 7]),
    ];
    const bindAnswer = Buffer.from([0, 0, 0, 17, 0x80, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    let links = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      const mess = rubbish[links++ % rubbish.length] ?? rubbish[0]!;
      socket.on('error', () => {});
      socket.once('data', () => socket.write(Buffer.concat([bindAnswer, mess])));
      // What does not end the link by itself is ended by us.
      setTimeout(() => socket.destroy(), 100).unref();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const good = await startSmppCarrier(t);
    await rig.start(t, [{ smpp: [{ port }] }, { smpp: [good] }], {
      timings: { reconnectMs: 5, maxReconnectMs: 10, responseMs: 200 },
    });
    await until('all of it was sent twice', () => links >= 2 * rubbish.length);
    t.match(await rig.outcome(await rig.submit({ carrier: 'c2' })), { status: 'sent' });
  });

  await t.test('a message in the hands of a process that died is not sent again', async (t) => {
    const gateway = await startSmppCarrier(t);
    const queue = outboundQueue(rig.redis);
    const message = await rig.submit();
    const [taken] = await queue.take(1, 1);
    await queue.update(taken!, { ...taken!.item, trying: { voipCarrierSid: 'c1' } }, 1);
    await rig.start(t, [{ smpp: [gateway] }]);
    t.match(await rig.outcome(message), { status: 'failed', reason: 'unknown-outcome', voipCarrierSid: 'c1' });
    t.equal(gateway.submitted.length, 0);
  });
});
