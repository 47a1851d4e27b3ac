/** Notes when this process was held up, so that a late packet can be told from a late receiver. */
export interface StallWatch {
  /** Longest time that this process was held up between two moments of `performance.now()`, ms. */
  longest(fromMs: number, toMs: number): number;
  stop(): void;
}

const BEAT_MS = 5;

/** Starts to watch this process. */
export function watchStalls(): StallWatch {
  const beats: { from: number; to: number }[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    beats.push({ from: last, to: now });
    last = now;
  }, BEAT_MS);
  return {
    longest: (fromMs, toMs) =>
      beats
        .filter(({ from, to }) => to > fromMs && from < toMs)
        .reduce((longest, { from, to }) => Math.max(longest, to - from - BEAT_MS), 0),
    stop: () => clearInterval(timer),
  };
}
