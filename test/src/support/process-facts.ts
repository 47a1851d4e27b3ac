import { readdir } from 'node:fs/promises';

/** How many file descriptors a process has open. */
export async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Open file descriptors by process name. */
export async function openFilesOf(processes: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const counts = await Promise.all(
    Object.entries(processes).map(async ([name, pid]) => [name, await openFiles(pid)] as const),
  );
  return Object.fromEntries(counts);
}
