import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Whether a new call would harm those that are admitted. */
export interface LoadGuard {
  /** Null when there is room, else why not. */
  overloaded(activeCalls: number): 'max-calls' | 'event-loop-lag' | null;
  /** How late timers ran in the last window (90th percentile, ms). */
  readonly lagMs: number;
  close(): void;
}

/** Larger reacts late, smaller takes a single garbage collection for overload. */
const WINDOW_MS = 500;
/** How often the event loop is probed. Finer costs more. */
const RESOLUTION_MS = 10;

const lateness = (histogram: IntervalHistogram): number => Math.max(0, histogram.percentile(90) / 1e6 - RESOLUTION_MS);

/**
 * Watches how busy this process is. A new INVITE is refused when there are `maxCalls` calls, or when timers run more than
 * `maxLagMs` late: queued work only makes every call late, a refused one can go elsewhere.
 *
 * @param options.maxLagMs 0 switches the measurement off
 */
export function loadGuard(options: { maxCalls: number; maxLagMs: number }): LoadGuard {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let lagMs = 0;
  histogram.enable();
  const timer = setInterval(() => {
    lagMs = lateness(histogram);
    histogram.reset();
  }, WINDOW_MS);
  timer.unref();
  return {
    overloaded(activeCalls) {
      if (activeCalls >= options.maxCalls) return 'max-calls';
      return options.maxLagMs > 0 && lagMs > options.maxLagMs ? 'event-loop-lag' : null;
    },
    get lagMs() {
      return lagMs;
    },
    close() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
