import { readFileSync } from 'node:fs';

const EVERY_MS = 200;
const STALL_MS = 1000;
/**
 * Tells of each time that this thread did nothing else for more than a second: of its own time on a processor where the system tells that,
 * since on a busy machine everything takes long.
 *
 * @param onBeat called five times a second while it does not
 * @returns ends it
 */
export function watchStalls(onStall: (ms: number) => void, onBeat: () => void): () => void {
  let lastMs = performance.now();
  let lastCpuMs = threadCpuMs();
  const timer = setInterval(() => {
    const now = performance.now();
    const cpuMs = threadCpuMs();
    const ms = cpuMs === undefined || lastCpuMs === undefined ? now - lastMs - EVERY_MS : cpuMs - lastCpuMs;
    if (ms > STALL_MS) onStall(Math.round(ms));
    lastMs = now;
    lastCpuMs = cpuMs;
    onBeat();
  }, EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** Milliseconds that this thread has run on a processor; undefined where the system does not tell. */
function threadCpuMs(): number | undefined {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}
