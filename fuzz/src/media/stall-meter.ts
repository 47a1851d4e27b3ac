import { readFileSync } from 'node:fs';

const EVERY_MS = 200;
const STALL_MS = 1000;
/** Of the time that a thread seemed to stand still, it must have worked for so much; else the machine had no time for it. */
const WORKED = 0.7;

/**
 * Tells of each time that this thread did nothing else for more than a second, by its own clock on a processor where the system tells that.
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
    const ms = now - lastMs - EVERY_MS;
    if (ms > STALL_MS && (cpuMs === undefined || lastCpuMs === undefined || cpuMs - lastCpuMs > WORKED * ms)) {
      onStall(Math.round(ms));
    }
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
