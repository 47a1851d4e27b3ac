import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';

/** Clock ticks per second in which the kernel counts CPU time for user space (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU time that a process has used so far (all its threads, and its children that have ended), ms. */
export async function cpuMs(pid: number): Promise<number> {
  return ticksOf(await readFile(`/proc/${pid}/stat`, 'utf8'), 4);
}

/** CPU time used so far by process name, ms. */
export async function cpuMsOf(processes: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const entries = await Promise.all(
    Object.entries(processes).map(async ([name, pid]) => [name, await cpuMs(pid)] as const),
  );
  return Object.fromEntries(entries);
}

/** CPU time of each thread of a process so far, ms, by thread id. */
export async function cpuMsOfThreads(pid: number): Promise<Map<string, number>> {
  const threads = new Map<string, number>();
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    // A thread may end meanwhile.
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => '');
    if (stat) threads.set(thread, ticksOf(stat, 2));
  }
  return threads;
}

/** How long the host of this virtual machine has kept its processors from it so far, all processors together, ms: `steal` of /proc/stat (proc(5)). */
export async function stolenMs(): Promise<number> {
  const [all] = (await readFile('/proc/stat', 'utf8')).split('\n');
  return (Number(all?.split(/\s+/)[8] ?? 0) * 1000) / TICKS_PER_SECOND;
}

/** The first `count` of utime, stime, cutime and cstime, which are fields 14–17 of a stat file (proc(5)), as ms. */
function ticksOf(stat: string, count: number): number {
  // The name, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 11 + count).reduce((sum, field) => sum + Number(field), 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}
