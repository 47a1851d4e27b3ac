import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { SipMessage } from './message.js';
import { parseMessage } from './parse-message.js';
import type { ServerTransaction } from './server-transaction.js';
import { TransactionLayer } from './transaction-layer.js';

async function layer(t: { teardown(fn: () => unknown): void }): Promise<TransactionLayer> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const made = new TransactionLayer({ listen, timers: { T1: 20 } });
  await made.start();
  t.teardown(() => made.stop());
  return made;
}

/** A plain UDP socket that speaks SIP by hand. */
async function hand(t: { teardown(fn: () => unknown): void }, to: TransactionLayer) {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const received: SipMessage[] = [];
  socket.on('message', (bytes) => {
    const parsed = parseMessage(bytes);
    if (parsed.ok) received.push(parsed.message);
  });
  const { port } = to.addressFor('udp');
  const send = (text: string): void => socket.send(text.replace(/\n/g, '\r\n'), port, '127.0.0.1');
  const next = async (count: number): Promise<void> => {
    while (received.length < count) await once(socket, 'message');
  };
  return { send, received, next, port: socket.address().port };
}

const text = (method: string, branch: string, more = ''): string => `${method} sip:x@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:9;branch=${branch};rport
From: <sip:a@h>;tag=a
To: <sip:b@h>${more}
Call-ID: c
CSeq: 1 ${method}

`;

t.test('layer: UDP and TCP share a free port', async (t) => {
  const { addresses } = await layer(t);
  t.equal(addresses[0]?.port, addresses[1]?.port);
});

t.test('layer: received and rport are put into Via and the response goes there', async (t) => {
  const under = await layer(t);
  under.on('request', (transaction) => transaction.reply(200));
  const peer = await hand(t, under);
  peer.send(text('OPTIONS', 'z9hG4bK1'));
  await peer.next(1);
  t.equal(
    peer.received[0]?.get('Via'),
    `SIP/2.0/UDP 192.0.2.1:9;branch=z9hG4bK1;rport=${peer.port};received=127.0.0.1`,
  );
});

t.test('layer: a repeated request reaches the user once and is answered twice', async (t) => {
  const under = await layer(t);
  let requests = 0;
  under.on('request', (transaction) => {
    requests++;
    transaction.reply(200);
  });
  const peer = await hand(t, under);
  peer.send(text('OPTIONS', 'z9hG4bK1'));
  peer.send(text('OPTIONS', 'z9hG4bK1'));
  await peer.next(2);
  t.equal(requests, 1);
  t.equal(under.counters.retransmissionsReceived, 1);
});

t.test('layer: CANCEL finds its INVITE, an unknown one gets 481', async (t) => {
  const under = await layer(t);
  under.on('request', (transaction) => transaction.once('cancel', () => transaction.reply(487)));
  const peer = await hand(t, under);
  peer.send(text('INVITE', 'z9hG4bK1'));
  await peer.next(1);
  peer.send(text('CANCEL', 'z9hG4bK1'));
  peer.send(text('CANCEL', 'z9hG4bK2'));
  await peer.next(4);
  t.same(
    peer.received
      .slice(0, 4)
      .map((m) => `${m.status} ${m.get('CSeq')}`)
      .sort(),
    ['100 1 INVITE', '200 1 CANCEL', '481 1 CANCEL', '487 1 INVITE'],
  );
  peer.send(text('ACK', 'z9hG4bK1'));
  t.equal(under.counters.strayCancels, 1);
});

t.test('layer: a 2xx is resent until an ACK with a branch of its own comes', async (t) => {
  const under = await layer(t);
  let invite: ServerTransaction | undefined;
  under.on('request', (transaction) => {
    invite = transaction;
    transaction.reply(200);
  });
  const acked = once(under, 'ack');
  const peer = await hand(t, under);
  peer.send(text('INVITE', 'z9hG4bK1'));
  await peer.next(4);
  t.same(
    peer.received.slice(0, 4).map((m) => m.status),
    [100, 200, 200, 200],
  );
  peer.send(text('ACK', 'z9hG4bK2', `;tag=${invite?.localTag}`));
  const [ack] = await acked;
  t.equal(ack.method, 'ACK');
  t.ok(invite?.acknowledged);
  peer.send(text('ACK', 'z9hG4bK3', ';tag=nobody'));
  while (under.counters.strayAcks === 0) await new Promise((resolve) => setImmediate(resolve));
});

t.test(
  'layer: a malformed request gets 400, a stray response is counted, a throwing listener is survived',
  async (t) => {
    const under = await layer(t);
    under.on('request', () => {
      throw new Error('bug above');
    });
    const peer = await hand(t, under);
    peer.send(text('OPTIONS', 'z9hG4bK1').replace('CSeq: 1 OPTIONS', 'CSeq: 1 INFO'));
    await peer.next(1);
    t.equal(peer.received[0]?.status, 400);
    t.same(under.counters.parseErrors, { 'bad-cseq': 1 });
    const failed = once(under, 'listenerError');
    peer.send(text('OPTIONS', 'z9hG4bK2'));
    t.match((await failed)[0], { message: 'bug above' });
    const strayed = once(under, 'stray');
    peer.send(text('OPTIONS', 'z9hG4bK9').replace(/^.*\n/, 'SIP/2.0 200 OK\n'));
    await strayed;
    t.equal(under.counters.strayResponses, 1);
  },
);

t.test('layer: a request that can be sent nowhere ends with a transport error', async (t) => {
  const under = await layer(t);
  for (const uri of ['tel:1', 'sip:x@127.0.0.1:1;transport=tcp']) {
    const request = SipMessage.request('OPTIONS', uri).add('CSeq', '1 OPTIONS').add('Call-ID', 'c');
    const [error] = await once(under.sendRequest(request), 'transportError');
    t.equal(error.code, 'sip/transport');
  }
  t.equal(under.gauges.clientTransactions, 0);
});

t.test('message: a line end in a header value cannot begin another header', async (t) => {
  const message = SipMessage.request('OPTIONS', 'sip:x@h').add('X', 'a\r\nInjected: yes').set('X', 'b\nc');
  t.notMatch(message.toString(), /\nInjected|\nc/);
});

t.test('tcp: a double CRLF is answered with one CRLF, between messages too', async (t) => {
  const under = await layer(t);
  under.on('request', (transaction) => transaction.reply(200));
  const socket = connect(under.addressFor('tcp').port, '127.0.0.1').setEncoding('latin1');
  t.teardown(() => socket.destroy());
  socket.write('\r\n\r\n');
  t.equal((await once(socket, 'data'))[0], '\r\n');
  socket.write(text('OPTIONS', 'z9hG4bK1').replace(/\n/g, '\r\n'));
  t.match((await once(socket, 'data'))[0], /^SIP\/2\.0 200/);
  socket.write('\r\n\r\n');
  t.equal((await once(socket, 'data'))[0], '\r\n');
  t.equal(under.counters.keepAlives, 2);
});

t.test(
  'layer: what is answered lingers without its messages: repeats get the same answer, or none for an INVITE',
  async (t) => {
    const under = await layer(t);
    const answered: ServerTransaction[] = [];
    under.on('request', (transaction) => {
      answered.push(transaction);
      transaction.reply(200);
    });
    const peer = await hand(t, under);
    peer.send(text('OPTIONS', 'z9hG4bK1'));
    peer.send(text('OPTIONS', 'z9hG4bK1'));
    await peer.next(2);
    t.equal(peer.received[1]?.get('To'), peer.received[0]?.get('To'));
    peer.send(text('INVITE', 'z9hG4bK2'));
    await peer.next(4);
    const ack = text('ACK', 'z9hG4bK3', `;tag=${answered[1]?.localTag}`);
    const before = under.counters.retransmissionsReceived;
    peer.send(ack);
    peer.send(ack);
    peer.send(text('INVITE', 'z9hG4bK2'));
    peer.send(text('CANCEL', 'z9hG4bK2'));
    await peer.next(5);
    t.match(peer.received[4], { status: 200 });
    t.equal(peer.received[4]?.get('To'), `<sip:b@h>;tag=${answered[1]?.localTag}`);
    t.equal(under.counters.retransmissionsReceived, before + 2);
    t.same([answered.length, under.counters.strayAcks, under.counters.strayCancels], [2, 0, 0]);
    t.equal(under.gauges.serverTransactions, 3);
    while (under.gauges.serverTransactions > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  },
);
