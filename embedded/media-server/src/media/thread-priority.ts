import { execFile } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Nice value of media threads: a late packet is heard, a late answer to a command is not. */
const MEDIA_NICE = -15;
/** Lowest real-time priority: before everything that is not real-time, after what the system itself needs. FreeSWITCH does the same. */
const REALTIME_PRIORITY = '1';

/**
 * Lets the calling thread run before others: in real time (SCHED_RR) where Linux, its rights and `chrt` (util-linux) allow it, else
 * with a better nice value, else as it is; then media are as good as the machine is idle. Threads that it starts itself get no part
 * of the former. Resolves when it is so; never rejects for want of rights.
 */
export async function preferThisThread(realtime: boolean): Promise<void> {
  try {
    // On Linux this is the calling thread's priority, not the process's.
    setPriority(0, MEDIA_NICE);
  } catch (error) {
    // Only a privileged user may, and only that one may do the following.
    if (!(error instanceof Error)) throw error;
    return;
  }
  const thread = realtime ? threadId() : undefined;
  if (thread === undefined) return;
  await new Promise<void>((resolve) => {
    // Without chrt, or without the right, it stays at its nice value.
    execFile('chrt', ['--reset-on-fork', '--rr', '--pid', REALTIME_PRIORITY, thread], () => resolve());
  });
}

/** The kernel's number of the calling thread; undefined where that is not Linux. */
function threadId(): string | undefined {
  try {
    return readlinkSync('/proc/thread-self').replace(/^.*\//, '');
  } catch {
    // No /proc: another system.
    return undefined;
  }
}
