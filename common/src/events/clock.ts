/** A system clock that was set by more than this is followed; less is drift between two clocks and is not worth a jump. */
const MAX_DRIFT_MS = 20;

let origin = performance.timeOrigin;
let last = 0;

/** Now, in ms since the epoch with microsecond resolution; never goes back within a process, so that its events sort. */
export function nowMs(): number {
  const wall = Date.now();
  let now = origin + performance.now();
  if (Math.abs(now - wall) > MAX_DRIFT_MS) {
    origin += wall - now;
    now = wall;
  }
  last = Math.max(now, last + 0.001);
  return last;
}
