import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, RingwireError } from '@ringwire/common';
import { createTimelinePrinter } from '@ringwire/phone';
import { type DemoOutcome, faultsOf, placeDemoCall } from './demo-call.js';
import { AlreadyRunningError, PartFailedError, StartInterruptedError } from './errors.js';
import type { InstanceDescription } from './instance.js';
import type { LauncherProgress } from './parts.js';
import { type Platform, startPlatform } from './start-platform.js';
import { whatNext } from './what-next.js';

/** The progress display of the bootstrap: one line per step. */
export interface ProgressDisplay {
  colour: boolean;
  say(text: string): void;
  step(title: string, reason?: string): { done(note?: string): void; fail(note?: string): void };
}

/** What `npm start` is run with. */
export interface StartCommand {
  root: string;
  args: string[];
  progress: ProgressDisplay;
  env: NodeJS.ProcessEnv;
}

const USAGE = `usage: npm start [-- options]

  --once        place the demo call, stop everything, and exit 0 only if the call went as it should
  --no-call     start without placing the demo call
  --data <dir>  where everything is kept (default .data)
`;

/** npm passes Ctrl-C on to a process that has it from the terminal already: two signals this close are one key press. */
const SAME_KEY_PRESS_MS = 400;

/**
 * `npm start`: runs the platform until Ctrl-C, or for one demo call.
 * @returns exit code
 */
export async function runStart({ root, args, progress, env }: StartCommand): Promise<number> {
  const options = parseOptions(args);
  if (typeof options === 'string') {
    process.stderr.write(options);
    return 2;
  }
  const startedAt = performance.now();
  const stop = new AbortController();
  let platform: Platform | undefined;
  const unlisten = onInterrupt(
    () => stop.abort(),
    () => {
      platform?.kill();
      process.exit(130);
    },
  );
  try {
    progress.say('Ringwire: starting the platform');
    const dataDir = options.data ?? join(root, '.data');
    const onProgress = progressLines(progress);
    platform = await startPlatform({ dataDir, env, onProgress, wellKnownPorts: true, signal: stop.signal });
    progress.say(`The platform is up after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    return await withPlatform(platform, { once: options.once, call: options.call, progress, stop: stop.signal });
  } catch (error) {
    return explain(error, progress);
  } finally {
    if (platform !== undefined) await stopWithProgress(platform, progress);
    unlisten();
  }
}

function parseOptions(args: string[]): { once: boolean; call: boolean; data?: string } | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        once: { type: 'boolean', default: false },
        'no-call': { type: 'boolean', default: false },
        data: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return USAGE;
    const { data } = values;
    return { once: values.once, call: !values['no-call'], ...(data === undefined ? {} : { data }) };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`;
  }
}

/** npm's shell does not pass SIGTERM on: its end is seen by who our parent is, so often. */
const PARENT_WATCH_MS = 250;

/** Calls `first` at the first Ctrl-C, SIGTERM or end of the npm that runs us, and `again` at the next one. */
function onInterrupt(first: () => void, again: () => void): () => void {
  let firstAt: number | undefined;
  const handle = (): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      first();
    } else if (performance.now() - firstAt > SAME_KEY_PRESS_MS) {
      again();
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handle);
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event === undefined || process.ppid === parent) return;
    clearInterval(watch);
    handle();
  }, PARENT_WATCH_MS);
  return () => {
    clearInterval(watch);
    for (const signal of signals) process.off(signal, handle);
  };
}

function progressLines(progress: ProgressDisplay): (event: LauncherProgress) => void {
  const steps = new Map<string, ReturnType<ProgressDisplay['step']>>();
  return (event) => {
    if (event.type === 'starting') steps.set(event.part, progress.step(event.part));
    else if (event.type === 'ready') {
      steps.get(event.part)?.done(`${event.detail === undefined ? '' : `${event.detail}, `}${event.ms} ms`);
    } else if (event.type === 'failed') steps.get(event.part)?.fail();
    else if (event.type === 'died') {
      const then = event.restartInMs === null ? '' : `; starting it again in ${event.restartInMs} ms`;
      progress.say(`✖ ${event.part} died (${event.how})${then}`);
    } else if (event.type === 'restarted') progress.say(`✔ ${event.part} runs again (pid ${event.pid})`);
    else progress.say(`  ${event.text}`);
  };
}

async function withPlatform(
  platform: Platform,
  options: { once: boolean; call: boolean; progress: ProgressDisplay; stop: AbortSignal },
): Promise<number> {
  const { once, call, progress, stop } = options;
  let exitCode = 0;
  if (call || once) {
    const faults = await demo(platform.instance, progress, stop);
    if (!stop.aborted) exitCode = faults.length === 0 ? 0 : 1;
    for (const fault of faults) progress.say(`✖ the demo call: ${fault}`);
  }
  if (once || stop.aborted) return once && stop.aborted ? 130 : exitCode;
  progress.say(whatNext(platform.instance, progress.colour));
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
  return 0;
}

async function demo(instance: InstanceDescription, progress: ProgressDisplay, stop: AbortSignal): Promise<string[]> {
  progress.say(`\nThe demo call: ${instance.sipUri}`);
  const printer = createTimelinePrinter({ write: (line) => progress.say(line.trimEnd()), colour: progress.colour });
  let outcome: DemoOutcome;
  try {
    outcome = await placeDemoCall(instance, (entry) => printer.print(entry), stop);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  if (stop.aborted) return ['interrupted'];
  const faults = faultsOf(outcome);
  if (faults.length === 0) {
    const { result } = outcome;
    const seconds = (result.endedAt - (result.answeredAt ?? result.endedAt)) / 1000;
    const answered = (result.answeredAt ?? result.invitedAt) - result.invitedAt;
    const heard = `first sound ${result.firstSoundMs} ms after it, ${result.packets} packets heard, ${result.lost} lost`;
    progress.say(
      `✔ the demo call: answered after ${answered} ms, ${heard}, ended by the application after ${seconds.toFixed(1)} s`,
    );
  }
  return faults;
}

async function stopWithProgress(platform: Platform, progress: ProgressDisplay): Promise<void> {
  const step = progress.step('stopping everything');
  const startedAt = performance.now();
  await platform.stop();
  step.done(`${Math.round(performance.now() - startedAt)} ms`);
}

function explain(error: unknown, progress: ProgressDisplay): number {
  if (error instanceof StartInterruptedError) {
    progress.say('stopped');
    return 130;
  }
  if (error instanceof AlreadyRunningError) {
    progress.say(`✖ ${error.message}.\n  Stop it with Ctrl-C there, or: kill ${String(error.facts.pid)}`);
    return 1;
  }
  if (error instanceof PartFailedError || error instanceof ConfigError || error instanceof RingwireError) {
    progress.say(`✖ ${error.message}`);
    return 1;
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    progress.say(
      `✖ ${path ?? 'the data folder'} cannot be written (${code}): use a folder that is yours (--data <dir>)`,
    );
    return 1;
  }
  throw error;
}
