/** Length of one RTP frame. */
export const FRAME_MS = 20;

/** A clock that ticks every {@link FRAME_MS} without drift. */
export interface FrameClock {
  stop(): void;
}

/**
 * Calls `tick` every 20 ms until stopped.
 *
 * The n-th tick is due at start + n × 20 ms whatever the timers did, so that an hour of frames is an hour long: a late
 * timer is followed by a short one. When the process was held up, the missed ticks follow at once, up to `maxBurst`;
 * what is older is skipped (a burst of seconds of audio would only be thrown away by the other side).
 */
export function startFrameClock(tick: () => void, maxBurst = 10): FrameClock {
  let start = performance.now();
  let ticks = 0;
  let timer: NodeJS.Timeout;
  const schedule = (): void => {
    timer = setTimeout(run, Math.max(0, start + (ticks + 1) * FRAME_MS - performance.now()));
  };
  const run = (): void => {
    const due = Math.floor((performance.now() - start) / FRAME_MS);
    if (due - ticks > maxBurst) {
      start += (due - ticks - maxBurst) * FRAME_MS;
    }
    const until = Math.floor((performance.now() - start) / FRAME_MS);
    while (ticks < until && !stopped) {
      ticks += 1;
      tick();
    }
    if (!stopped) schedule();
  };
  let stopped = false;
  schedule();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
