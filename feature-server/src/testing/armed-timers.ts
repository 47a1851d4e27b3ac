/** Timers that the feature server's own code has armed and that have neither fired nor been cleared: of tests only. */
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/** Whose timers are looked at: what runs on behalf of calls. */
const OF_CALLS = /feature-server\/dist\/(?!testing\/)[^:]*(?<!\.test)\.js:\d+/;
const FRAMES = 6;

interface ArmedTimer {
  timer: { _destroyed?: boolean } | undefined;
  where: string;
}

const armed = new Set<ArmedTimer>();
let isWatching = false;

function caller(): string | undefined {
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = FRAMES;
  // As compiled: looking each line up in source maps would slow down what is tested.
  Error.prepareStackTrace = (_, sites) => sites.map((site) => `${site.getFileName()}:${site.getLineNumber()}`);
  const frames = (new Error().stack ?? []) as unknown as string[];
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  // The first two are this function and what it stands in for; helpers of ours are named with who uses them.
  const lines = frames.slice(2);
  if (!OF_CALLS.test(lines[0] ?? '')) return undefined;
  const found = lines.flatMap((line) => OF_CALLS.exec(line)?.[0].replace('feature-server/dist/', '') ?? []);
  return found.slice(0, 3).join(' < ');
}

/** Watches all timers from now on; what was armed before counts as the process's own. */
export function watchTimers(): void {
  if (isWatching) return;
  isWatching = true;
  for (const name of ['setTimeout', 'setInterval'] as const) {
    const original = globalThis[name] as (...args: unknown[]) => object;
    const watched = (...args: unknown[]): object => {
      const where = caller();
      const timer = original(...args);
      if (where !== undefined) armed.add({ timer, where: `${name} of ${where}` });
      return timer;
    };
    // util.promisify knows the original by a property of it.
    Object.assign(globalThis, { [name]: Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original)) });
  }
  const { setTimeout: wait } = timersPromises;
  timersPromises.setTimeout = (async (...args: Parameters<typeof wait>) => {
    const where = caller();
    const entry = where === undefined ? undefined : { timer: undefined, where: `wait of ${where}` };
    if (entry) armed.add(entry);
    try {
      return await wait(...args);
    } finally {
      if (entry) armed.delete(entry);
    }
  }) as typeof wait;
  syncBuiltinESMExports();
}

/** The timers that are armed now, with where that was done. */
export function armedTimers(): ReadonlySet<{ where: string }> {
  for (const one of armed) if (one.timer?._destroyed) armed.delete(one);
  return new Set(armed);
}
