import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.js';
import { FileInputs } from './file-inputs.js';
import { FilePlayer } from './file-player.js';
import type { MediaInput } from './input.js';
import { watchStalls } from './stall-meter.js';

/** What the worker is told. */
export interface FileJob {
  seed: number;
  from: number;
  to: number;
  folder: string;
  /** {@link PROGRESS_NUMBERS} of 32 bits. */
  progress: SharedArrayBuffer;
  /** Played in place of those that the seed makes. */
  replay?: MediaInput[];
  /** After so many the memory is told. */
  memoryAt: number;
}

/** What the worker tells. */
export type FileReport =
  | { type: 'failed'; input: MediaInput; error: string }
  | { type: 'stall'; ms: number }
  | { type: 'memory'; n: number; heldBytes: number }
  | { type: 'done'; heldBytes: number; kinds: Record<string, number> };

/** Files that are played at the same time: while one waits for the disk or the decoder, another is worked on. */
export const LANES = 4;
/** Places in the shared numbers: a count that grows while the thread lives, the next input, and what each lane plays. */
export const PROGRESS = { beat: 0, next: 1, lanes: 2 } as const;
/** How many there are. */
export const PROGRESS_NUMBERS = PROGRESS.lanes + LANES;

if (parentPort) await work(parentPort, workerData as FileJob);

async function work(port: MessagePort, job: FileJob): Promise<void> {
  const { seed, from, to, folder, replay, memoryAt } = job;
  const shared = new Int32Array(job.progress);
  const inputs = new FileInputs();
  const player = new FilePlayer(folder);
  const kinds: Record<string, number> = {};
  const tell = (report: FileReport): void => port.postMessage(report);
  const stop = watchStalls(
    (ms) => tell({ type: 'stall', ms }),
    () => Atomics.add(shared, PROGRESS.beat, 1),
  );
  let next = from;
  const lane = async (place: number): Promise<void> => {
    while (next < to) {
      const n = next++;
      Atomics.store(shared, PROGRESS.next, next);
      Atomics.store(shared, place, n);
      const found = replay?.[n];
      // Buffers come out of a message as plain bytes.
      const input = found ? { ...found, bytes: Buffer.from(found.bytes) } : inputs.make(n, Random.of(seed, n));
      kinds[input.kind] = (kinds[input.kind] ?? 0) + 1;
      try {
        await player.play(input);
      } catch (error) {
        tell({ type: 'failed', input, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
      Atomics.store(shared, place, -1);
      if (n + 1 === memoryAt) tell({ type: 'memory', n, heldBytes: held() });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, i) => lane(PROGRESS.lanes + i)));
  stop();
  tell({ type: 'done', heldBytes: held(), kinds });
}

function held(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
