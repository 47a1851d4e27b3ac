import { parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.js';
import { FileInputs } from './file-inputs.js';
import { FilePlayer } from './file-player.js';
import type { MediaInput } from './input.js';

/** What the worker is told. */
export interface FileJob {
  seed: number;
  from: number;
  to: number;
  folder: string;
  /** Two 32-bit numbers: the input that is played, and a count that grows while the thread lives. */
  progress: SharedArrayBuffer;
  /** Played in place of those that the seed makes. */
  replay?: MediaInput[];
  /** After so many the memory is told. */
  memoryAt: number;
}

/** What the worker tells. */
export type FileReport =
  | { type: 'failed'; input: MediaInput; error: string }
  | { type: 'memory'; n: number; heldBytes: number }
  | { type: 'done'; heldBytes: number; kinds: Record<string, number> };

const BEAT_MS = 100;

const port = parentPort;
if (!port) throw new TypeError('media/file-worker runs as a worker thread');
const { seed, from, to, folder, progress, replay, memoryAt } = workerData as FileJob;
const [at, beat] = [0, 1];
const shared = new Int32Array(progress);
const beating = setInterval(() => Atomics.add(shared, beat, 1), BEAT_MS);
const inputs = new FileInputs();
const player = new FilePlayer(folder);
const kinds: Record<string, number> = {};
const tell = (report: FileReport): void => port.postMessage(report);

for (let n = from; n < to; n++) {
  Atomics.store(shared, at, n);
  const found = replay?.[n];
  // Buffers come out of a message as plain bytes.
  const input = found ? { ...found, bytes: Buffer.from(found.bytes) } : inputs.make(n, Random.of(seed, n));
  kinds[input.kind] = (kinds[input.kind] ?? 0) + 1;
  try {
    await player.play(input);
  } catch (error) {
    tell({ type: 'failed', input, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  if (n + 1 === memoryAt) tell({ type: 'memory', n, heldBytes: held() });
}
clearInterval(beating);
tell({ type: 'done', heldBytes: held(), kinds });

function held(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
