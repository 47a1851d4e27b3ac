import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readUserData } from '@ringwire/common';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { startSmppCarrier } from '@ringwire/sbc-outbound/testing/smpp-carrier.js';
import { connectSmppClient } from '@ringwire/sbc-outbound/testing/smpp-client.js';
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

const WAIT = { timeoutMs: 30_000 };
const smppPort = await findFreePort();
const ringwire = await openPlatform(t, { SMPP_HOST: '127.0.0.1', SMPP_PORT: `${smppPort}` });
const { application, instance } = ringwire;
const { accountSid } = instance;
const smsc = await startSmppCarrier(t);

interface Message {
  status: string;
  reason: string | null;
  detail: string | null;
  carrier: string | null;
  carrier_message_ids: string[];
  segments: number;
  direction: string;
  text: string;
  from: string;
  to: string;
  finished_at: number | null;
  sent_at: number | null;
  created_at: number;
}

// The carrier that the platform begins with speaks SMPP from here on; a second number of the line's application receives.
const line = await ringwire.line();
const [number] = await ringwire.api<{ voip_carrier_sid: string }[]>('GET', '/v1/PhoneNumbers');
const carrierSid = number?.voip_carrier_sid ?? '';
const messagingPath = '/messaging';
await ringwire.api('PUT', `/v1/Applications/${line.applicationSid}`, {
  messaging_hook: { url: `${application.url}${messagingPath}`, method: 'POST' },
});
const { adminKey } = instance.api;
const asOwner = <T = unknown>(method: string, path: string, body?: unknown) =>
  ringwire.api<T>(method, path, body, adminKey);
await asOwner('PUT', `/v1/VoipCarriers/${carrierSid}/SmppLogin`, { smpp_system_id: 'ringwire', smpp_password: 'pass' });
await asOwner('PUT', `/v1/VoipCarriers/${carrierSid}`, {
  smpp_inbound_system_id: 'them',
  smpp_inbound_password: 'geheim',
});
await asOwner('POST', '/v1/SmppGateways', {
  voip_carrier_sid: carrierSid,
  ipv4: '127.0.0.1',
  port: smsc.port,
  inbound: true,
  outbound: true,
});
await eventually(
  'the gateway is bound',
  () => smsc.sessions.length,
  (count) => count > 0,
  WAIT,
);

const messagesPath = `/v1/Accounts/${accountSid}/Messages`;
const send = async (body: Record<string, unknown>) =>
  (await ringwire.api<{ sid: string }>('POST', messagesPath, body)).sid;
const find = (sid: string) => ringwire.api<Message>('GET', `${messagesPath}/${sid}`).catch(() => undefined);
const becomes = (sid: string, status: string) =>
  eventually(
    `message ${sid} is ${status}`,
    () => find(sid),
    (message) => message?.status === status,
    WAIT,
  ) as Promise<Message>;
const receipt = (id: string, state: string, err = '000') =>
  smsc.deliver({
    esm_class: 4,
    short_message: Buffer.from(`id:${id} sub:001 dlvrd:001 stat:${state} err:${err} text:`),
  });
const from = line.number;
const textsTo = (to: string) =>
  smsc.submitted
    .filter((pdu) => pdu.destination_addr === to)
    .map((pdu) => {
      const hasHeader = pdu.esm_class === 0x40;
      return readUserData(pdu.short_message as Buffer, pdu.data_coding as number, hasHeader).text;
    });

t.test('REST: a message is sent, its parts are delivered, and a status hook tells so', async (t) => {
  const text = `${'ж'.repeat(80)}😀`;
  const sid = await send({ from, to: '+1 555 888 0001', text, status_hook: `${application.url}/delivery` });
  const sent = await becomes(sid, 'sent');
  t.match(sent, { direction: 'outbound', from, to: '15558880001', segments: 2, text, reason: null });
  t.equal(textsTo('15558880001').join(''), text);
  const [first, second] = sent.carrier_message_ids;
  t.equal(await receipt(first ?? '', 'DELIVRD'), 0);
  t.equal(await receipt(second ?? '', 'DELIVRD'), 0);
  const delivered = await becomes(sid, 'delivered');
  t.ok((delivered.finished_at ?? 0) >= (delivered.sent_at ?? 0) && (delivered.sent_at ?? 0) >= delivered.created_at);
  const told = await application.request(
    ({ path, body }) => path === '/delivery' && body.message_status === 'delivered',
    30_000,
  );
  t.match(told.body, { message_sid: sid, account_sid: accountSid, to: '15558880001' });
  const [, at, signature] = /t=(\d+),v1=(\w+)/.exec(String(told.headers['jambonz-signature'])) ?? [];
  const expected = createHmac('sha256', await ringwire.webhookSecret())
    .update(`${at}.${told.raw}`)
    .digest('hex');
  t.equal(signature, expected, 'signed');
});

t.test('REST: what cannot be delivered fails with the carrier’s words', async (t) => {
  const sid = await send({ from, to: '15558880002', text: 'x' });
  const { carrier_message_ids: ids } = await becomes(sid, 'sent');
  await receipt(ids[0] ?? '', 'UNDELIV', '011');
  t.match(await becomes(sid, 'failed'), { reason: 'undeliverable', detail: 'UNDELIV 011' });
  await receipt(ids[0] ?? '', 'DELIVRD');
  const other = await send({ from, to: '15558880002', text: 'y' });
  await becomes(other, 'sent');
  t.match(await find(sid), { status: 'failed' }, 'what a carrier says later changes nothing');
});

t.test('REST: the same message_sid is sent once', async (t) => {
  const body = { from, to: '15558880003', text: 'once', message_sid: 'order-17' };
  t.equal(await send(body), 'order-17');
  await becomes('order-17', 'sent');
  t.equal(await send(body), 'order-17');
  await becomes(await send({ from, to: '15558880003', text: 'after' }), 'sent');
  t.same(textsTo('15558880003'), ['once', 'after']);
  t.equal(await send({ ...body, text: 'other', message_sid: 'Order-17' }), 'Order-17');
  t.match(await becomes('Order-17', 'sent'), { text: 'other' });
  t.match(await find('order-17'), { text: 'once' }, 'case matters');
});

t.test('REST: what cannot be sent is refused with the name of the field', async (t) => {
  const refused = async (body: Record<string, unknown>) => {
    const failure = await send(body).then(
      () => 'accepted',
      (err: Error) => err.message,
    );
    return failure;
  };
  const good = { from, to: '15558880004', text: 'x' };
  t.match(await refused({ ...good, to: 'nobody' }), /answered 400.*to:/);
  t.match(await refused({ ...good, from: 'a name that is too long' }), /answered 400.*from:/);
  t.match(await refused({ ...good, text: '' }), /answered 400.*text:/);
  t.match(await refused({ ...good, text: 'ж'.repeat(1_341) }), /answered 400.*text: is too long/);
  t.match(await refused({ ...good, text: 'x'.repeat(2_000_000) }), /answered 413/);
  t.match(await refused({ ...good, media: ['file:///etc/passwd'] }), /answered 400.*media:/);
  t.match(await refused({ ...good, message_sid: '../x' }), /answered 400.*message_sid:/);
  t.match(await refused({ ...good, colour: 'red' }), /answered 400.*colour/);
  t.equal(textsTo('15558880004').length, 0);
});

t.test('inbound: the application gets a long message whole, and its verb answers it', async (t) => {
  application.answer(messagingPath, ({ body }) => [
    { verb: 'tag', data: { seen: true } },
    { verb: 'say', text: 'there is nobody to hear this' },
    { verb: 'message', from: body.to, to: body.from, text: `you said ${body.text}`, actionHook: '/answered' },
  ]);
  const parties = { source_addr: '15557770001', destination_addr: line.number };
  for (const [part, words] of [
    [2, 'world'],
    [1, 'hello '],
  ] as const) {
    const short_message = Buffer.concat([Buffer.from([5, 0, 3, 9, 2, part]), Buffer.from(words)]);
    t.equal(await smsc.deliver({ ...parties, esm_class: 0x40, short_message }), 0);
  }
  const hook = await application.request(
    ({ path, body }) => path === messagingPath && body.from === '15557770001',
    30_000,
  );
  t.match(hook.body, {
    text: 'hello world',
    to: line.number,
    account_sid: accountSid,
    application_sid: line.applicationSid,
    media: [],
    carrier: /\S/,
    message_sid: /\S/,
    service_provider_sid: /\S/,
  });
  t.match(hook.headers['jambonz-signature'], /^t=\d+,v1=/);
  const answered = await application.request('/answered', 30_000);
  t.match(answered.body, { message_status: 'success', carrier_message_id: /^id-/, customer_data: { seen: true } });
  t.same(textsTo('15557770001'), ['you said hello world']);
  t.match(await becomes(String(hook.body.message_sid), 'delivered'), { direction: 'inbound', text: 'hello world' });
});

t.test('inbound: an object with a text is a reply, and an application that was away is asked again', async (t) => {
  let attempts = 0;
  application.answer(messagingPath, () => {
    attempts += 1;
    return attempts <= 3 ? { status: 503, text: 'not now' } : { json: { text: 'thank you' } };
  });
  const parties = { source_addr: '15557770002', destination_addr: line.number };
  t.equal(await smsc.deliver({ ...parties, short_message: Buffer.from('hi') }), 0);
  await eventually(
    'the reply',
    () => textsTo('15557770002'),
    (texts) => texts.length > 0,
    WAIT,
  );
  t.same(textsTo('15557770002'), ['thank you']);
  t.equal(attempts, 4, 'three quick attempts, and one more later');
});

t.test('inbound: a number that nobody has told us about is recorded as failed', async (t) => {
  const parties = { source_addr: '15557770003', destination_addr: '19990001111' };
  t.equal(await smsc.deliver({ ...parties, short_message: Buffer.from('anybody?') }), 0);
  const { data } = await eventually(
    'its record',
    () => ringwire.api<{ data: Message[] }>('GET', `${messagesPath}?direction=inbound&number=15557770003`),
    ({ data }) => data.some(({ status }) => status === 'failed'),
    WAIT,
  );
  t.match(data, [{ reason: 'no-application', text: 'anybody?' }]);
});

t.test('a client that binds to us brings a message, and hears that the application has it', async (t) => {
  const client = await connectSmppClient(t, smppPort);
  const bound = await client.ask('bind_transceiver', { system_id: 'them', password: 'geheim' });
  t.equal(bound.command_status, 0);
  application.answer(messagingPath, []);
  const answer = await client.ask('submit_sm', {
    source_addr: '15557770005',
    destination_addr: line.number,
    registered_delivery: 1,
    short_message: Buffer.from('through our server'),
  });
  t.equal(answer.command_status, 0);
  const sid = String(answer.message_id);
  t.match(await becomes(sid, 'delivered'), { direction: 'inbound', text: 'through our server', from: '15557770005' });
  const [receipt] = await eventually(
    'the receipt',
    () => client.received,
    (received) => received.length > 0,
    WAIT,
  );
  t.match(receipt, {
    command: 'deliver_sm',
    receipted_message_id: sid,
    message_state: 2,
    destination_addr: '15557770005',
  });
  t.equal((await client.ask('unbind')).command_status, 0);
});

t.test('verb: message on a call tells its action hook what the carrier said', async (t) => {
  const called = await ringwire.lineWith((own) => [
    { verb: 'message', from: own.number, to: '15558880009', text: 'from a call', actionHook: own.action },
  ]);
  application.answer(called.action, [
    { verb: 'message', from: called.number, to: 'x', actionHook: '/refused', text: 'y' },
  ]);
  const call = await ringwire.call(called.number);
  const told = await application.request(called.action, 30_000);
  t.match(told.body, { message_status: 'success', message_sid: /\S/, carrier: /\S/, call_sid: /\S/ });
  const refused = await application.request('/refused', 30_000);
  t.match(refused.body, { message_status: 'failure', message_failure_reason: /^to:/ });
  await call.finished;
  t.same(textsTo('15558880009'), ['from a call']);
});

t.test('HTTP carrier: messages go out and come in, deliveries are told, wrong tokens are not believed', async (t) => {
  const posts: URLSearchParams[] = [];
  let respond = (): { status: number; json: unknown } => ({ status: 201, json: { sid: `SM${posts.length}` } });
  const vendor = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    posts.push(new URLSearchParams(body));
    const { status, json } = respond();
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  vendor.listen(0, '127.0.0.1');
  await once(vendor, 'listening');
  t.teardown(() => {
    vendor.close();
    vendor.closeAllConnections();
  });
  const { port } = vendor.address() as AddressInfo;
  const { sid: gatewaySid } = await asOwner<{ sid: string }>('POST', '/v1/HttpMessageGateways', {
    voip_carrier_sid: carrierSid,
    vendor: 'twilio',
    base_url: `http://127.0.0.1:${port}`,
    username: 'AC1',
    password: 'secret',
  });
  const gateway = await asOwner<Record<string, string>>('GET', `/v1/HttpMessageGateways/${gatewaySid}`);
  t.equal(gateway.password, '******');
  // The HTTP gateway takes over once the edge knows it.
  const probe = async () => {
    await becomes(await send({ from, to: '15558880010', text: 'probe' }), 'sent');
    return posts.length;
  };
  await eventually('the HTTP gateway is used', probe, (count) => count > 0, WAIT);
  const sid = await send({ from, to: '15558880011', text: 'Grüße', media: ['http://example.com/a.png'] });
  const sent = await becomes(sid, 'sent');
  const post = posts.find((form) => form.get('To') === '+15558880011');
  t.equal(post?.get('Body'), 'Grüße');
  t.equal(post?.get('MediaUrl'), 'http://example.com/a.png');
  const webhook = async (path: string, form: Record<string, string>) => {
    const body = new URLSearchParams(form);
    return (await fetch(new URL(path, instance.api.url), { method: 'POST', body })).status;
  };
  const path = gateway.webhook_path ?? '';
  const done = { MessageSid: sent.carrier_message_ids[0] ?? '', MessageStatus: 'delivered' };
  t.equal(await webhook(`${path.slice(0, -1)}_`, done), 404, 'a wrong token');
  t.equal(await webhook(path, { ...done, MessageSid: 'SM-of-somebody-else' }), 200);
  t.equal(await webhook(path, done), 200);
  await becomes(sid, 'delivered');

  const invalid = { status: 400, json: { code: 21211, message: 'Invalid To' } };
  respond = () => invalid;
  t.match(await becomes(await send({ from, to: '15558880012', text: 'x' }), 'failed'), {
    reason: 'rejected',
    detail: '21211 Invalid To',
  });
  let attempts = 0;
  respond = () =>
    ++attempts === 1 ? { status: 429, json: { code: 20429 } } : { status: 201, json: { sid: 'SM-late' } };
  t.match(await becomes(await send({ from, to: '15558880013', text: 'x' }), 'sent'), {
    carrier_message_ids: ['SM-late'],
  });
  respond = () => ({ status: 502, json: {} });
  const before = posts.length;
  t.match(await becomes(await send({ from, to: '15558880014', text: 'x' }), 'failed'), { reason: 'unknown-outcome' });
  t.equal(posts.length, before + 1, 'what may have been accepted is not sent again');

  application.answer(messagingPath, []);
  const inbound = {
    MessageSid: 'SM-in-1',
    From: '+15557770010',
    To: `+${line.number}`,
    Body: 'over HTTP',
    NumMedia: '0',
  };
  t.equal(await webhook(path, inbound), 200);
  t.equal(await webhook(path, inbound), 200, 'posted again');
  const hook = await application.request(
    ({ path, body }) => path === messagingPath && body.from === '15557770010',
    30_000,
  );
  t.equal(hook.body.text, 'over HTTP');
  t.equal(await webhook(path, { nonsense: 'x'.repeat(1_000) }), 200);
  t.equal(await webhook(path, { Body: 'x'.repeat(100_000) }), 413);
  await becomes(String(hook.body.message_sid), 'delivered');
  t.equal(application.requests.filter(({ body }) => body.from === '15557770010').length, 1, 'told once');
});

t.test('REST: other accounts see and send nothing, and no password is shown', async (t) => {
  const carriers = JSON.stringify(await asOwner('GET', '/v1/VoipCarriers'));
  t.match(carriers, /"smpp_system_id":"ringwire"/);
  t.notMatch(carriers, /"smpp_password":"(?!\*{6})/);
  const other = `/v1/Accounts/${'0'.repeat(8)}-0000-4000-8000-000000000000/Messages`;
  await t.rejects(ringwire.api('GET', other), /answered 40[34]/);
  await t.rejects(ringwire.api('POST', other, { from, to: '15558880001', text: 'x' }), /answered 40[34]/);
});
