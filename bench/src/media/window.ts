import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs, cpuMsOfThreads, stolenMs } from '../cpu.js';
import { residentBytes } from '../processes.js';
import type { RtpCount, RtpLoad } from './rtp-load.js';
import { udpDrops } from './sockets.js';

/** What was seen of a server over a stretch of time. */
export interface Window {
  seconds: number;
  heard: RtpCount;
  /** Datagrams that the kernel dropped because the server did not read them. */
  unread: number;
  /** % of a core. */
  cpuPercent: number;
  busiestThreadPercent: number;
  rssBytes: number;
  /** Time for which the host kept its processors from this machine, ms: nothing here ran then. */
  stolenMs: number;
}

/** Watches a process while the calls of `load` are up; {@link Watch.end} as often as wanted. */
export class Watch {
  private constructor(
    private readonly pid: number,
    private readonly load: RtpLoad,
    private readonly before: Awaited<ReturnType<typeof stateOf>>,
  ) {}

  /** Begins to count anew. */
  static async begin(pid: number, load: RtpLoad, pairs: ReadonlyArray<readonly [number, number]> = []): Promise<Watch> {
    await load.measure(pairs);
    return new Watch(pid, load, await stateOf(pid));
  }

  /** What was seen since. */
  async end(): Promise<Window> {
    const after = await stateOf(this.pid);
    const heard = await this.load.report();
    const elapsedMs = after.atMs - this.before.atMs;
    const ofThreads = [...after.threads].map(([thread, ms]) => ms - (this.before.threads.get(thread) ?? 0));
    return {
      seconds: elapsedMs / 1000,
      heard,
      unread: after.drops - this.before.drops,
      cpuPercent: ((after.cpuMs - this.before.cpuMs) * 100) / elapsedMs,
      busiestThreadPercent: (Math.max(0, ...ofThreads) * 100) / elapsedMs,
      rssBytes: await residentBytes(this.pid),
      stolenMs: after.stolenMs - this.before.stolenMs,
    };
  }
}

/** Watches for some seconds. */
export async function watchFor(
  seconds: number,
  pid: number,
  load: RtpLoad,
  pairs?: ReadonlyArray<readonly [number, number]>,
): Promise<Window> {
  const watch = await Watch.begin(pid, load, pairs);
  await sleep(seconds * 1000);
  return watch.end();
}

async function stateOf(pid: number) {
  const [cpu, threads, drops, stolen] = await Promise.all([cpuMs(pid), cpuMsOfThreads(pid), udpDrops(pid), stolenMs()]);
  return { cpuMs: cpu, threads, drops, stolenMs: stolen, atMs: performance.now() };
}
