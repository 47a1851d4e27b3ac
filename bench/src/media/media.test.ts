import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { writeSounds } from './audio.js';
import { callsResult, slope } from './media-bench.js';
import { parseMediaOptions } from './options.js';
import { formatMediaReport } from './report.js';
import { type RtpCount, RtpLoad } from './rtp-load.js';
import { listenerPid, udpDrops } from './sockets.js';

const HEARD: RtpCount = {
  calls: 100,
  heard: 100,
  packets: 30_000,
  fewest: 299,
  most: 300,
  lost: 0,
  disordered: 0,
  strays: 0,
  drift: [0, 1],
  gap: { p50: 0.2, p99: 1.4, p999: 2.2, max: 6.3 },
  delay: { p50: 14.2, p99: 24.8, p999: 26.1 },
  marks: 2500,
  sent: 30_000,
  sendErrors: 0,
  lateMs: 2.1,
  cpu: 0.21,
};
const WINDOW = {
  seconds: 6,
  heard: HEARD,
  unread: 0,
  cpuPercent: 20,
  busiestThreadPercent: 17,
  rssBytes: 90 * 1_048_576,
  stolenMs: 0,
};

t.test('the command line is understood or refused by name', (t) => {
  t.strictSame(
    parseMediaOptions(['--calls', '50,200', '--freeswitch', '127.0.0.1:8021:ClueCon', '--', '--workers', '2']),
    {
      benchmark: 'media',
      calls: [50, 200],
      seconds: 5,
      answersPerSecond: 100,
      bridges: 50,
      floorCalls: 300,
      soakMinutes: 0,
      serverFlags: ['--workers', '2'],
      freeswitch: { host: '127.0.0.1', port: 8021, password: 'ClueCon' },
    },
  );
  t.strictSame(parseMediaOptions(['--soak-minutes', '30']).calls, [250]);
  t.throws(() => parseMediaOptions(['--calls', '200,100']), /--calls/);
  t.throws(() => parseMediaOptions(['--freeswitch', '127.0.0.1:8021']), /--freeswitch/);
  t.throws(() => parseMediaOptions(['--soak-minutes', 'long']), /--soak-minutes/);
  t.throws(() => parseMediaOptions(['--loud']), /--loud/);
  t.end();
});

t.test('a measurement is good when nothing is lost, late or left out', (t) => {
  const judged = (heard: Partial<RtpCount>, unread = 0): boolean =>
    callsResult('ringwire', 100, {}, { ...WINDOW, heard: { ...HEARD, ...heard }, unread }).good;
  t.equal(judged({}), true);
  t.equal(judged({ lost: 1 }), false);
  t.equal(judged({ heard: 99 }), false);
  t.equal(judged({ gap: { ...HEARD.gap, p99: 5 } }), false);
  t.equal(judged({ drift: [-2, 0] }), false);
  t.equal(judged({}, 1), false);
  t.end();
});

t.test('the report has a row per measurement and says what is the most', (t) => {
  const text = formatMediaReport({
    at: '2026-01-01T00:00:00.000Z',
    cores: 2,
    cpu: 'test',
    node: 'v20',
    calls: [{ ...callsResult('ringwire', 100, {}, WINDOW), digits: 100 }],
    largest: { ringwire: 100 },
    memoryPerCall: { ringwire: 102_400 },
    bridges: [{ server: 'ringwire', pairs: 50, heard: HEARD, unread: 0, cpuPercentPerCall: 0.2 }],
    answers: [
      {
        server: 'ringwire',
        callsPerSecond: 100,
        calls: 800,
        failures: { 'not ready within 5000 ms': 2 },
        answeredMs: { p50: 3, p99: 9, max: 12 },
        readyMs: { p50: 6, p99: 15, max: 20 },
        cpuMsPerCall: 4.25,
        holdSeconds: 1,
      },
    ],
    soak: undefined,
    problems: [],
  });
  t.match(
    text,
    /^ringwire +100\/100 +0 +0 +0\.2 +1\.4 +2\.2 +6\.3 +0…1 +0\.200 +20 +17 +90\.0 +100 +2\.1 +21 +0 +yes$/m,
  );
  t.match(text, /^most without loss or lateness: ringwire: 100 calls$/m);
  t.match(text, /^memory per call: ringwire 100 KB$/m);
  t.match(text, /^ringwire +50 +2500 +14\.2 +24\.8 +26\.1 +0 +0\.200$/m);
  t.match(text, /^ringwire +100 +800 +2 +3\.0 +9\.0 +12\.0 +6\.0 +15\.0 +20\.0 +4\.25$/m);
  t.match(text, /^ringwire: 2 × not ready within 5000 ms$/m);
  t.end();
});

t.test('the slope is that of the nearest straight line', (t) => {
  t.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  );
  t.equal(slope([[4, 1]]), 0);
  t.equal(slope([]), 0);
  t.end();
});

t.test(
  'the load generator sends a packet each 20 ms, counts what is lost, and tells how late a mark came',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'bench-test-'));
    t.teardown(() => rm(dir, { recursive: true }));
    const sounds = await writeSounds(dir);
    const load = await RtpLoad.start(sounds.speech, sounds.digit);
    t.teardown(() => load.close());
    const [place] = await load.places(2);
    // Two legs of a bridge that passes on what it gets at once, but for one packet in fifty.
    const legs = await Promise.all(
      [0, 1].map(async () => {
        const socket = createSocket('udp4');
        t.teardown(() => socket.close());
        socket.bind(0, '127.0.0.1');
        await once(socket, 'listening');
        return socket;
      }),
    );
    let passed = 0;
    const enough = new Promise<void>((resolve) => {
      legs.forEach((leg, index) => {
        leg.on('message', (packet) => {
          if (packet.readUInt16BE(2) % 50 !== 7) legs[1 - index]!.send(packet, place!.port, '127.0.0.1');
          if (++passed === 320) resolve();
        });
      });
    });
    const ports = legs.map((leg) => leg.address().port);
    await load.start(ports.map((serverPort) => ({ place: place!, serverPort })));
    await load.measure([[ports[0]!, ports[1]!]]);
    await enough;
    const count = await load.report();
    t.equal(count.heard, 2);
    t.ok(count.lost >= 4 && count.lost <= 8, `${count.lost} lost of some 320`);
    t.ok(count.marks >= 20, `${count.marks} marks`);
    t.ok(count.delay.p50 > 0 && count.delay.p50 < 20, `${count.delay.p50} ms`);
    t.ok(count.gap.p50 < 10, `${count.gap.p50} ms`);
    t.equal(count.strays, 0);
    t.equal(await udpDrops(process.pid), 0);
  },
);

t.test('the process that listens on a port is found', async (t) => {
  const { createServer } = await import('node:net');
  const server = createServer();
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  t.equal(await listenerPid(typeof address === 'object' ? address!.port : 0), process.pid);
  await t.rejects(listenerPid(1), /no process/);
});
