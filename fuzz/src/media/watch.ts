import { readFileSync } from 'node:fs';
import { BroadcastChannel, isMainThread, threadId, workerData } from 'node:worker_threads';

/**
 * Loaded into every thread of a media server under test, before its own code: tells the fuzzer of exceptions, of threads that do nothing
 * else for long, and of memory. Changes nothing of the server.
 */

/** What the fuzzer is told. */
export type WatchReport =
  | { type: 'watch'; event: 'stall'; thread: string; ms: number }
  | { type: 'watch'; event: 'hang'; thread: string; ms: number }
  | { type: 'watch'; event: 'exception'; thread: string; origin: string; error: string }
  | { type: 'watch'; event: 'beat' }
  | { type: 'watch'; event: 'memory'; id: number; rssBytes: number; heldBytes: number; threads: number };

/** What the fuzzer asks: memory after a collection in every thread. */
export interface WatchRequest {
  type: 'watch';
  ask: 'memory';
  id: number;
}

type Note =
  | { kind: 'beat'; thread: string }
  | { kind: 'report'; report: WatchReport }
  | { kind: 'ask'; id: number }
  | { kind: 'held'; id: number; heldBytes: number };

const BEAT_MS = 200;
const STALL_MS = 1000;
const HANG_MS = 15_000;
/** Threads answer within that, or have ended. */
const COLLECT_MS = 1500;
/** Of the time that a thread seemed to stand still, it must have worked for so much; else the machine had no time for it. */
const WORKED = 0.7;

const thread = isMainThread ? 'main' : isMedia(workerData) ? `media ${threadId}` : `decoder ${threadId}`;
const channel = new BroadcastChannel('ringwire-fuzz');
const send = (report: WatchReport): void => {
  if (isMainThread) process.send?.(report);
  else channel.postMessage({ kind: 'report', report } satisfies Note);
};

process.on('uncaughtExceptionMonitor', (error, origin) => {
  send({
    type: 'watch',
    event: 'exception',
    thread,
    origin,
    error: error instanceof Error ? (error.stack ?? '') : String(error),
  });
});

let lastMs = performance.now();
let lastCpuMs = threadCpuMs();
setInterval(() => {
  const now = performance.now();
  const cpuMs = threadCpuMs();
  const ms = now - lastMs - BEAT_MS;
  if (ms > STALL_MS && (cpuMs === undefined || cpuMs - lastCpuMs! > WORKED * ms)) {
    send({ type: 'watch', event: 'stall', thread, ms: Math.round(ms) });
  }
  lastMs = now;
  lastCpuMs = cpuMs;
  if (isMainThread) process.send?.({ type: 'watch', event: 'beat' } satisfies WatchReport);
  else channel.postMessage({ kind: 'beat', thread } satisfies Note);
}, BEAT_MS).unref();

const beats = new Map<string, number>();
let answers: number[] = [];
channel.onmessage = (event) => {
  const note = (event as MessageEvent).data as Note;
  if (note.kind === 'ask' && !isMainThread)
    channel.postMessage({ kind: 'held', id: note.id, heldBytes: held() } satisfies Note);
  if (!isMainThread) return;
  if (note.kind === 'beat') beats.set(note.thread, performance.now());
  if (note.kind === 'report') process.send?.(note.report);
  if (note.kind === 'held') answers.push(note.heldBytes);
};
channel.unref();

if (isMainThread) {
  process.on('message', (message) => {
    if (!isRequest(message)) return;
    answers = [held()];
    channel.postMessage({ kind: 'ask', id: message.id } satisfies Note);
    setTimeout(() => {
      const heldBytes = answers.reduce((sum, bytes) => sum + bytes, 0);
      const rssBytes = process.memoryUsage.rss();
      process.send?.({
        type: 'watch',
        event: 'memory',
        id: message.id,
        rssBytes,
        heldBytes,
        threads: answers.length,
      } satisfies WatchReport);
    }, COLLECT_MS);
  });
  setInterval(() => {
    for (const [name, at] of beats) {
      const ms = performance.now() - at;
      if (ms < HANG_MS) continue;
      beats.delete(name);
      // One that has ended says nothing either, but the server tells of that.
      send({ type: 'watch', event: 'hang', thread: name, ms: Math.round(ms) });
    }
  }, 1000).unref();
}

function held(): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  collect?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Milliseconds that this thread has run on a processor; undefined where the system does not tell. */
function threadCpuMs(): number | undefined {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

function isMedia(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'codecs' in data;
}

function isRequest(message: unknown): message is WatchRequest {
  return typeof message === 'object' && message !== null && (message as WatchRequest).ask === 'memory';
}
