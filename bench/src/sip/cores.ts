import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/**
 * Keeps this process, and all that it starts from now on, off the first core, which the servers under test get to
 * themselves. Returns that core; undefined where there is one core only, or no `taskset` (util-linux).
 */
export function reserveCore(): number | undefined {
  const cores = availableParallelism();
  if (cores < 2) return undefined;
  try {
    execFileSync('taskset', ['-pc', `1-${cores - 1}`, String(process.pid)], { stdio: 'ignore' });
    return 0;
  } catch {
    return undefined;
  }
}

/** A command line that runs on one core. */
export function onCore(core: number | undefined, command: string[]): string[] {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command];
}
