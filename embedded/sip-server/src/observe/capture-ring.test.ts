import t from 'tap';
import { type CapturedMessage, CaptureRing } from './capture-ring.js';
import { wireMessage } from './observe-rig.js';
import type { WireMessage } from './wire-message.js';

const NOW = 1_800_000_000_000_000;
const ring = (maxBytes = 1 << 20, maxAgeMs = 3_600_000) => new CaptureRing({ maxBytes, maxAgeMs });
const options = (callId: string, more: string[] = [], rest: Parameters<typeof wireMessage>[1] = {}): WireMessage =>
  wireMessage(['OPTIONS sip:a SIP/2.0', `Call-ID: ${callId}`, 'CSeq: 1 OPTIONS', ...more], { atUs: NOW, ...rest });
const texts = (from: CaptureRing, found: CapturedMessage[]): string[] => found.map((m) => from.bytesOf(m).toString());

t.test('capture ring: the messages of a call are found by Call-ID, oldest first, byte for byte', async (t) => {
  const kept = ring();
  const [first, other, second] = [options('a', ['X: 1']), options('b'), options('a', ['X: 2'])];
  for (const message of [first, other, second]) kept.take(message);
  t.same(texts(kept, kept.find(['a'], NOW)), [first.bytes.toString(), second.bytes.toString()]);
  t.same(kept.find(['c'], NOW), []);
  t.same(
    kept.recent(10, NOW).map(({ callId, count }) => [callId, count]),
    [
      ['b', 1],
      ['a', 2],
    ],
  );
});

t.test('capture ring: the legs of a call are found by X-Call-Sid and X-CID of their first request', async (t) => {
  const kept = ring();
  kept.take(options('outer'));
  kept.take(options('inner', ['x-call-sid: sid-1', 'X-CID: outer']));
  kept.take(options('stranger', ['X-Call-Sid: sid-2']));
  const callIds = (ids: string[]) => kept.find(ids, NOW).map(({ callId }) => callId);
  t.same(callIds(['outer']), ['outer', 'inner']);
  t.same(callIds(['sid-1']), ['inner']);
  t.same(callIds(['outer', 'sid-1']), ['outer', 'inner'], 'none twice');
});

t.test(
  'capture ring: it always holds the newest messages, whole, whatever their sizes, and agrees with its index',
  async (t) => {
    const kept = ring(1 << 20);
    const all: WireMessage[] = [];
    let random = 1;
    for (let i = 0; i < 5_000; i++) {
      random = (random * 48_271) % 2_147_483_647;
      const message = options(`call-${random % 97}`, [`N: ${i}`], {
        body: 'x'.repeat(random % (i % 50 === 0 ? 60_000 : 900)),
      });
      all.push(message);
      kept.take(message);
      if (i % 500 !== 0) continue;
      const found = [...new Set(all.map(({ callId }) => callId))]
        .flatMap((callId) => kept.find([callId], NOW))
        .sort((a, b) => a.seq - b.seq);
      t.equal(found.length, kept.gauges.messages);
      t.same(
        texts(kept, found),
        all.slice(-found.length).map(({ bytes }) => bytes.toString()),
      );
      t.ok(found.reduce((sum, { length }) => sum + length, 0) <= 1 << 19, 'within its bytes');
    }
    t.ok(kept.gauges.messages < 5_000, 'some were forgotten');
  },
);

t.test(
  'capture ring: tiny messages are bounded by what is known of each, and nothing is left of forgotten calls',
  async (t) => {
    const kept = ring(1 << 20);
    for (let i = 0; i < 20_000; i++) kept.take(options(`c${i}`, [`X-Call-Sid: s${i}`, `X-CID: x${i}`]));
    t.equal(kept.gauges.messages, 1_024);
    t.equal(kept.gauges.calls, 1_024);
    t.same(kept.find(['s0', 'x0', 'c0'], NOW), []);
    t.equal(kept.find(['s19999'], NOW).length, 1);
    t.equal((Reflect.get(kept, 'related') as Map<string, unknown>).size, 2_048);
  },
);

t.test('capture ring: messages over their age are not shown, although nothing new comes', async (t) => {
  const kept = ring(1 << 20, 1_000);
  kept.take(options('a'));
  t.equal(kept.find(['a'], NOW + 999_000).length, 1);
  t.equal(kept.find(['a'], NOW + 1_001_000).length, 0);
  t.same(kept.gauges, { messages: 0, calls: 0, bytes: 0 });
});

t.test('capture ring: a message larger than a quarter of it is counted and left out', async (t) => {
  const kept = ring(1 << 20);
  kept.take(options('big', [], { body: 'x'.repeat(200_000) }));
  t.equal(kept.oversize, 1);
  t.equal(kept.gauges.messages, 0);
});

t.test('capture ring: bytes without Call-ID, cut off or binary, are taken and forgotten like others', async (t) => {
  const kept = ring(1 << 20);
  for (let i = 0; i < 3_000; i++) {
    kept.take({ ...options('x'), bytes: Buffer.from([0, 255, 13, 10, i & 255]), callId: '', method: '' });
  }
  t.equal(kept.gauges.messages, 1_024);
  t.equal(kept.gauges.calls, 0);
});
