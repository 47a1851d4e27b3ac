import t from 'tap';
import { FakeClock } from './fake-clock.js';
import { SipMessage } from './message.js';
import { parseRAck, ReliableProvisionals, rseqOf } from './reliable-provisional.js';
import type { ServerTransaction } from './server-transaction.js';
import { TransactionLayer } from './transaction-layer.js';

/** An INVITE that one layer has of another, both over UDP on loopback. */
async function invited(t: { teardown(fn: () => unknown): void }): Promise<ServerTransaction> {
  const layers = [0, 1].map(
    () => new TransactionLayer({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], timers: { T1: 100_000 } }),
  );
  for (const layer of layers) {
    await layer.start();
    t.teardown(() => layer.stop());
  }
  const [from, to] = layers as [TransactionLayer, TransactionLayer];
  const uri = `sip:127.0.0.1:${to.addressFor('udp').port}`;
  const invite = SipMessage.request('INVITE', uri).add('From', '<sip:a@h>;tag=a').add('To', `<${uri}>`);
  const received = new Promise<ServerTransaction>((resolve) => to.once('request', resolve));
  from.sendRequest(invite.add('Call-ID', 'c').add('CSeq', '7 INVITE'));
  return await received;
}

function prackFor(response: SipMessage, cseq = '7 INVITE'): SipMessage {
  return SipMessage.request('PRACK', 'sip:h').add('RAck', `${response.get('RSeq')} ${cseq}`);
}

t.test('reliable provisional: repeated at T1, doubling, until its PRACK comes; the next one follows', async (t) => {
  const transaction = await invited(t);
  const clock = new FakeClock();
  const sent: Array<[ms: number, status: number]> = [];
  const respond = transaction.respond.bind(transaction);
  transaction.respond = (response) => {
    sent.push([clock.nowMs, response.status]);
    respond(response);
  };
  const reliable = new ReliableProvisionals(transaction, { t1Ms: 500, clock, onTimeout: () => t.fail('timed out') });
  const [ringing, progress] = [transaction.makeResponse(180), transaction.makeResponse(183)];
  progress.setBody('v=0\r\n', 'application/sdp');
  reliable.send(ringing);
  t.notOk(reliable.holdsSuccess, 'no SDP waits');
  reliable.send(progress);
  t.ok(reliable.holdsSuccess);
  clock.advance(3500);
  t.same(
    sent,
    [0, 500, 1500, 3500].map((ms) => [ms, 180]),
  );
  t.equal(Number(progress.get('RSeq')), Number(ringing.get('RSeq')) + 1);
  t.notOk(reliable.acknowledge(prackFor(progress)), 'it has not been sent');
  t.notOk(reliable.acknowledge(prackFor(ringing, '8 INVITE')));
  t.ok(reliable.acknowledge(prackFor(ringing)));
  t.same(sent.at(-1), [3500, 183]);
  t.ok(reliable.acknowledge(prackFor(progress)));
  t.notOk(reliable.isAwaitingPrack);
  clock.advance(100_000);
  t.equal(sent.length, 5);
  t.equal(clock.pending, 0);
});

t.test(
  'reliable provisional: given up after 64*T1; after the final response a late PRACK is still taken',
  async (t) => {
    const clock = new FakeClock();
    let timeouts = 0;
    const transaction = await invited(t);
    const lost = new ReliableProvisionals(transaction, { t1Ms: 500, clock, onTimeout: () => timeouts++ });
    lost.send(transaction.makeResponse(180));
    clock.advance(31_999);
    t.equal(timeouts, 0);
    clock.advance(1);
    t.equal(timeouts, 1);
    t.equal(clock.pending, 0);

    const late = new ReliableProvisionals(transaction, { t1Ms: 500, clock, onTimeout: () => timeouts++ });
    const ringing = transaction.makeResponse(180);
    late.send(ringing);
    late.send(transaction.makeResponse(183));
    late.stop();
    clock.advance(100_000);
    t.ok(late.acknowledge(prackFor(ringing)));
    t.notOk(late.isAwaitingPrack, 'what was never sent is not waited for');
    t.equal(timeouts, 1);
  },
);

t.test('reliable provisional: RAck and RSeq are read strictly', async (t) => {
  t.same(parseRAck(' 12  3 INVITE '), { rseq: 12, cseq: 3, method: 'INVITE' });
  for (const value of [undefined, '', '1 INVITE', '-1 2 INVITE', '1 2', '1 2 3 INVITE', '99999999999 1 INVITE']) {
    t.equal(parseRAck(value), undefined, String(value));
  }
  t.equal(rseqOf(SipMessage.response(183, 'x').add('RSeq', '5')), 5);
  t.equal(rseqOf(SipMessage.response(183, 'x').add('RSeq', '5a')), undefined);
  t.equal(rseqOf(SipMessage.response(200, 'OK').add('RSeq', '5')), undefined);
});
