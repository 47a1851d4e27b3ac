import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runSipp, type SippResult } from '@ringwire/test/support/sipp.js';
import { shortCaller } from '@ringwire/test/support/sipp-scenarios.js';
import { cpuMs } from '../cpu.js';
import type { SipOptions } from '../options.js';
import { residentBytes } from '../processes.js';
import { percentile } from '../table.js';
import { reserveCore } from './cores.js';
import { type ServerUnderTest, startDrachtio, startRingwire } from './server-under-test.js';
import type { SipLongRunResult, SipMemoryResult, SipRateResult, SipReport, SipResidue } from './sip-report.js';

type Progress = (text: string) => void;

/** Calls that warm caches and the compiler, and let memory grow to what a working server has, at a modest rate. */
const WARM_UP = { callsPerSecond: 500, calls: 3_000 };
/** At each rate before it is measured: the compiler decides by what it sees at that rate. */
const WARM_UP_SECONDS = 3;
/** After each rate: what the last calls left to do belongs to them. */
const SETTLE_MS = 1_000;
/** Dialogs are opened at this rate. */
const OPEN_PER_SECOND = 1_000;
/** Longest life of a finished transaction (64*T1), with time to spare. */
const TRANSACTIONS_GONE_MS = 34_000;
const PROGRESS_MS = 2_000;

/** Measures the SIP server, and a real drachtio-server in turn with it where one is given. */
export async function measureSip(options: SipOptions, progress: Progress): Promise<SipReport> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-bench-'));
  const serverCore = reserveCore();
  const servers: ServerUnderTest[] = [];
  try {
    progress('starting the servers');
    servers.push(await startRingwire(serverCore));
    if (options.drachtio) servers.push(await startDrachtio(options.drachtio, dir, serverCore));
    const bench = new SipBench(dir, progress);
    await Promise.all(servers.map((one) => bench.load(one, WARM_UP.callsPerSecond, WARM_UP.calls)));
    const memory: SipMemoryResult[] = [];
    if (options.dialogs > 0) {
      await bench.untilTransactionsAreGone();
      memory.push(...(await Promise.all(servers.map((one) => bench.memory(one, options.dialogs)))));
    }
    const rates: SipRateResult[] = [];
    for (const rate of options.rates) {
      for (const server of servers) rates.push(await bench.rate(server, rate, rate * options.seconds));
    }
    const longRun =
      options.longRunCalls > 0
        ? await bench.longRun(servers[0]!, options.longRunRate, options.longRunCalls)
        : undefined;
    return {
      at: new Date().toISOString(),
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
      serverCore,
      rates,
      memory,
      longRun,
    };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true });
  }
}

class SipBench {
  constructor(
    private readonly dir: string,
    private readonly progress: Progress,
  ) {}

  /** Calls that hang up `talkMs` after the answer. */
  async load(server: ServerUnderTest, callsPerSecond: number, calls: number, talkMs = 0): Promise<SippResult> {
    const expectedMs = (calls / callsPerSecond) * 1000 + talkMs;
    return await this.showing(`${server.name}: ${calls} calls at ${callsPerSecond}/s`, expectedMs, () =>
      runSipp({
        dir: join(this.dir, `sipp-${server.name}`),
        scenario: shortCaller('15550001111', { talkMs }),
        callData: [['15550002222']],
        target: server.target,
        callsPerSecond,
        calls,
        limit: talkMs > 0 ? calls : 4 * callsPerSecond,
        timeoutMs: expectedMs + 45_000,
      }),
    );
  }

  async rate(server: ServerUnderTest, callsPerSecond: number, calls: number): Promise<SipRateResult> {
    await this.load(server, callsPerSecond, callsPerSecond * WARM_UP_SECONDS);
    await sleep(SETTLE_MS);
    const [cpuBefore, appBefore] = [await cpuMs(server.pid), await cpuMs(server.appPid)];
    const startedAt = performance.now();
    const run = await this.load(server, callsPerSecond, calls);
    const cpuAtEnd = await cpuMs(server.pid);
    const elapsedMs = performance.now() - startedAt;
    await sleep(SETTLE_MS);
    const [cpuAfter, appAfter] = [await cpuMs(server.pid), await cpuMs(server.appPid)];
    // Refusals with 503 end the scenario well; here they are failures.
    const failed = calls - run.successful + run.counted;
    return {
      server: server.name,
      callsPerSecond,
      calls,
      failed,
      clean: failed < calls * 0.001,
      setupMs: {
        p50: percentile(run.responseTimesMs, 0.5),
        p99: percentile(run.responseTimesMs, 0.99),
        max: percentile(run.responseTimesMs, 1),
      },
      cpuMicrosPerCall: ((cpuAfter - cpuBefore) * 1000) / calls,
      appCpuMicrosPerCall: ((appAfter - appBefore) * 1000) / calls,
      load: (cpuAtEnd - cpuBefore) / elapsedMs,
      rssBytes: await residentBytes(server.pid),
    };
  }

  /** Opens dialogs and waits until only they are left. */
  async memory(server: ServerUnderTest, dialogs: number): Promise<SipMemoryResult> {
    // In this order: what is free after a collection may have been given back.
    const before = { node: await server.memory(), rss: await residentBytes(server.pid) };
    const openMs = (dialogs / OPEN_PER_SECOND) * 1000;
    const held = this.load(server, OPEN_PER_SECOND, dialogs, openMs + TRANSACTIONS_GONE_MS + 5_000);
    await sleep(openMs + TRANSACTIONS_GONE_MS);
    const after = { node: await server.memory(), rss: await residentBytes(server.pid) };
    const open = (await server.gauges())?.sip_dialogs ?? dialogs;
    const run = await held;
    const opened = Math.min(open, run.successful - run.counted);
    return {
      server: server.name,
      dialogs: opened,
      rssBytesPerDialog: (after.rss - before.rss) / opened,
      heldBytesPerDialog: after.node && before.node && (after.node.heldBytes - before.node.heldBytes) / opened,
    };
  }

  async longRun(server: ServerUnderTest, callsPerSecond: number, calls: number): Promise<SipLongRunResult> {
    const before = await this.residue(server);
    const rssCourse: SipLongRunResult['rssCourse'] = [];
    const startedAt = performance.now();
    const note = async (): Promise<void> => {
      const atSeconds = Math.round((performance.now() - startedAt) / 1000);
      rssCourse.push({ atSeconds, rssBytes: await residentBytes(server.pid) });
    };
    const watch = setInterval(() => void note(), 10_000);
    const cpuBefore = await cpuMs(server.pid);
    const run = await this.load(server, callsPerSecond, calls);
    const cpuAfter = await cpuMs(server.pid);
    clearInterval(watch);
    return {
      calls,
      failed: calls - run.successful + run.counted,
      callsPerSecond,
      p99Ms: percentile(run.responseTimesMs, 0.99),
      cpuMicrosPerCall: ((cpuAfter - cpuBefore) * 1000) / calls,
      before,
      after: await this.residue(server),
      rssCourse,
    };
  }

  async untilTransactionsAreGone(): Promise<void> {
    await this.showing('waiting for the last transactions', TRANSACTIONS_GONE_MS, () => sleep(TRANSACTIONS_GONE_MS));
  }

  private async residue(server: ServerUnderTest): Promise<SipResidue> {
    await this.untilTransactionsAreGone();
    const memory = await server.memory();
    if (!memory) throw new Error(`${server.name} does not tell its memory`);
    const { heldBytes, timers, rssBytes } = memory;
    return { gauges: (await server.gauges()) ?? {}, timers, heldBytes, rssBytes };
  }

  /** Says every two seconds how far the work is. */
  private async showing<T>(what: string, expectedMs: number, work: () => Promise<T>): Promise<T> {
    this.progress(what);
    const startedAt = performance.now();
    const shown = setInterval(() => {
      const seconds = (performance.now() - startedAt) / 1000;
      this.progress(`${what}: ${seconds.toFixed(0)} of about ${(expectedMs / 1000).toFixed(0)} s`);
    }, PROGRESS_MS);
    try {
      return await work();
    } finally {
      clearInterval(shown);
    }
  }
}
