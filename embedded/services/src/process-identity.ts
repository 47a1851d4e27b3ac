import { readFileSync } from 'node:fs';

/** What tells one process from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to the start of the process (`/proc/<pid>/stat`, field 22). */
  startTicks: number;
  /** The boot that `startTicks` counts from. */
  bootId: string;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // The process is gone, or the system has no /proc.
  }
}

/** State letter and start of a process from `/proc`; the name may hold spaces and brackets, so fields count from its end. */
function readStat(pid: number): { state: string; startTicks: number } | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', startTicks: Number(fields[19]) };
}

/** The identity of a running process; undefined when there is none (or no `/proc`). A zombie is not running. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  const bootId = readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return { pid, startTicks: stat.startTicks, bootId };
}

/** Whether exactly this process, not another one that got its pid later, still runs. */
export function isSameProcessAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** The command line of a process with its arguments, empty when it is gone. */
export function commandLine(pid: number): string[] {
  return (readText(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((part) => part !== '');
}
