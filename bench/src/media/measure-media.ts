import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startProgram, stopPrograms, withinStart } from '../processes.js';
import { writeSounds } from './audio.js';
import type { FloorAnswer } from './floor.js';
import { callsResult, MediaBench, slope } from './media-bench.js';
import type { MediaOptions } from './options.js';
import type { CallsResult, MediaReport } from './report.js';
import { RtpLoad } from './rtp-load.js';
import { findFreeSwitch, type MediaServerUnderTest, startRingwire } from './servers.js';
import { watchFor } from './window.js';

const FLOOR = fileURLToPath(new URL('./floor.js', import.meta.url));
const BRIDGE_SECONDS = 5;
const SETTLE_MS = 1_000;

/** Measures the media server, a FreeSWITCH after it where one is given, and what bare Node needs. */
export async function measureMedia(options: MediaOptions, progress: (text: string) => void): Promise<MediaReport> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-bench-'));
  const sounds = await writeSounds(dir);
  const load = await RtpLoad.start(sounds.speech, sounds.digit);
  const report: MediaReport = {
    at: new Date().toISOString(),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    calls: [],
    largest: {},
    memoryPerCall: {},
    bridges: [],
    answers: [],
    soak: undefined,
    problems: [],
  };
  const measure = async (server: MediaServerUnderTest): Promise<void> => {
    const bench = await MediaBench.create(server, load, sounds, progress);
    try {
      await bench.warmUp();
      if (options.soakMinutes > 0) {
        report.soak = await bench.soak(options.calls[0]!, options.soakMinutes);
        return;
      }
      const results = await bench.calls(options.calls, options.seconds);
      report.calls.push(...results);
      report.largest[server.name] = Math.max(0, ...results.filter(({ good }) => good).map(({ calls }) => calls));
      if (options.calls.length > 1) report.memoryPerCall[server.name] = memoryPerCall(results);
      if (options.bridges > 0) report.bridges.push(await bench.bridges(options.bridges, BRIDGE_SECONDS));
      if (options.answersPerSecond > 0) report.answers.push(await bench.answers(options.answersPerSecond));
    } catch (error) {
      // What was measured before, and the other servers, are worth having.
      report.problems.push(`${server.name}: ${error instanceof Error ? error.message : error}`);
    } finally {
      await load.stop();
      await bench.close();
      await server.stop();
    }
  };
  try {
    await measure(await startRingwire(options.serverFlags));
    if (options.soakMinutes > 0) return report;
    if (options.freeswitch) await measure(await findFreeSwitch(options.freeswitch));
    if (options.floorCalls > 0) report.calls.push(await measureFloor(options, load, progress));
    return report;
  } finally {
    await load.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The same RTP against a program that only sends and receives. */
async function measureFloor(
  { floorCalls, seconds }: MediaOptions,
  load: RtpLoad,
  progress: (text: string) => void,
): Promise<CallsResult> {
  progress(`bare Node: ${floorCalls} calls`);
  const child = startProgram([process.execPath, FLOOR], true);
  try {
    const places = await load.places(floorCalls);
    child.send({ remotePorts: places.map(({ port }) => port) });
    const [{ ports }] = (await withinStart(once(child, 'message'), child)) as [FloorAnswer];
    await load.start(places.map((place, index) => ({ place, serverPort: ports[index]! })));
    await sleep(SETTLE_MS);
    return callsResult('bare Node', floorCalls, {}, await watchFor(seconds, child.pid!, load));
  } finally {
    await load.stop();
    await stopPrograms(child);
  }
}

/** What memory grew by per call, by the line through all measurements. */
function memoryPerCall(results: readonly CallsResult[]): number {
  return slope(results.map(({ calls, rssBytes }) => [calls, rssBytes]));
}
