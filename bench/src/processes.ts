import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const START_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 6_000;

/**
 * Starts a program of a benchmark.
 *
 * @param isNode whether it talks to its parent, and has nothing to say on stderr but errors
 */
export function startProgram(
  [program = '', ...args]: string[],
  isNode: boolean,
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const child = spawn(program, args, {
    env,
    stdio: ['ignore', 'ignore', ...(isNode ? (['inherit', 'ipc'] as const) : (['ignore'] as const))],
  });
  child.on('error', (error) => process.stderr.write(`${program}: ${error.message}\n`));
  return child;
}

/** Waits for something that a process does; rejects when it ends before, or takes too long. */
export async function withinStart<T>(work: Promise<T>, child: ChildProcess): Promise<T> {
  const over = new AbortController();
  const ended = once(child, 'exit', { signal: over.signal }).then(() => {
    throw new Error(`${child.spawnargs.join(' ')}: ended at its start`);
  });
  const late = sleep(START_WITHIN_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${child.spawnargs.join(' ')}: did not start in time`);
  });
  try {
    return await Promise.race([work, ended, late]);
  } finally {
    // Who lost the race is aborted below, and rejects with that: its result is told already.
    for (const loser of [ended, late]) loser.catch(() => {});
    over.abort();
  }
}

/** Ends processes, one after the other; with force what does not end in time. */
export async function stopPrograms(...children: ChildProcess[]): Promise<void> {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const cut = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(cut);
  }
}

/** Resident memory of a process. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
