import t from 'tap';
import { FakeClock } from './fake-clock.js';
import { RetiredTransactions } from './retired-transactions.js';

const source = {
  transport: 'udp',
  host: '127.0.0.1',
  port: 5061,
  local: { transport: 'udp', host: '127.0.0.1', port: 5060 },
} as const;

const done = (key: string, ackKey?: string) => ({
  key,
  ackKey,
  answer: undefined,
  to: source,
  source,
  localTag: 'x',
  endsAtMs: 0,
});

t.test('retired transactions: each is found until its time is over, by one timer for all', async (t) => {
  const clock = new FakeClock();
  const retired = new RetiredTransactions(clock);
  retired.add(done('a', 'ack of a'), 100);
  clock.advance(40);
  retired.add(done('b'), 100);
  t.equal(clock.pending, 1);
  clock.advance(59);
  t.equal(retired.ofAck('ack of a')?.key, 'a');
  clock.advance(1);
  t.same(
    [retired.get('a'), retired.ofAck('ack of a'), retired.get('b')?.key, retired.size],
    [undefined, undefined, 'b', 1],
  );
  clock.advance(40);
  t.same([retired.size, clock.pending], [0, 0]);
});

t.test('retired transactions: the end of an old one does not touch a new one of the same key', async (t) => {
  const clock = new FakeClock();
  const retired = new RetiredTransactions(clock);
  retired.add(done('a'), 100);
  retired.delete('a');
  clock.advance(50);
  retired.add(done('a'), 100);
  clock.advance(60);
  t.equal(retired.size, 1);
  clock.advance(40);
  t.equal(retired.size, 0);
});

t.test('retired transactions: thousands come and go, and nothing stays', async (t) => {
  const clock = new FakeClock();
  const retired = new RetiredTransactions(clock);
  for (let i = 0; i < 5_000; i++) {
    retired.add(done(`${i}`, `ack ${i}`), 1_000);
    clock.advance(1);
  }
  t.equal(retired.size, 999);
  retired.clear();
  t.same([retired.size, retired.ofAck('ack 4999'), clock.pending], [0, undefined, 0]);
});
