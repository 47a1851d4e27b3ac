import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ringwire/common/testing/until.js';
import { isOpen, runSipp, type SippResult } from '@ringwire/test/support/sipp.js';
import { cpuMsOf } from '../cpu.js';
import { percentile } from '../table.js';
import type { OutboundOptions } from './options.js';
import type { OutboundReport, OutboundResult } from './outbound-report.js';
import { type OutboundRig, startOutboundRig } from './rig.js';
import { CARRIER, featureServer, sinceSentMs } from './scenarios.js';

type Progress = (text: string) => void;

/** Calls that warm caches and the compiler. */
const WARM_UP = { callsPerSecond: 100, calls: 200 };
/** What the last calls left to do (records, events, closing media) belongs to them. */
const SETTLE_MS = 1_000;
/** What starting stores and processes takes, about. */
const START_MS = 4_000;
const NUMBER = '4930123456';

/** Where the INVITEs go and where they come from. */
type Way = Pick<OutboundRig, 'sipPort' | 'featureServerPort' | 'carrierPort' | 'processes' | 'headers'>;

/** Measures sbc-outbound at each rate, with media direct and through rtpengine. */
export async function measureOutbound(options: OutboundOptions, tell: Progress): Promise<OutboundReport> {
  const relays = options.relay === 'both' ? [false, true] : [options.relay === 'on'];
  const startedAt = performance.now();
  const progress: Progress = (text) =>
    tell(
      `${seconds(performance.now() - startedAt)} of about ${seconds(durationMs(options, relays.length))} s: ${text}`,
    );
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-bench-'));
  const before = loadavg()[0] ?? 0;
  const results: OutboundResult[] = [];
  try {
    for (const relay of relays) {
      await withTeardown(async (t) => {
        progress(`starting sbc-outbound ${relay ? 'with' : 'without'} rtpengine`);
        const rig = await startOutboundRig(t, { relay });
        if (results.length === 0) {
          // What sipp itself takes: what is more than this is ours.
          const direct = { ...rig, sipPort: rig.carrierPort, processes: {} };
          results.push(await measure(dir, 'sipp to sipp', direct, options.rates[0]!, options.seconds, progress));
        }
        progress('warming up');
        await call(dir, rig, WARM_UP.callsPerSecond, WARM_UP.calls);
        await sleep(SETTLE_MS);
        const name = relay ? 'with rtpengine' : 'media direct';
        for (const rate of options.rates) {
          results.push(await measure(dir, name, rig, rate, options.seconds, progress));
        }
      });
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return {
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    load: [before, loadavg()[0] ?? 0],
    results,
  };
}

const seconds = (ms: number): string => (ms / 1000).toFixed(0);

/** How long it will all take, about. */
function durationMs({ rates, seconds }: OutboundOptions, ways: number): number {
  const measurementMs = seconds * 1000 + SETTLE_MS;
  const warmUpMs = (WARM_UP.calls / WARM_UP.callsPerSecond) * 1000 + SETTLE_MS;
  return measurementMs + ways * (START_MS + warmUpMs + rates.length * measurementMs);
}

async function measure(
  dir: string,
  name: string,
  way: Way,
  callsPerSecond: number,
  seconds: number,
  progress: Progress,
): Promise<OutboundResult> {
  const calls = callsPerSecond * seconds;
  progress(`${name}: ${calls} calls at ${callsPerSecond}/s`);
  const before = await cpuMsOf(way.processes);
  const { caller, carrier } = await call(dir, way, callsPerSecond, calls);
  await sleep(SETTLE_MS);
  const after = await cpuMsOf(way.processes);
  const spread = (values: readonly number[]) => ({
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    max: percentile(values, 1),
  });
  const result: OutboundResult = {
    name,
    callsPerSecond,
    calls,
    failed: calls - caller.successful,
    inviteMs: spread(sinceSentMs(carrier.logged)),
    answerMs: spread(sinceSentMs(caller.logged)),
    cpuMsPerCall: Object.fromEntries(
      Object.entries(after).map(([process, ms]) => [process, (ms - (before[process] ?? 0)) / calls]),
    ),
  };
  progress(`  200 after ${result.answerMs.p50.toFixed(1)} ms (p50), ${result.failed} failed`);
  return result;
}

/** Lets sipp call sipp through sbc-outbound. */
async function call(
  dir: string,
  way: Way,
  callsPerSecond: number,
  calls: number,
): Promise<{ caller: SippResult; carrier: SippResult }> {
  const over = new AbortController();
  const run = { callsPerSecond, calls, timeoutMs: (calls / callsPerSecond) * 1000 + 60_000 };
  const carrier = runSipp({
    ...run,
    dir: join(dir, 'carrier'),
    scenario: CARRIER,
    target: { host: '127.0.0.1', port: way.sipPort },
    localPort: way.carrierPort,
    mediaPort: 31_000,
    signal: over.signal,
  });
  try {
    // An INVITE to a port that nobody has yet would end sipp.
    await until('the carrier listens', async () => isOpen('udp', way.carrierPort) || undefined);
    const caller = await runSipp({
      ...run,
      dir: join(dir, 'feature-server'),
      scenario: featureServer(way.headers),
      service: NUMBER,
      target: { host: '127.0.0.1', port: way.sipPort },
      localPort: way.featureServerPort,
      mediaPort: 30_000,
      limit: 20 * callsPerSecond,
    });
    // Calls that failed on their way here would be waited for in vain.
    if (caller.successful < calls) over.abort();
    return { caller, carrier: await carrier };
  } finally {
    over.abort();
    await carrier;
  }
}

/** Runs `work`, then what it registered for its end, the last first. */
async function withTeardown(work: (t: { teardown(fn: () => unknown): void }) => Promise<void>): Promise<void> {
  const ends: (() => unknown)[] = [];
  try {
    await work({ teardown: (end) => void ends.unshift(end) });
  } finally {
    for (const end of ends) await end();
  }
}
