import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLine, identify, isSameProcessAlive, type ProcessIdentity } from './process-identity.js';

/** A child process as the registry keeps it. */
export interface RegisteredProcess extends ProcessIdentity {
  name: string;
  /** Program that must appear in the command line before anything is killed. */
  program: string;
}

/** How long a leftover may take to end by itself before it is killed; a database needs about a second. */
const STALE_GRACE_MS = 5_000;

/**
 * A file that names the child processes of one data directory, so that a later start finds what a launcher killed with
 * SIGKILL may have left behind.
 */
export class PidRegistry {
  readonly #file: string;
  readonly #entries = new Map<string, RegisteredProcess>();

  /** @param file Where the registry is kept; written atomically with every change. */
  constructor(file: string) {
    this.#file = file;
  }

  /** Notes a child; its process group has the same number as its pid. */
  add(name: string, pid: number, program: string): void {
    const identity = identify(pid);
    if (identity === undefined) return;
    this.#entries.set(name, { ...identity, name, program: basename(program) });
    this.#write();
  }

  /** Forgets a child that has ended; a newer one of the same name stays. */
  remove(name: string, pid: number): void {
    if (this.#entries.get(name)?.pid !== pid) return;
    this.#entries.delete(name);
    this.#write();
  }

  /**
   * Ends the processes that an earlier owner of the file left, after checking by start time, boot and command line that
   * they are the same ones.
   * @returns names of the processes that were ended.
   */
  async endLeftovers(): Promise<string[]> {
    const ours = this.#read().filter(isOurs);
    for (const entry of ours) signalGroup(entry.pid, 'SIGTERM');
    const deadline = Date.now() + STALE_GRACE_MS;
    while (ours.some(isSameProcessAlive) && Date.now() < deadline) await delay(20);
    for (const entry of ours) signalGroup(entry.pid, 'SIGKILL');
    while (ours.some(isSameProcessAlive) && Date.now() < deadline + STALE_GRACE_MS) await delay(20);
    rmSync(this.#file, { force: true });
    return ours.map((entry) => entry.name);
  }

  #read(): RegisteredProcess[] {
    try {
      const parsed: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      return Array.isArray(parsed) ? parsed.filter(isRegisteredProcess) : [];
    } catch {
      return []; // No file, or one that a crash cut short: nothing that could be identified safely.
    }
  }

  #write(): void {
    if (this.#entries.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#entries.values()]), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function isRegisteredProcess(value: unknown): value is RegisteredProcess {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTicks, bootId, name, program } = value as Record<string, unknown>;
  return (
    Number.isSafeInteger(pid) &&
    Number(pid) > 1 &&
    typeof startTicks === 'number' &&
    typeof bootId === 'string' &&
    typeof name === 'string' &&
    typeof program === 'string'
  );
}

function isOurs(entry: RegisteredProcess): boolean {
  return isSameProcessAlive(entry) && commandLine(entry.pid).some((part) => basename(part) === entry.program);
}

/** Sends a signal to a whole process group; a group that is gone is what was wanted. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
