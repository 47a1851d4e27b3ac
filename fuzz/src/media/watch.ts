import { BroadcastChannel, isMainThread, threadId, workerData } from 'node:worker_threads';
import { watchStalls } from './stall-meter.js';

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
  | {
      type: 'watch';
      event: 'memory';
      id: number;
      rssBytes: number;
      heldBytes: number;
      threads: Record<string, number>;
    };

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
  | { kind: 'held'; id: number; thread: string; heldBytes: number };

const HANG_MS = 15_000;
/** Threads answer within that, or have ended. */
const COLLECT_MS = 1500;
const thread = isMainThread ? 'main' : isMedia(workerData) ? `media ${threadId}` : `decoder ${threadId}`;
const channel = new BroadcastChannel('ringwire-fuzz');
const send = (report: WatchReport): void => {
  if (isMainThread) tell(report);
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

watchStalls(
  (ms) => send({ type: 'watch', event: 'stall', thread, ms }),
  () => {
    if (isMainThread) tell({ type: 'watch', event: 'beat' });
    else channel.postMessage({ kind: 'beat', thread } satisfies Note);
  },
);

const beats = new Map<string, number>();
let answers: Record<string, number> = {};
channel.onmessage = (event) => {
  const note = (event as MessageEvent).data as Note;
  if (note.kind === 'ask' && !isMainThread)
    channel.postMessage({ kind: 'held', id: note.id, thread, heldBytes: held() } satisfies Note);
  if (!isMainThread) return;
  if (note.kind === 'beat') beats.set(note.thread, performance.now());
  if (note.kind === 'report') {
    tell(note.report);
    // A thread that dies takes those that it has started with it; who lives beats again.
    if (note.report.event === 'exception') beats.clear();
  }
  if (note.kind === 'held') answers[note.thread] = note.heldBytes;
};
channel.unref();

if (isMainThread) {
  process.on('message', (message) => {
    if (!isRequest(message)) return;
    answers = { main: held() };
    channel.postMessage({ kind: 'ask', id: message.id } satisfies Note);
    setTimeout(() => {
      const heldBytes = Object.values(answers).reduce((sum, bytes) => sum + bytes, 0);
      const rssBytes = process.memoryUsage.rss();
      tell({ type: 'watch', event: 'memory', id: message.id, rssBytes, heldBytes, threads: answers });
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

/** A fuzzer that is gone hears nothing; without the callback each try would be an exception, of which it would be told. */
function tell(report: WatchReport): void {
  if (process.connected) process.send?.(report, () => {});
}

function held(): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  collect?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function isMedia(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'codecs' in data;
}

function isRequest(message: unknown): message is WatchRequest {
  return typeof message === 'object' && message !== null && (message as WatchRequest).ask === 'memory';
}
