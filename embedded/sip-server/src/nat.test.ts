import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { parseMessage, SipMessage } from '@ringwire/sip';
import t from 'tap';
import { isNattedCallee, isNattedCaller } from './nat.js';
import { Inbox } from './test-peer.js';
import { connectApp, notDrachtio, sdp, startServer } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];

/** A telephone behind NAT: its Contact is an address that nobody here reaches. */
class NattedPhone {
  readonly inbox = new Inbox<SipMessage>();
  readonly contact = '<sip:phone@192.168.77.5:5060>';
  toTag = '';

  constructor(readonly socket: Socket) {
    socket.on('message', (bytes) => {
      const parsed = parseMessage(bytes);
      if (parsed.ok) this.inbox.push(parsed.message);
    });
  }

  get port(): number {
    return this.socket.address().port;
  }

  async request(method: string): Promise<SipMessage> {
    return await this.inbox.take((message) => message.isRequest && message.method === method);
  }

  async response(status: number, method: string): Promise<SipMessage> {
    return await this.inbox.take(
      (message) => message.status === status && message.get('CSeq')?.endsWith(method) === true,
    );
  }

  /** Sends a request of the call that it begins. */
  send(port: number, method: string, cseq: number, body = ''): void {
    const lines = [
      `${method} sip:100@127.0.0.1:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP 192.168.77.5:5060;branch=z9hG4bK-nat-${this.port}-${method}-${cseq};rport`,
      'Max-Forwards: 70',
      'From: <sip:phone@192.168.77.5>;tag=nat',
      `To: <sip:100@127.0.0.1>${this.toTag}`,
      `Call-ID: nat-${this.port}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: ${this.contact}`,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ];
    this.socket.send(lines.join('\r\n'), port, '127.0.0.1');
  }

  /** Answers a request with 200. */
  answer(request: SipMessage, port: number, body = ''): void {
    const response = SipMessage.response(200, 'OK');
    for (const via of request.getAll('Via')) response.add('Via', via);
    for (const name of ['From', 'Call-ID', 'CSeq']) response.add(name, request.get(name)!);
    const to = request.get('To')!;
    response.add('To', /;tag=/.test(to) ? to : `${to};tag=nat`).add('Contact', this.contact);
    if (body !== '') response.setBody(body, 'application/sdp');
    this.socket.send(response.toBuffer(), port, '127.0.0.1');
  }
}

async function nattedPhone(t: Tap): Promise<NattedPhone> {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return new NattedPhone(socket);
}

t.test('NAT: a caller over UDP whose Contact is private gets BYE where it was heard', async (t) => {
  const server = await startServer(t);
  const { port } = server.layer.addressFor('udp');
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      const call = await srf.createUAS(req, res, { localSdp: sdp(1) });
      call.once('ack', () => void call.destroy());
    });
  });
  const phone = await nattedPhone(t);
  phone.send(port, 'INVITE', 1, sdp(2));
  const ok = await phone.response(200, 'INVITE');
  phone.toTag = `;tag=${/;tag=([^;]+)/.exec(ok.get('To')!)![1]}`;
  phone.send(port, 'ACK', 1);
  const bye = await phone.request('BYE');
  t.equal(bye.uri, 'sip:phone@192.168.77.5:5060', 'the Request-URI is its Contact all the same');
  t.equal(bye.has('Route'), false);
  phone.answer(bye, port);
});

t.test('NAT: a callee over UDP whose Contact is private gets ACK and BYE where it was reached', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await nattedPhone(t);
  const { port } = server.layer.addressFor('udp');
  const calling = srf.createUAC(`sip:phone@127.0.0.1:${phone.port}`, { localSdp: sdp(1) });
  phone.answer(await phone.request('INVITE'), port, sdp(2));
  const call = await calling;
  t.equal((await phone.request('ACK')).uri, 'sip:phone@192.168.77.5:5060');
  void call.destroy();
  phone.answer(await phone.request('BYE'), port);
});

t.test('NAT: --disable-nat-detection sends to the Contact (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t, ['--disable-nat-detection']);
  const srf = await connectApp(t, server);
  const { port } = server.layer.addressFor('udp');
  const phone = await nattedPhone(t);
  const elsewhere = createSocket('udp4');
  t.teardown(() => elsewhere.close());
  elsewhere.bind(0, '127.0.3.1');
  await once(elsewhere, 'listening');
  Object.assign(phone, { contact: `<sip:phone@127.0.3.1:${elsewhere.address().port}>` });
  const acked = once(elsewhere, 'message') as Promise<[Buffer]>;
  const calling = srf.createUAC(`sip:phone@127.0.0.1:${phone.port}`, { localSdp: sdp(1) });
  phone.answer(await phone.request('INVITE'), port, sdp(2));
  await calling;
  t.match((await acked)[0].toString(), /^ACK /);
});

t.test('NAT: what counts as a sign of it', async (t) => {
  const off = { disabled: false, aggressive: false };
  const source = { transport: 'udp', host: '203.0.113.7', port: 5060 } as const;
  const message = (...headers: Array<[string, string]>): SipMessage => {
    const made = SipMessage.request('INVITE', 'sip:x@example.com').add('Via', 'SIP/2.0/UDP h');
    for (const [name, value] of headers) made.add(name, value);
    return made;
  };
  const contact = (uri: string): SipMessage => message(['Contact', `<${uri}>`]);
  const caller: Array<[SipMessage, boolean, string]> = [
    [contact('sip:a@203.0.113.7'), false, 'the address it was heard at'],
    [contact('sip:a@203.0.113.7:5060'), false, 'address and port'],
    [contact('sip:a@203.0.113.7:5062'), true, 'another port'],
    [contact('sip:a@10.0.0.7'), true, 'another address'],
    [contact('sip:a@10.0.0.7;transport=tcp'), false, 'another transport'],
    [message(), false, 'no Contact'],
    [contact('sip:a@10.0.0.7').add('Record-Route', '<sip:p;lr>'), false, 'a proxy that stays'],
    [contact('sip:a@10.0.0.7').add('Via', 'SIP/2.0/UDP p'), false, 'a proxy that does not'],
  ];
  for (const [request, natted, what] of caller) t.equal(isNattedCaller(request, source, off), natted, what);
  t.equal(isNattedCaller(contact('sip:a@10.0.0.7'), source, { ...off, disabled: true }), false);
  t.equal(isNattedCaller(contact('sip:a@10.0.0.7'), { ...source, transport: 'tcp' }, off), false);
  const routed = contact('sip:a@203.0.113.7').add('Record-Route', '<sip:p;lr;nat=yes>, <sip:q;lr>');
  t.equal(isNattedCaller(routed, source, off), false);
  t.equal(isNattedCaller(routed, source, { disabled: true, aggressive: true }), true, 'drachtio: disabled or not');

  const aggressive = { ...off, aggressive: true };
  const callee: Array<[SipMessage, typeof off, boolean, string]> = [
    [contact('sip:a@203.0.113.7:9'), off, false, 'another port of the same address'],
    [contact('sip:a@10.0.0.7'), off, true, 'another address'],
    [contact('sip:a@10.0.0.7'), { ...aggressive, disabled: true }, false, 'disabled'],
    [contact('sip:a@203.0.113.7;nat=yes'), off, false, 'nat=yes'],
    [contact('sip:a@203.0.113.7;nat=yes'), aggressive, true, 'nat=yes, aggressive'],
    [contact('sip:a@10.0.0.7').add('Record-Route', '<sip:192.0.2.1;lr>'), off, false, 'a proxy'],
    [contact('sip:a@10.0.0.7').add('Record-Route', '<sip:192.168.1.1;lr>'), off, true, 'a proxy behind NAT'],
    [
      contact('sip:a@1.2.3.4').add('Record-Route', '<sip:x;lr>, <sip:y;lr;nat=yes>'),
      aggressive,
      true,
      'the nearest proxy',
    ],
    [contact('sip:a@1.2.3.4').add('Record-Route', '<sip:x;lr;nat=yes>, <sip:y;lr>'), aggressive, false, 'a far proxy'],
  ];
  for (const [response, nat, natted, what] of callee) t.equal(isNattedCallee(response, source, nat), natted, what);
  const ipv6 = { transport: 'udp', host: '2001:db8::7', port: 5060 } as const;
  t.equal(isNattedCaller(contact('sip:a@[2001:DB8:0::7]'), ipv6, off), false, 'another spelling');
});
