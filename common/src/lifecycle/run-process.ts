import { ConfigError, readConfig } from '../config/read-config.js';
import { lifecycleVars, logVars } from '../config/variables.js';
import { createLogger, type Logger } from '../log/logger.js';

/** What a process is given to build itself with. */
export interface ProcessContext {
  readonly name: string;
  readonly instanceId: string;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends the process as SIGTERM does; for a failure after which it cannot go on give exit status 1. */
  stop(why: string, exitStatus?: number): void;
}

/** What a process can do when it is told to end. */
export interface RunningProcess {
  /** Takes no new work and resolves when the last live work is done. Given up after `DRAIN_TIMEOUT_MS`. */
  drain?(): Promise<void>;
  /** Gives back everything: connections, ports, timers. */
  close(): Promise<void>;
}

/** What the child says to its parent when everything listens; see {@link reportReady}. */
export type ReadyMessage = { type: 'ready' } & Record<string, unknown>;

/** A process that has not closed by then is cut off. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Tells the parent process (where there is one) and the log that this process is ready, with facts such as ports and URLs. */
export function reportReady(facts: Record<string, unknown>, logger?: Logger): void {
  process.send?.({ type: 'ready', ...facts } satisfies ReadyMessage);
  (logger ?? currentLogger)?.info(facts, 'ready');
}

/** The logger of the process that {@link runProcess} runs, for {@link reportReady}. */
let currentLogger: Logger | undefined;

/** Resolves to whether the work was done in time. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}

/** Prints what is wrong with the environment for a person, since nobody reads JSON when a process does not start. */
function exitOnConfigError(name: string, err: ConfigError): never {
  process.stderr.write(`${name}: ${err.message}\n`);
  process.exit(1);
}

/**
 * Runs a process: the whole of a `main.ts`.
 *
 * SIGTERM drains for at most `DRAIN_TIMEOUT_MS`, then closes and exits 0; SIGINT closes at once; a second signal, and a parent that
 * is gone (its IPC channel closed), end it the same way. A wrong configuration is printed and exits 1, as does a failing start.
 * An uncaught exception is logged and ends the process with 1, since its state is unknown; an unhandled rejection
 * belongs to one piece of work, is logged as an error and the process goes on.
 */
export function runProcess(name: string, start: (ctx: ProcessContext) => Promise<RunningProcess>): void {
  let settings: { LOG_LEVEL: string; INSTANCE_ID: string; DRAIN_TIMEOUT_MS: number };
  try {
    settings = readConfig({ ...logVars, ...lifecycleVars }, process.env);
  } catch (err) {
    if (err instanceof ConfigError) exitOnConfigError(name, err);
    throw err;
  }
  const logger = createLogger({ name, instanceId: settings.INSTANCE_ID, level: settings.LOG_LEVEL });
  currentLogger = logger;
  let running: RunningProcess | undefined;
  let closing: Promise<void> | undefined;
  let cutDrainShort: () => void = () => {};

  const drain = async (): Promise<void> => {
    if (running?.drain === undefined) return;
    const interrupted = new Promise<void>((resolve) => {
      cutDrainShort = resolve;
    });
    const drained = running.drain().catch((err: unknown) => logger.error({ err }, 'draining failed'));
    const inTime = await within(settings.DRAIN_TIMEOUT_MS, Promise.race([drained, interrupted]));
    if (!inTime)
      logger.warn({ drainTimeoutMs: settings.DRAIN_TIMEOUT_MS }, 'live work was cut off: draining took too long');
  };
  const end = async (why: string, exitStatus: number, drains: boolean): Promise<void> => {
    logger.info({ why, drains }, 'stopping');
    if (drains) await drain();
    const closed = (running?.close() ?? Promise.resolve()).catch((err: unknown) =>
      logger.error({ err }, 'closing failed'),
    );
    if (!(await within(CLOSE_TIMEOUT_MS, closed))) logger.error('closing took too long; ending anyway');
    logger.info({ exitStatus }, 'stopped');
    process.exit(exitStatus);
  };
  const stop = (why: string, exitStatus: number, drains: boolean): void => {
    if (closing === undefined) closing = end(why, exitStatus, drains);
    else if (!drains) cutDrainShort();
  };

  process.on('SIGTERM', () => stop('SIGTERM', 0, true));
  process.on('SIGINT', () => stop('SIGINT', 0, false));
  // A launcher that was killed cannot stop its children; they must not outlive it.
  if (process.connected) process.on('disconnect', () => stop('parent is gone', 0, false));
  process.on('uncaughtException', (err) => {
    logger.fatal({ err }, 'uncaught exception');
    stop('uncaught exception', 1, false);
  });
  process.on('unhandledRejection', (err) => logger.error({ err }, 'unhandled rejection'));

  start({
    name,
    instanceId: settings.INSTANCE_ID,
    logger,
    env: process.env,
    stop: (why, exitStatus = 0) => stop(why, exitStatus, exitStatus === 0),
  }).then(
    (process) => {
      running = process;
    },
    (err: unknown) => {
      if (err instanceof ConfigError) exitOnConfigError(name, err);
      logger.fatal({ err }, 'start failed');
      process.exit(1);
    },
  );
}
