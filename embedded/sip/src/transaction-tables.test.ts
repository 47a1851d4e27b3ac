import t from 'tap';
import { inviteClient, nonInviteClient, stepClient } from './client-tables.js';
import { ClientTransaction } from './client-transaction.js';
import { SipCounters } from './counters.js';
import { FakeClock } from './fake-clock.js';
import { SipMessage } from './message.js';
import { createResponse } from './response.js';
import { inviteServer, nonInviteServer, stepServer } from './server-tables.js';
import { ServerTransaction } from './server-transaction.js';
import { makeTimers } from './timers.js';
import type { TransportName } from './transport.js';

const timers = makeTimers();

function request(method: string): SipMessage {
  return SipMessage.request(method, 'sip:b@127.0.0.1')
    .add('Via', 'SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx')
    .add('From', '<sip:a@h>;tag=a')
    .add('To', '<sip:b@h>')
    .add('Call-ID', 'c')
    .add('CSeq', `1 ${method}`);
}

/** A transaction on a fake clock; `sent` holds when and what it sent (start line). */
function clientRig(method: string, transport: TransportName = 'udp') {
  const clock = new FakeClock();
  const sent: Array<[number, string]> = [];
  const events: string[] = [];
  let fail: ((error?: Error) => void) | undefined;
  const host = {
    timers,
    clock,
    counters: new SipCounters(),
    transmit: (bytes: Buffer, _to: unknown, done: (error?: Error) => void) => {
      sent.push([clock.nowMs, bytes.toString().split(' ')[0]!]);
      fail = done;
      return undefined;
    },
    sentOn: () => undefined,
    transportFailed: () => undefined,
    startCancel: (cancel: SipMessage) => {
      sent.push([clock.nowMs, cancel.method]);
      return transaction;
    },
    clientEnded: () => undefined,
    tryNext: () => false,
    listenerFailed: (error: unknown) => {
      throw error;
    },
  };
  const to = { transport, host: '127.0.0.1', port: 5060 };
  const transaction: ClientTransaction = new ClientTransaction(host, 'k', request(method), to);
  transaction.on('response', (response) => events.push(String(response.status)));
  transaction.on('timeout', (error) => events.push(`timeout ${error.timer}`));
  transaction.on('transportError', () => events.push('transportError'));
  transaction.on('terminated', () => events.push('terminated'));
  transaction.start();
  const receive = (status: number): void => transaction.receive(createResponse(transaction.request, status, 'x', 'b'));
  return { clock, sent, events, transaction, receive, host, fail: (error: Error) => fail?.(error) };
}

t.test('INVITE client: resends after 0.5, 1.5, 3.5… s and gives up at timer B', async (t) => {
  const { clock, sent, events } = clientRig('INVITE');
  clock.advance(32_000);
  t.same(
    sent.map(([at]) => at),
    [0, 500, 1500, 3500, 7500, 15_500, 31_500],
  );
  t.same(events, ['timeout B', 'terminated']);
  t.equal(clock.pending, 0);
});

t.test('INVITE client: over TCP nothing is resent', async (t) => {
  const { clock, sent, events } = clientRig('INVITE', 'tcp');
  clock.advance(32_000);
  t.equal(sent.length, 1);
  t.same(events, ['timeout B', 'terminated']);
});

t.test(
  'INVITE client: a provisional response stops resending, a failure is ACKed each time and passed up once',
  async (t) => {
    const { clock, sent, events, receive, transaction } = clientRig('INVITE');
    receive(180);
    clock.advance(60_000);
    receive(486);
    receive(486);
    t.same(
      sent.map(([, what]) => what),
      ['INVITE', 'ACK', 'ACK'],
    );
    t.equal(transaction.state, 'completed');
    clock.advance(timers.D);
    t.same(events, ['180', '486', 'terminated']);
  },
);

t.test('INVITE client: each 2xx comes up until timer M, the transaction does not ACK it (RFC 6026)', async (t) => {
  const { clock, sent, events, receive } = clientRig('INVITE');
  receive(200);
  receive(200);
  receive(486);
  clock.advance(timers.M);
  t.equal(sent.length, 1);
  t.same(events, ['200', '200', 'terminated']);
});

t.test('INVITE client: CANCEL waits for a provisional response; without an end the INVITE is given up', async (t) => {
  const { clock, sent, events, receive, transaction } = clientRig('INVITE');
  transaction.cancel();
  t.equal(sent.length, 1);
  receive(100);
  t.equal(sent[1]?.[1], 'CANCEL');
  transaction.cancel();
  clock.advance(64 * timers.T1);
  t.same(events, ['100', 'timeout B', 'terminated']);
  t.equal(sent.filter(([, what]) => what === 'CANCEL').length, 1);
});

t.test('client: a transport error ends it', async (t) => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const { events, fail, clock } = clientRig(method);
    fail(new Error('gone'));
    t.same(events, ['transportError', 'terminated']);
    t.equal(clock.pending, 0);
  }
});

t.test('non-INVITE client: resends up to every T2, gives up at timer F', async (t) => {
  const { clock, sent, events } = clientRig('OPTIONS');
  clock.advance(32_000);
  t.same(
    sent.map(([at]) => at),
    [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500],
  );
  t.same(events, ['timeout F', 'terminated']);
});

t.test(
  'non-INVITE client: after a provisional response resends every T2; repeats of the final one are absorbed',
  async (t) => {
    const { clock, sent, events, receive, host } = clientRig('OPTIONS');
    receive(100);
    clock.advance(500 + timers.T2);
    t.equal(sent.length, 3);
    receive(200);
    receive(200);
    clock.advance(timers.K);
    t.same(events, ['100', '200', 'terminated']);
    t.equal(host.counters.retransmissionsReceived, 1);
  },
);

function serverRig(method: string, transport: TransportName = 'udp') {
  const clock = new FakeClock();
  const sent: Array<[number, string]> = [];
  const events: string[] = [];
  const host = {
    timers,
    clock,
    counters: new SipCounters(),
    transmitResponse: (bytes: Buffer) => void sent.push([clock.nowMs, bytes.toString().split(' ')[1]!]),
    awaitAck: () => undefined,
    answered: () => undefined,
    retire: () => undefined,
    serverEnded: () => undefined,
    listenerFailed: (error: unknown) => {
      throw error;
    },
  };
  const local = { transport, host: '127.0.0.1', port: 5060 };
  const transaction = new ServerTransaction(host, 'k', request(method), { ...local, port: 5061, local });
  transaction.on('ack', () => events.push('ack'));
  transaction.on('timeout', (error) => events.push(`timeout ${error.timer}`));
  transaction.on('terminated', () => events.push('terminated'));
  return { clock, sent, events, transaction, host };
}

t.test('INVITE server: a failure is resent from T1 up to every T2 until the ACK', async (t) => {
  const { clock, sent, events, transaction } = serverRig('INVITE');
  transaction.reply(486);
  clock.advance(12_000);
  t.same(
    sent.map(([at]) => at),
    [0, 500, 1500, 3500, 7500, 11_500],
  );
  transaction.receiveAck(request('ACK'));
  clock.advance(timers.I);
  t.equal(sent.length, 6);
  t.same(events, ['terminated']);
});

t.test('INVITE server: a failure without ACK ends at timer H', async (t) => {
  const { clock, events, transaction } = serverRig('INVITE', 'tcp');
  transaction.reply(486);
  clock.advance(timers.H);
  t.same(events, ['timeout H', 'terminated']);
});

t.test('INVITE server: a repeated INVITE gets the last provisional response again', async (t) => {
  const { sent, transaction, host } = serverRig('INVITE');
  transaction.reply(100);
  transaction.reply(180);
  transaction.receiveAgain();
  t.same(
    sent.map(([, status]) => status),
    ['100', '180', '180'],
  );
  t.equal(host.counters.retransmissionsReceived, 1);
});

t.test(
  'INVITE server: a 2xx is resent until its ACK, which comes up once; repeated INVITEs are absorbed',
  async (t) => {
    const { clock, sent, events, transaction } = serverRig('INVITE');
    transaction.reply(200);
    transaction.receiveAgain();
    clock.advance(4000);
    t.same(
      sent.map(([at]) => at),
      [0, 500, 1500, 3500],
    );
    transaction.receiveAck(request('ACK'));
    transaction.receiveAck(request('ACK'));
    clock.advance(timers.L);
    t.equal(sent.length, 4);
    t.same(events, ['ack', 'terminated']);
  },
);

t.test('INVITE server: a 2xx without ACK is told before the transaction ends', async (t) => {
  const { clock, events, transaction } = serverRig('INVITE');
  transaction.reply(200);
  clock.advance(timers.L);
  t.same(events, ['timeout 2xx', 'terminated']);
  t.equal(clock.pending, 0);
});

t.test('INVITE server: a 2xx without ACK is told even where its timer is late', async (t) => {
  const { clock, events, transaction } = serverRig('INVITE');
  const set = clock.setTimeout.bind(clock);
  clock.setTimeout = (fn, ms) => set(fn, ms === timers.L - 1 ? timers.L + 1 : ms);
  transaction.reply(200);
  clock.advance(timers.L + 1);
  t.same(events, ['timeout 2xx', 'terminated']);
  t.equal(clock.pending, 0);
});

t.test('non-INVITE server: a repeated request gets the final response again until timer J', async (t) => {
  const { clock, sent, events, transaction } = serverRig('OPTIONS');
  transaction.receiveAgain();
  t.equal(sent.length, 0);
  transaction.reply(200);
  transaction.receiveAgain();
  t.throws(() => transaction.reply(200), { message: /has been answered/ });
  clock.advance(timers.J);
  t.equal(sent.length, 2);
  t.same(events, ['terminated']);
});

t.test('tables: an event without a cell changes nothing', async (t) => {
  const context = { timers, reliable: false };
  for (const state of ['terminated'] as const) {
    for (const invite of [true, false]) {
      t.same(stepClient(invite, state, { type: 'timerB', afterMs: 1 }, context), { state, effects: [], ignored: true });
      t.same(stepServer(invite, state, { type: 'retransmission' }, context), { state, effects: [], ignored: true });
    }
  }
});

t.test('tables: every timer that is armed has a cell in the state it leads to', async (t) => {
  const response = SipMessage.response(200, 'OK');
  const common = { response, request: response, cause: new Error('x'), afterMs: 1 };
  for (const [name, table] of Object.entries({ inviteClient, nonInviteClient, inviteServer, nonInviteServer })) {
    for (const [state, row] of Object.entries(
      table as Record<string, Record<string, (...args: never[]) => unknown[]>>,
    )) {
      for (const [event, cell] of Object.entries(row)) {
        const [next, ...effects] = cell(common as never, { timers, reliable: false } as never) as [string, ...object[]];
        for (const effect of effects as Array<{ do: string; timer?: string }>) {
          if (effect.do !== 'arm') continue;
          const rowOfNext = (table as Record<string, object>)[next] ?? {};
          t.ok(`timer${effect.timer}` in rowOfNext, `${name}: ${state} --${event}--> ${next} arms ${effect.timer}`);
        }
      }
    }
  }
});
