import t from 'tap';
import { cpuMs } from './cpu.js';
import { parseBenchOptions } from './options.js';
import { formatReport, percentile } from './report.js';

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
  t.strictSame(parseBenchOptions(['setup']), { seconds: 20, rates: [1, 5, 10, 20, 30, 40] });
  t.strictSame(parseBenchOptions(['setup', '--seconds', '3', '--rates', '2,4', '--json', 'x']), {
    seconds: 3,
    rates: [2, 4],
    json: 'x',
  });
  t.throws(() => parseBenchOptions([]), /setup/);
  t.throws(() => parseBenchOptions(['setup', '--seconds', '0']), /--seconds/);
  t.throws(() => parseBenchOptions(['setup', '--rates', 'fast']), /--rates/);
  t.throws(() => parseBenchOptions(['setup', '--loud']), /--loud/);
  t.end();
});

t.test('CPU time of a process grows as it works', async (t) => {
  const before = await cpuMs(process.pid);
  const end = performance.now() + 60;
  while (performance.now() < end);
  t.ok((await cpuMs(process.pid)) - before >= 20);
});
