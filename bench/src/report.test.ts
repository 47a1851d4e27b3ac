import t from 'tap';
import { cpuMs } from './cpu.js';
import { parseBenchOptions } from './options.js';
import { parseOutboundOptions } from './outbound/options.js';
import { sinceSentMs } from './outbound/scenarios.js';
import { formatReport } from './report.js';
import { formatSipReport } from './sip/sip-report.js';
import { percentile } from './table.js';

t.test('percentiles are by nearest rank', (t) => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  t.strictSame(
    [0.5, 0.9, 0.99, 1].map((share) => percentile(values, share)),
    [50, 90, 99, 100],
  );
  t.equal(percentile([], 0.5), 0);
  t.equal(percentile([7], 0.99), 7);
  t.end();
});

t.test('the report has a row per rate and a row per process', (t) => {
  const text = formatReport({
    at: '2026-01-01T00:00:00.000Z',
    cores: 2,
    cpu: 'test',
    node: 'v20',
    callSeconds: 3,
    idleCpuMsPerSecond: { 'sbc-inbound': 3.21 },
    rates: [
      {
        callsPerSecond: 5,
        calls: 100,
        successful: 97,
        shed: 2,
        failed: 1,
        setupMs: { p50: 20, p90: 30, p99: 40, max: 44 },
        cpuMsPerCall: { 'sbc-inbound': 5.67 },
        cpuMsPerCallTotal: 5.67,
      },
    ],
  });
  t.match(text, /^5 +100 +97 +2 +1 +20 +30 +40 +44 +5\.7$/m);
  t.match(text, /^sbc-inbound +3\.2 +5\.7$/m);
  t.end();
});

t.test('the command line is understood or refused by name', (t) => {
  t.strictSame(parseBenchOptions(['setup']), { benchmark: 'setup', seconds: 20, rates: [1, 5, 10, 20, 30, 40] });
  t.strictSame(parseBenchOptions(['setup', '--seconds', '3', '--rates', '2,4', '--json', 'x']), {
    benchmark: 'setup',
    seconds: 3,
    rates: [2, 4],
    json: 'x',
  });
  t.strictSame(parseBenchOptions(['sip', '--million', '--rates', '500'], { DRACHTIO_SERVER: '/opt/drachtio' }), {
    benchmark: 'sip',
    seconds: 8,
    rates: [500],
    dialogs: 10_000,
    longRunCalls: 1_000_000,
    longRunRate: 1500,
    drachtio: '/opt/drachtio',
  });
  t.throws(() => parseBenchOptions([]), /setup/);
  t.throws(() => parseBenchOptions(['setup', '--million']), /--million/);
  t.throws(() => parseBenchOptions(['sip', '--dialogs', '-1']), /--dialogs/);
  t.throws(() => parseBenchOptions(['setup', '--seconds', '0']), /--seconds/);
  t.throws(() => parseBenchOptions(['setup', '--rates', 'fast']), /--rates/);
  t.throws(() => parseBenchOptions(['setup', '--loud']), /--loud/);
  t.end();
});

t.test('the report of the SIP server sets ours against the real one, and names what is left', (t) => {
  const rate = { callsPerSecond: 1000, calls: 5000, failed: 0, clean: true, setupMs: { p50: 1, p99: 8, max: 12 } };
  const more = { appCpuMicrosPerCall: 230, load: 0.39, rssBytes: 100 * 1_048_576 };
  const residue = { gauges: { sip_dialogs: 0 }, timers: 4, heldBytes: 10 * 1_048_576, rssBytes: 90 * 1_048_576 };
  const text = formatSipReport({
    at: '2026-01-01T00:00:00.000Z',
    cores: 2,
    cpu: 'test',
    node: 'v20',
    serverCore: 0,
    rates: [
      { server: 'ringwire', ...rate, ...more, cpuMicrosPerCall: 390 },
      { server: 'drachtio', ...rate, ...more, cpuMicrosPerCall: 520 },
    ],
    memory: [
      { server: 'ringwire', dialogs: 10_000, rssBytesPerDialog: 9_216, heldBytesPerDialog: undefined },
      { server: 'drachtio', dialogs: 300, rssBytesPerDialog: -9_216, heldBytesPerDialog: -1 },
    ],
    longRun: {
      calls: 1_000_000,
      failed: 3,
      callsPerSecond: 1500,
      p99Ms: 8,
      cpuMicrosPerCall: 300,
      before: residue,
      after: { ...residue, gauges: { sip_dialogs: 2 } },
      rssCourse: [],
    },
  });
  t.match(text, /^ringwire +1000 +5000 +0 +1 +8 +12 +390 +0\.75 +39 % +230 +100\.0$/m);
  t.match(text, /^ringwire +10000 +9\.0 +–$/m);
  t.match(text, /^drachtio +300 +too few to tell +too few to tell$/m);
  t.match(text, /^sip_dialogs +0 +2$/m);
  t.end();
});

t.test('outbound: its command line, and what sipp logs of a message', (t) => {
  t.strictSame(parseOutboundOptions(['outbound', '--rates', '5', '--rtpengine', 'off']), {
    benchmark: 'outbound',
    seconds: 4,
    rates: [5],
    relay: 'off',
  });
  t.throws(() => parseOutboundOptions(['outbound', '--rtpengine', 'maybe']), /--rtpengine/);
  t.throws(() => parseOutboundOptions(['outbound', '--rates', '0']), /--rates/);
  const line = 'came 1795309177.530620 2026-11-22\t00:59:37.532620\t1795309177.532620';
  t.same(
    sinceSentMs([line, 'another line']).map((ms) => ms.toFixed(1)),
    ['2.0'],
  );
  t.end();
});

t.test('CPU time of a process grows as it works', async (t) => {
  const before = await cpuMs(process.pid);
  const start = process.cpuUsage();
  // By CPU time: on a busy machine less of it passes than wall time.
  for (let used = process.cpuUsage(start); used.user + used.system < 60_000; used = process.cpuUsage(start));
  t.ok((await cpuMs(process.pid)) - before >= 20);
});
