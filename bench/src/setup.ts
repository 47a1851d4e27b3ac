import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPlatform } from '@ringwire/launcher';
import { startCustomerApplication } from '@ringwire/test/support/customer-application.js';
import { runSipp } from '@ringwire/test/support/sipp.js';
import { shortCaller } from '@ringwire/test/support/sipp-scenarios.js';
import { TestPlatform } from '@ringwire/test/support/test-platform.js';
import { cpuMsOf } from './cpu.js';
import type { SetupOptions } from './options.js';
import type { RateResult, SetupReport } from './report.js';
import { percentile } from './table.js';

/** How long each call lasts, as in the yardstick. */
const CALL_MS = 3_000;
const IDLE_MS = 5_000;
/** Calls that warm caches, pools and the compiler, at a modest rate. */
const WARM_UP = { callsPerSecond: 5, calls: 40 };
/** After each rate: work that outlives the calls (records, events) belongs to them. */
const SETTLE_MS = 2_000;

/** Longer than a call, so that there is media all the time. */
const SPEECH =
  'This is a call of the benchmark. It lasts three seconds, and then the caller hangs up. Nobody hears the end of this.';

/** Measures INVITE → 200 at each rate, on a platform of its own. */
export async function measureSetup(
  { seconds, rates }: SetupOptions,
  progress: (text: string) => void,
): Promise<SetupReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ringwire-bench-'));
  const application = await startCustomerApplication();
  progress('starting the platform');
  const platform = await startPlatform({ dataDir, env: { ...process.env, LOG_LEVEL: 'warn' } });
  try {
    const bench = new TestPlatform(platform, application, dataDir);
    const line = await bench.line([{ verb: 'say', text: SPEECH }]);
    const { sip, processes } = bench.instance;
    const load = (callsPerSecond: number, calls: number) =>
      runSipp({
        dir: join(dataDir, `sipp-${callsPerSecond}`),
        scenario: shortCaller(line.number, { talkMs: CALL_MS }),
        callData: [['15550001111']],
        target: sip,
        // Beyond the RTP ports of every platform on this machine.
        mediaPort: 31_000,
        callsPerSecond,
        calls,
        timeoutMs: (calls / callsPerSecond) * 1000 + 90_000,
      });
    progress('warming up');
    await load(WARM_UP.callsPerSecond, WARM_UP.calls);
    await sleep(SETTLE_MS);
    const idleCpuMsPerSecond = await cpuPerSecond(processes);
    const results: RateResult[] = [];
    for (const callsPerSecond of rates) {
      const calls = callsPerSecond * seconds;
      progress(`${callsPerSecond} calls/s, ${calls} calls`);
      const [before, startedAt] = [await cpuMsOf(processes), performance.now()];
      const run = await load(callsPerSecond, calls);
      await sleep(SETTLE_MS);
      const [after, elapsedMs] = [await cpuMsOf(processes), performance.now() - startedAt];
      const cpuMsPerCall = Object.fromEntries(
        Object.keys(processes).map((name) => {
          const idleMs = ((idleCpuMsPerSecond[name] ?? 0) * elapsedMs) / 1000;
          return [name, Math.max(0, (after[name] ?? 0) - (before[name] ?? 0) - idleMs) / calls];
        }),
      );
      const answered = run.responseTimesMs;
      results.push({
        callsPerSecond,
        calls,
        successful: run.successful - run.counted,
        shed: run.counted,
        failed: calls - run.successful,
        setupMs: {
          p50: percentile(answered, 0.5),
          p90: percentile(answered, 0.9),
          p99: percentile(answered, 0.99),
          max: percentile(answered, 1),
        },
        cpuMsPerCall,
        cpuMsPerCallTotal: Object.values(cpuMsPerCall).reduce((sum, ms) => sum + ms, 0),
      });
    }
    return {
      at: new Date().toISOString(),
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
      callSeconds: CALL_MS / 1000,
      idleCpuMsPerSecond,
      rates: results,
    };
  } finally {
    await platform.stop();
    await application.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function cpuPerSecond(processes: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const before = await cpuMsOf(processes);
  await sleep(IDLE_MS);
  const after = await cpuMsOf(processes);
  return Object.fromEntries(
    Object.keys(processes).map((name) => [name, (((after[name] ?? 0) - (before[name] ?? 0)) * 1000) / IDLE_MS]),
  );
}
