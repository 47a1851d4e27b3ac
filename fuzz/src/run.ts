import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LiveTarget } from './live-target.js';
import { makeInput } from './mutate.js';
import { Random } from './random.js';
import { loadSeeds } from './seeds.js';
import { ServerTarget } from './server-target.js';
import { framerTarget, parserTarget } from './targets.js';

/** What a run does. */
export interface FuzzOptions {
  inputs: number;
  seed: number;
  /** Runs this input only. */
  only?: number | undefined;
  /** Hears of the progress, every 2 s, and of each crash at once. */
  onProgress?: (text: string) => void;
}

/** A failure, with what is needed to see it again. */
export interface FuzzCrash {
  /** Number of the input; for live transactions the last that was sent. */
  input: number;
  target: 'parser' | 'framer' | 'live' | 'server';
  error: string;
  /** The input in base64. */
  bytes: string;
}

/** How a run ended. */
export interface FuzzSummary {
  seed: number;
  inputs: number;
  seconds: number;
  crashes: FuzzCrash[];
  unhandledRejections: number;
  /** Heap and buffers at the end less those after the warm-up, both after a collection; bytes. */
  memoryGrowth: number;
  ok: boolean;
}

const PROBE_EVERY = 250;
const PROGRESS_MS = 2000;
/** Compiled code and pools go on growing a little; a leak of 40 bytes an input is seen in a million. */
const MAX_MEMORY_GROWTH = 32_000_000;
const MAX_CRASHES = 20;

/** Fuzzes parser, framer, live transactions and a server with its application. Never throws for what it finds: that is in the summary. */
export async function runSipFuzz({ inputs, seed, only, onProgress }: FuzzOptions): Promise<FuzzSummary> {
  const seeds = loadSeeds();
  const crashes: FuzzCrash[] = [];
  let rejections = 0;
  let at = only ?? 0;
  let bytes: Buffer = Buffer.alloc(0);
  const crash = (target: FuzzCrash['target'], error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    crashes.push({ input: at, target, error: text, bytes: bytes.toString('base64') });
    onProgress?.(`${target}, input ${at}: ${text}\n${bytes.toString('latin1').slice(0, 4000)}\n`);
  };
  const uncaught = (error: unknown): void => crash('live', error);
  const rejected = (error: unknown): void => {
    rejections++;
    crash('live', error);
  };
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', rejected);
  const started = performance.now();
  const live = await LiveTarget.start((error) => crash('live', error));
  const server = await ServerTarget.start((error) => crash('server', error));
  const targets = [live, server];
  const each = async (action: (target: LiveTarget | ServerTarget) => Promise<void>): Promise<void> => {
    for (const target of targets) await action(target);
  };
  let base = 0;
  let told = started;
  const last = only === undefined ? inputs : only + 1;
  const warmUp = Math.min(20_000, Math.floor(inputs / 4));
  try {
    for (; at < last && crashes.length < MAX_CRASHES; at++) {
      const random = Random.of(seed, at);
      bytes = makeInput(random, seeds);
      attempt(
        () => parserTarget(bytes),
        (error) => crash('parser', error),
      );
      attempt(
        () => framerTarget(bytes, random),
        (error) => crash('framer', error),
      );
      // Each input goes to one of the two, or with --only to both.
      if (at % 2 === 0 || only !== undefined) await live.send(bytes, random);
      if (at % 2 === 1 || only !== undefined) bytes = await server.send(bytes, random, seeds);
      if (at % PROBE_EVERY === PROBE_EVERY - 1) await each((target) => target.probe());
      if (at === warmUp) {
        await each((target) => target.settle());
        base = memory();
      }
      if (performance.now() - told < PROGRESS_MS) continue;
      told = performance.now();
      onProgress?.(progress(at + 1, inputs, told - started, crashes.length));
    }
    await each((target) => target.probe());
    await each((target) => target.settle());
  } catch (error) {
    crash('live', error);
  } finally {
    await each((target) => target.stop());
    process.off('uncaughtException', uncaught);
    process.off('unhandledRejection', rejected);
  }
  const memoryGrowth = base === 0 ? 0 : memory() - base;
  const seconds = (performance.now() - started) / 1000;
  const ok = crashes.length === 0 && memoryGrowth <= MAX_MEMORY_GROWTH;
  return {
    seed,
    inputs: only === undefined ? at : 1,
    seconds,
    crashes,
    unhandledRejections: rejections,
    memoryGrowth,
    ok,
  };
}

/** The summary as people read it. */
export function formatSummary(summary: FuzzSummary): string {
  const { seed, inputs, seconds, crashes, unhandledRejections, memoryGrowth } = summary;
  const found = crashes.map(
    ({ input, target, error, bytes }) =>
      `\n${target}, input ${input} (again: npm run fuzz -- sip --seed ${seed} --only ${input})\n${error}\n${bytes.slice(0, 2000)}\n`,
  );
  return (
    `${found.join('')}${inputs} inputs (seed ${seed}) in ${seconds.toFixed(1)} s: ${crashes.length} crashes, ` +
    `${unhandledRejections} unhandled rejections, memory ${memoryGrowth < 0 ? '' : '+'}${(memoryGrowth / 1e6).toFixed(1)} MB\n`
  );
}

function attempt(action: () => void, failed: (error: unknown) => void): void {
  try {
    action();
  } catch (error) {
    failed(error);
  }
}

function progress(done: number, inputs: number, ms: number, crashes: number): string {
  const rate = Math.round((done * 1000) / ms);
  const { heapUsed } = process.memoryUsage();
  return `${done} of ${inputs} inputs, ${rate}/s, ${crashes} crashes, heap ${Math.round(heapUsed / 1e6)} MB\n`;
}

/** Live heap and buffers in bytes. */
function memory(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
