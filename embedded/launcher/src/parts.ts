import { join } from 'node:path';
import { type ManagedProcess, nodeProcess, PidRegistry, readyMessage, type ServiceLogger } from '@ringwire/services';
import { PartFailedError, StartInterruptedError } from './errors.js';
import { type ProgramPlan, ROOT } from './process-plan.js';

/** What the launcher tells while it starts, watches and stops the parts of a platform. */
export type LauncherProgress =
  | { type: 'starting'; part: string }
  | { type: 'ready'; part: string; ms: number; detail?: string }
  | { type: 'failed'; part: string; error: Error }
  | { type: 'died'; part: string; how: string; restartInMs: number | null }
  | { type: 'restarted'; part: string; pid: number }
  | { type: 'note'; text: string };

/** How {@link Parts} are made. */
export interface PartsOptions {
  dataDir: string;
  /** Environment of every process, before what its plan adds. */
  env: NodeJS.ProcessEnv;
  onProgress: (progress: LauncherProgress) => void;
  logger: ServiceLogger;
  /** Aborted: nothing more is started. */
  signal?: AbortSignal;
}

/** Variables that address a service or one process: a process gets only those that its plan gives it. */
const ADDRESSED =
  /^(MYSQL|REDIS|RTPENGINE|DRACHTIO|FREESWITCH|HTTP_(HOST|PORT)|SIP_ADDRESS|INSTANCE_ID|ENCRYPTION)(_|$)/;
/** A live call may finish its last words, but Ctrl-C is to be over within ten seconds. */
const DRAIN_MS = 2_000;
/** The order in which groups of parts end, and how long each may take: nine seconds in all. */
const STOP_ORDER: readonly { parts: RegExp; graceMs: number }[] = [
  { parts: /^(sbc-inbound|sbc-outbound|feature-server)$/, graceMs: 3_500 },
  { parts: /^(api-server|examples)$/, graceMs: 1_500 },
  { parts: /^(sip-server-edge|sip-server-core|media-server)$/, graceMs: 1_000 },
  { parts: /./, graceMs: 3_000 },
];

/** The running parts of one platform: starts them with progress, watches them, and stops all of them in order. */
export class Parts {
  readonly processes = new Map<string, ManagedProcess>();
  readonly registry: PidRegistry;
  readonly #options: PartsOptions;
  #stopping = false;

  constructor(options: PartsOptions) {
    this.#options = options;
    this.registry = new PidRegistry(join(options.dataDir, 'pids.json'));
  }

  /** Runs one step of the start and reports how long it took. */
  async step<T>(part: string, work: () => Promise<T>, detail?: (result: T) => string): Promise<T> {
    const { onProgress, signal } = this.#options;
    if (this.#stopping || signal?.aborted) throw new StartInterruptedError('stopped while starting');
    const startedAt = performance.now();
    onProgress({ type: 'starting', part });
    try {
      const result = await work();
      const ms = Math.round(performance.now() - startedAt);
      onProgress({ type: 'ready', part, ms, ...(detail === undefined ? {} : { detail: detail(result) }) });
      return result;
    } catch (error) {
      if (this.#stopping || signal?.aborted) throw new StartInterruptedError('stopped while starting');
      const failed = error instanceof Error ? error : new Error(String(error));
      onProgress({ type: 'failed', part, error: failed });
      throw new PartFailedError(failed.message, { part }, { cause: error });
    }
  }

  /** Watches a process from now on and ends it with the platform. */
  watch(managed: ManagedProcess): void {
    const { onProgress } = this.#options;
    this.processes.set(managed.name, managed);
    let first = true;
    managed.on('ready', () => {
      if (!first) onProgress({ type: 'restarted', part: managed.name, pid: managed.pid ?? 0 });
      first = false;
    });
    managed.on('died', ({ code, signal, restartInMs }) => {
      const how = signal === null ? `exit code ${code ?? 'unknown'}` : signal;
      onProgress({ type: 'died', part: managed.name, how, restartInMs });
    });
  }

  /** Starts one of our programs and waits until it says that it is ready. */
  async program(plan: ProgramPlan): Promise<void> {
    const { dataDir, env, logger } = this.#options;
    await this.step(
      plan.name,
      async () => {
        const managed = nodeProcess(
          {
            name: plan.name,
            script: join(ROOT, plan.script),
            args: plan.args ?? [],
            nodeFlags: plan.nodeFlags ?? [],
            env: { ...baseEnv(env), ...plan.env },
            logDir: join(dataDir, 'logs'),
            registry: this.registry,
            logger,
          },
          readyMessage(),
        );
        this.watch(managed);
        await managed.start();
      },
      () => `http ${plan.httpPort}`,
    );
  }

  /** Pids by name. */
  pids(): Record<string, number> {
    const running = [...this.processes.values()].filter((managed) => managed.pid !== undefined);
    return Object.fromEntries(running.map((managed) => [managed.name, managed.pid ?? 0]));
  }

  /** Stops everything: who takes calls first, who keeps their records last. */
  async stop(): Promise<void> {
    this.#stopping = true;
    let left = [...this.processes.values()];
    for (const { parts, graceMs } of STOP_ORDER) {
      const now = left.filter(({ name }) => parts.test(name));
      left = left.filter((managed) => !now.includes(managed));
      await Promise.all(now.map((managed) => managed.stop({ graceMs })));
    }
  }

  /** Ends everything at once. */
  kill(): void {
    this.#stopping = true;
    for (const managed of this.processes.values()) managed.kill();
  }
}

function baseEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !ADDRESSED.test(name));
  return { DRAIN_TIMEOUT_MS: String(DRAIN_MS), ...Object.fromEntries(kept) };
}
