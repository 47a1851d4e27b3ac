import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { Random } from '../random.js';
import { FileInputs } from './file-inputs.js';
import { type FileJob, type FileReport, PROGRESS, PROGRESS_NUMBERS } from './file-worker.js';
import type { MediaFailure, MediaInput } from './input.js';
import { type Memory, noMemory } from './report.js';

/** What playing files came to. */
export interface FilesResult {
  inputs: number;
  kinds: Record<string, number>;
  seconds: number;
  /** After the warm-up and at the end. */
  before: Memory;
  after: Memory;
  failures: MediaFailure[];
}

/** What a run of files is told. */
export interface FilesOptions {
  count: number;
  seed: number;
  replay?: readonly MediaInput[];
  onFailure: (failure: MediaFailure) => void;
  onProgress: (done: number, total: number) => void;
}

const WORKER = new URL('./file-worker.js', import.meta.url);
const WATCH_MS = 250;
const PROGRESS_MS = 2000;
/** A thread that has not been heard of for so long is given up. */
const HANG_MS = 15_000;
const MAX_FAILURES = 20;
/** Files after which what grows at first has grown. */
const WARM_UP = 10_000;

/** Plays mutated files on a thread of its own; one that dies or hangs is replaced, and goes on behind the file. */
export async function runFiles({ count, seed, replay, onFailure, onProgress }: FilesOptions): Promise<FilesResult> {
  setFlagsFromString('--expose-gc');
  const started = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-files-'));
  const failures: MediaFailure[] = [];
  const kinds: Record<string, number> = {};
  const make = new FileInputs();
  const inputOf = (n: number): MediaInput => replay?.[n] ?? make.make(n, Random.of(seed, n));
  const fail = (what: MediaFailure['what'], inputs: MediaInput[], error: string): void => {
    const failure: MediaFailure = { part: 'files', what, error, inputs };
    failures.push(failure);
    onFailure(failure);
  };
  const before: Memory = noMemory();
  const after: Memory = noMemory();
  const warmUp = Math.min(WARM_UP, Math.ceil(count / 4));
  let next = 0;
  while (next < count && failures.length < MAX_FAILURES) {
    const progress = new SharedArrayBuffer(4 * PROGRESS_NUMBERS);
    const job: FileJob = {
      seed,
      from: next,
      to: count,
      folder,
      progress,
      memoryAt: warmUp,
      ...(replay && { replay: [...replay] }),
    };
    next = await runWorker(job);
  }
  rmSync(folder, { recursive: true, force: true });
  return { inputs: next, kinds, seconds: (performance.now() - started) / 1000, before, after, failures };

  /** Resolves with the number of the next input when the thread is over, whyever. */
  function runWorker(job: FileJob): Promise<number> {
    const shared = new Int32Array(job.progress);
    const worker = new Worker(WORKER, { workerData: job });
    let done = false;
    let failed = 0;
    let lastBeat = -1;
    let beatMs = performance.now();
    let toldMs = performance.now();
    const playing = (): MediaInput[] =>
      [...shared.subarray(PROGRESS.lanes)].filter((n) => n >= 0).map((n) => inputOf(n));
    shared.fill(-1, PROGRESS.lanes);
    shared[PROGRESS.next] = job.from;
    const watch = setInterval(() => {
      const now = performance.now();
      if (shared[PROGRESS.beat] !== lastBeat) {
        lastBeat = shared[PROGRESS.beat]!;
        beatMs = now;
      }
      if (now - beatMs > HANG_MS) {
        fail('hang', playing(), `a thread hangs for more than ${HANG_MS} ms`);
        void worker.terminate();
      }
      if (now - toldMs < PROGRESS_MS) return;
      toldMs = now;
      onProgress(shared[PROGRESS.next]!, count);
    }, WATCH_MS);
    return new Promise((resolve) => {
      worker.on('message', (report: FileReport) => {
        const rssBytes = process.memoryUsage.rss();
        if (report.type === 'failed') {
          if (++failed > MAX_FAILURES) void worker.terminate();
          fail('error', [{ ...report.input, bytes: Buffer.from(report.input.bytes) }], report.error);
        } else if (report.type === 'stall') {
          fail('stall', playing(), `the thread did nothing else for ${report.ms} ms`);
        } else if (report.type === 'memory') {
          Object.assign(before, { rssBytes, heldBytes: report.heldBytes });
        } else {
          done = true;
          Object.assign(after, { rssBytes, heldBytes: report.heldBytes });
          for (const [kind, many] of Object.entries(report.kinds)) kinds[kind] = (kinds[kind] ?? 0) + many;
          void worker.terminate();
        }
      });
      worker.on('error', (error) => fail('crash', playing(), error.stack ?? error.message));
      worker.on('exit', () => {
        clearInterval(watch);
        resolve(done ? job.to : Math.max(job.from + 1, shared[PROGRESS.next]!));
      });
    });
  }
}
