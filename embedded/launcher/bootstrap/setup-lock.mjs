// @ts-check
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Between two looks at a lock that somebody else holds. */
const RETRY_MS = 200;
/** Two set-ups may find the same lock stale; after this pause only the one whose name stands in it goes on. */
const SETTLE_MS = 30;

/** When a process started, in ticks since boot, to tell it from a later one with its pid. @param {number} pid */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return undefined; // No such process, or no /proc on this system.
  }
}

/** @param {string} holder */
function isAlive(holder) {
  const [pid = '', start = ''] = holder.trim().split(' ');
  if (start !== '') return startOf(Number(pid)) === start;
  try {
    process.kill(Number(pid), 0);
    return Number(pid) > 0;
  } catch {
    return false; // Without /proc the pid alone has to do.
  }
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // Just released.
  }
}

/**
 * Waits until no other set-up of this clone is at work, so that two never install or compile at the same time.
 * The lock of a set-up that has died is taken over.
 *
 * @param {string} file
 * @param {import('./progress.mjs').Progress} progress
 * @returns {Promise<() => void>} releases the lock.
 */
export async function takeSetupLock(file, progress) {
  mkdirSync(dirname(file), { recursive: true });
  const me = `${process.pid} ${startOf(process.pid) ?? ''}\n`;
  const release = () => {
    if (read(file) === me) rmSync(file, { force: true });
  };
  /** @type {import('./progress.mjs').Step | undefined} */
  let waiting;
  for (;;) {
    try {
      writeFileSync(file, me, { flag: 'wx' });
      await delay(SETTLE_MS);
      if (read(file) === me) break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    const holder = read(file);
    if (holder === undefined) continue;
    if (holder !== '' && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    waiting ??= progress.step(
      'waiting',
      `another set-up of this clone is at work (pid ${holder.trim().split(' ')[0]})`,
    );
    await delay(RETRY_MS);
  }
  waiting?.done();
  process.once('exit', release);
  return () => {
    release();
    process.off('exit', release);
  };
}
