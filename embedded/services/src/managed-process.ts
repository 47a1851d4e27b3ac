import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ProcessStartError } from './errors.js';
import { findProgram } from './find-program.js';
import { lastWords, openLog } from './log-file.js';
import { type PidRegistry, signalGroup } from './pid-registry.js';
import type { Readiness, ReadyFacts } from './readiness.js';
import { type ServiceLogger, silentLogger } from './service-logger.js';

/** How a process is started, watched and ended. */
export interface ManagedProcessOptions {
  /** Unique among the processes of one launcher; names the log file. */
  name: string;
  /** Absolute path of the program. */
  command: string;
  args: string[];
  /** The whole environment of the process. @defaultValue that of this process */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Folder of `<name>.log`, which gets stdout and stderr. */
  logDir: string;
  ready: Readiness;
  /** Opens an IPC channel and makes the process end when the channel closes; for Node programs. @defaultValue false */
  ipc?: boolean;
  /** Start again when it dies unexpectedly. @defaultValue true */
  restart?: boolean;
  /** From start to ready, else the start has failed. @defaultValue 20000 */
  readyTimeoutMs?: number;
  /** From SIGTERM to SIGKILL. @defaultValue 4000 */
  graceMs?: number;
  registry?: PidRegistry;
  logger?: ServiceLogger;
}

/** Where a managed process is in its life. */
export type ProcessState = 'idle' | 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped';

/** What {@link ManagedProcess} tells. */
export interface ManagedProcessEvents {
  ready: [facts: ReadyFacts];
  /** The process ended without having been told to. */
  died: [how: { code: number | null; signal: NodeJS.Signals | null; restartInMs: number | null }];
}

const READY_TIMEOUT_MS = 20_000;
const GRACE_MS = 4_000;
/** The first restart comes at once, so that calls wait little; each further one waits twice as long, up to the limit. */
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;
/** A process that lived this long starts again without back-off when it dies. */
const HEALTHY_AFTER_MS = 10_000;
/** Lines of the log quoted in an error. */
const QUOTED_LINES = 12;

/**
 * A child process in its own process group that is started again when it dies, with the same command line and so on the
 * same ports. It ends with this process, also when this one is killed with SIGKILL.
 */
export class ManagedProcess extends EventEmitter<ManagedProcessEvents> {
  readonly name: string;
  readonly logFile: string;
  readonly #options: ManagedProcessOptions;
  readonly #logger: ServiceLogger;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #state: ProcessState = 'idle';
  #failures = 0;
  #restarts = 0;

  constructor(options: ManagedProcessOptions) {
    super();
    this.name = options.name;
    this.logFile = join(options.logDir, `${options.name}.log`);
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Pid of the running process, which is also the number of its process group. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The running child, for callers that talk to it over IPC. */
  get child(): ChildProcess | undefined {
    return this.#child;
  }

  /** How often it was started again after it had died. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Starts the process and waits until it is ready. A first start that fails is not repeated.
   * @throws {ProcessStartError} with the last error of its log, or its last lines, as text.
   */
  async start(): Promise<ReadyFacts> {
    return this.#launch();
  }

  /** Ends the process: SIGTERM, after the grace time SIGKILL, each for the whole process group. May be called again. */
  async stop(options: { graceMs?: number } = {}): Promise<void> {
    this.#stopping.abort();
    if (this.#state !== 'stopped') this.#state = 'stopping';
    const pid = this.#child?.pid;
    if (pid !== undefined) {
      signalGroup(pid, 'SIGTERM');
      const graceMs = options.graceMs ?? this.#options.graceMs ?? GRACE_MS;
      const over = new AbortController();
      const late = delay(graceMs, 'late' as const, { signal: over.signal }).catch(() => 'ended' as const);
      if ((await Promise.race([this.#ended, late])) === 'late') {
        this.#logger.warn({ process: this.name, graceMs }, 'process did not end in time and is killed');
        signalGroup(pid, 'SIGKILL');
      }
      over.abort();
    }
    await this.#ended;
    this.#state = 'stopped';
  }

  /** Ends the process group at once, without asking. */
  kill(): void {
    this.#stopping.abort();
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, 'SIGKILL');
  }

  async #launch(): Promise<ReadyFacts> {
    this.#state = 'starting';
    const log = openLog(this.logFile);
    const child = this.#spawn(log.fd);
    closeSync(log.fd);
    const gone = new AbortController();
    this.#child = child;
    this.#ended = this.#whenEnded(child).then(() => gone.abort());
    try {
      const facts = await this.#waitUntilReady(child, log.startBytes, gone.signal);
      this.#state = 'running';
      this.#superviseFrom(Date.now());
      this.emit('ready', facts);
      return facts;
    } catch (error) {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      await this.#ended;
      throw error;
    }
  }

  #spawn(logFd: number): ChildProcess {
    const { ipc = false, env = process.env, cwd } = this.#options;
    const { command, args } = this.#commandLine();
    return spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ipc ? ['ignore', logFd, logFd, 'ipc'] : ['ignore', logFd, logFd],
    });
  }

  /**
   * The command line with what makes the child end when this process dies: the parent-death signal of Linux through
   * util-linux's setpriv, and for Node programs also the closing of the IPC channel.
   */
  #commandLine(): { command: string; args: string[] } {
    const { command, args, ipc = false } = this.#options;
    const watch = ipc ? ['--import', new URL('./parent-watch.js', import.meta.url).href] : [];
    const setpriv = findProgram('setpriv');
    if (setpriv === undefined) return { command, args: [...watch, ...args] };
    return { command: setpriv, args: ['--pdeathsig', ipc ? 'INT' : 'TERM', command, ...watch, ...args] };
  }

  async #whenEnded(child: ChildProcess): Promise<void> {
    try {
      if (child.pid === undefined) {
        await once(child, 'error');
        return;
      }
      this.#options.registry?.add(this.name, child.pid, this.#options.command);
      await once(child, 'exit');
      // What the process started itself (workers, helpers) belongs to it and must not outlive it.
      signalGroup(child.pid, 'SIGKILL');
      this.#options.registry?.remove(this.name, child.pid);
    } finally {
      if (this.#child === child) this.#child = undefined;
    }
  }

  async #waitUntilReady(child: ChildProcess, logStartBytes: number, gone: AbortSignal): Promise<ReadyFacts> {
    const timeoutMs = this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    // Node 20 forgets the timer of a signal to which only a joint one refers.
    timeout.addEventListener('abort', () => {});
    const over = AbortSignal.any([gone, timeout, this.#stopping.signal]);
    const settled = new AbortController();
    const ended = new Promise<'ended'>((resolve) => {
      if (over.aborted) resolve('ended');
      else over.addEventListener('abort', () => resolve('ended'), { once: true, signal: settled.signal });
    });
    const ready = this.#options.ready({ child, logFile: this.logFile, logStartBytes, signal: over });
    // A check that gives up has failed like a process that ended.
    const outcome = await Promise.race([ready.catch(() => 'ended' as const), ended]);
    settled.abort();
    if (outcome !== 'ended') return outcome;
    throw this.#startError(child, logStartBytes, timeout.aborted ? timeoutMs : undefined);
  }

  #startError(child: ChildProcess, logStartBytes: number, timeoutMs: number | undefined): ProcessStartError {
    const log = lastWords(this.logFile, logStartBytes, QUOTED_LINES);
    const why =
      timeoutMs === undefined
        ? `ended with ${child.signalCode ?? `exit code ${child.exitCode ?? 'unknown'}`} before it was ready`
        : `was not ready after ${timeoutMs} ms`;
    const facts = { name: this.name, log: this.logFile, exitCode: child.exitCode, signal: child.signalCode };
    return new ProcessStartError(`${this.name} ${why} (log: ${this.logFile})${log === '' ? '' : `:\n${log}`}`, facts);
  }

  /** From the moment it is ready: when it ends without being told to, start it again. */
  #superviseFrom(readyAt: number): void {
    const child = this.#child;
    if (child === undefined) return;
    void this.#ended.then(async () => {
      if (this.#stopping.signal.aborted) return;
      if (Date.now() - readyAt > HEALTHY_AFTER_MS) this.#failures = 0;
      await this.#restartLoop(child);
    });
  }

  async #restartLoop(dead: ChildProcess): Promise<void> {
    let { exitCode: code, signalCode: signal } = dead;
    while (!this.#stopping.signal.aborted) {
      const willRestart = this.#options.restart ?? true;
      const restartInMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
      this.#failures += 1;
      this.#state = willRestart ? 'waiting' : 'stopped';
      this.#logger.warn({ process: this.name, code, signal, restartInMs }, 'process died');
      this.emit('died', { code, signal, restartInMs: willRestart ? restartInMs : null });
      if (!willRestart) return;
      try {
        await delay(restartInMs, undefined, { signal: this.#stopping.signal });
        this.#restarts += 1;
        await this.#launch();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#logger.error({ process: this.name, err: error }, 'process could not be started again');
        if (!(error instanceof ProcessStartError)) throw error;
        code = typeof error.facts.exitCode === 'number' ? error.facts.exitCode : null;
        signal = null;
      }
    }
  }
}

/** A Node program of this project as a managed process: ready when it says so, ended by its IPC channel. */
export function nodeProcess(
  options: Omit<ManagedProcessOptions, 'command' | 'args' | 'ready' | 'ipc'> & {
    script: string | URL;
    args?: string[];
    /** Flags of Node itself. */
    nodeFlags?: string[];
  },
  ready: Readiness,
): ManagedProcess {
  const { script, args = [], nodeFlags = [], ...rest } = options;
  const file = script instanceof URL ? fileURLToPath(script) : script;
  return new ManagedProcess({
    ...rest,
    command: process.execPath,
    args: [...nodeFlags, file, ...args],
    ready,
    ipc: true,
  });
}
