import t from 'tap';
import {
  type DtmfDigit,
  LOST_END_TIMEOUT_MS,
  TelephoneEventReceiver,
  TelephoneEventSender,
  writeTelephoneEvent,
} from './telephone-event.js';

interface Sent {
  timestamp: number;
  marker: boolean;
  payload: Buffer;
  atMs: number;
}

function send(digits: string, durationMs = 100): Sent[] {
  const sender = new TelephoneEventSender();
  sender.queue(digits, durationMs);
  const packets: Sent[] = [];
  for (let tick = 0; sender.isBusy; tick++) {
    const payload = Buffer.alloc(4);
    if (!sender.next(payload, 0, (0xffffff00 + tick * 160) >>> 0)) continue;
    packets.push({ timestamp: sender.timestamp, marker: sender.marker, payload, atMs: tick * 20 });
  }
  return packets;
}

function receive(packets: Sent[]): DtmfDigit[] {
  const heard: DtmfDigit[] = [];
  const receiver = new TelephoneEventReceiver((digit) => heard.push(digit));
  let now = 0;
  for (const packet of packets) {
    for (; now < packet.atMs; now += 20) receiver.tick(now);
    receiver.receive(packet.payload, 0, 4, packet.timestamp, packet.atMs);
  }
  for (let i = 0; i <= LOST_END_TIMEOUT_MS; i += 20) receiver.tick(now + i);
  return heard;
}

const digitsOf = (heard: DtmfDigit[]): string => heard.map(({ digit }) => digit).join('');

t.test('each digit sent is heard once with its duration, over a timestamp wrap', (t) => {
  const packets = send('0123456789*#abcd', 100);
  t.equal(packets.filter(({ payload }) => payload[1]! & 0x80).length, 16 * 3);
  t.equal(packets.filter(({ marker }) => marker).length, 16);
  const heard = receive(packets);
  t.equal(digitsOf(heard), '0123456789*#ABCD');
  t.same(new Set(heard.map(({ durationMs }) => durationMs)), new Set([100]));
  t.end();
});

t.test('the same digit pressed twice is two digits', (t) => {
  t.equal(digitsOf(receive(send('1122'))), '1122');
  t.end();
});

t.test('a digit whose end packets were all lost still counts', (t) => {
  const withoutEnds = send('556').filter(({ payload }) => !(payload[1]! & 0x80));
  t.equal(digitsOf(receive(withoutEnds)), '556');
  t.end();
});

t.test('a digit of which only one end packet arrived counts', (t) => {
  const ends = send('42').filter(({ payload }) => payload[1]! & 0x80);
  t.equal(digitsOf(receive([ends[0]!, ends[3]!])), '42');
  t.end();
});

t.test('packets that arrive twice or late do not count again', (t) => {
  const packets = send('789');
  const twice = packets.flatMap((packet) => [packet, packet]);
  t.equal(digitsOf(receive([...twice, ...packets.slice(0, 3)])), '789');
  t.end();
});

t.test('a key held longer than one segment is one digit', (t) => {
  const heard: DtmfDigit[] = [];
  const receiver = new TelephoneEventReceiver((digit) => heard.push(digit));
  const payload = Buffer.alloc(4);
  writeTelephoneEvent(payload, 0, 5, false, 0xffff);
  receiver.receive(payload, 0, 4, 1000, 0);
  writeTelephoneEvent(payload, 0, 5, true, 8000);
  receiver.receive(payload, 0, 4, 1000 + 0xffff, 20);
  t.same(heard, [{ digit: '5', durationMs: Math.round((0xffff + 8000) / 8) }]);
  t.end();
});

t.test('short payloads and other events are ignored and counted', (t) => {
  const receiver = new TelephoneEventReceiver(() => t.fail('no digit'));
  receiver.receive(Buffer.from([1, 2]), 0, 2, 0, 0);
  receiver.receive(Buffer.from([17, 0x80, 3, 4]), 0, 4, 0, 0);
  receiver.receive(Buffer.alloc(0), 0, 0, 0, 0);
  t.equal(receiver.ignoredPackets, 3);
  t.end();
});

/** Gives packets of [event, end, duration, timestamp], 20 ms apart, and then lets a second pass. */
function hear(packets: [number, boolean, number, number][]): DtmfDigit[] {
  const heard: DtmfDigit[] = [];
  const receiver = new TelephoneEventReceiver((digit) => heard.push(digit));
  const payload = Buffer.alloc(4);
  packets.forEach(([event, end, duration, timestamp], i) => {
    writeTelephoneEvent(payload, 0, event, end, duration);
    receiver.receive(payload, 0, 4, timestamp, i * 20);
  });
  receiver.tick(packets.length * 20 + 1000);
  return heard;
}

t.test('a digit of which only one middle packet arrived counts, with the duration known', (t) => {
  t.same(hear([[7, false, 480, 1000]]), [{ digit: '7', durationMs: 60 }]);
  t.end();
});

t.test('a new key without an end of the one before: both count, also at the same timestamp', (t) => {
  const held = [1, false, 320, 1000] as [number, boolean, number, number];
  t.same(
    hear([held, [2, true, 800, 1400]]).map(({ digit }) => digit),
    ['1', '2'],
  );
  t.same(
    hear([held, [2, true, 800, 1000]]).map(({ digit }) => digit),
    ['1', '2'],
  );
  t.same(
    hear([
      [1, true, 320, 1000],
      [2, true, 800, 1000],
    ]).map(({ digit }) => digit),
    ['1', '2'],
  );
  t.end();
});

t.test('a sender whose timestamps jump back is heard again', (t) => {
  t.same(
    hear([
      [1, true, 320, 900_000],
      [2, true, 320, 5000],
    ]).map(({ digit }) => digit),
    ['1', '2'],
  );
  t.same(
    hear([
      [1, true, 320, 900_000],
      [2, true, 320, 899_000],
    ]).map(({ digit }) => digit),
    ['1'],
    'but not a late packet',
  );
  t.end();
});

t.test('a duration that wraps goes on', (t) => {
  t.same(
    hear([
      [3, false, 0xff00, 0],
      [3, false, 0x0080, 0],
      [3, true, 0x0100, 0],
    ]),
    [{ digit: '3', durationMs: Math.round((0x10000 + 0x100) / 8) }],
  );
  t.end();
});

t.test('letters and the flash of the hook', (t) => {
  const codes = [12, 13, 14, 15, 16];
  const packets = codes.map((event, i): [number, boolean, number, number] => [event, true, 800, 1000 + i * 1600]);
  t.equal(
    hear(packets)
      .map(({ digit }) => digit)
      .join(''),
    'ABCDF',
  );
  t.end();
});

t.test('a key of 20 s is sent in segments and received as one', (t) => {
  const sender = new TelephoneEventSender();
  sender.queue('8', 20_000);
  const heard: DtmfDigit[] = [];
  const receiver = new TelephoneEventReceiver((digit) => heard.push(digit));
  const payload = Buffer.alloc(4);
  const starts = new Set<number>();
  let markers = 0;
  for (let i = 0; sender.isBusy; i++) {
    if (sender.next(payload, 0, 0xfffff000 + i * 160)) {
      starts.add(sender.timestamp);
      if (sender.marker) markers++;
      receiver.receive(payload, 0, 4, sender.timestamp, i * 20);
    }
  }
  t.equal(starts.size, 3);
  t.equal(markers, 1);
  t.same(heard, [{ digit: '8', durationMs: 20_000 }]);
  t.end();
});

t.test('w and W pause', (t) => {
  const sender = new TelephoneEventSender({ gapMs: 0 });
  t.equal(sender.queue('1w2W3', 40), 5);
  const payload = Buffer.alloc(4);
  const starts: number[] = [];
  for (let i = 0; sender.isBusy; i++) if (sender.next(payload, 0, i * 160) && sender.marker) starts.push(i * 20);
  // A digit of 40 ms takes 80 ms: its end is sent three times.
  t.same(starts, [0, 580, 1660]);
  t.end();
});
