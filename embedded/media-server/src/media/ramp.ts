/** Up to here sums pass unchanged; above they are bent so that they approach full scale and never reach it. */
const KNEE = 28672;
const ROOM_ABOVE = 32767 - KNEE;

/** Brings a 32-bit sum to 16 bits: unchanged up to −1.2 dB of full scale, then bent without a corner, so that loud rooms do not crackle. */
export function saturate(sum: number): number {
  if (sum >= -KNEE && sum <= KNEE) return sum;
  const over = (sum < 0 ? -sum : sum) - KNEE;
  const bent = KNEE + (ROOM_ABOVE * over) / (over + ROOM_ABOVE);
  return sum < 0 ? -bent : bent;
}

/** Multiplies by a factor that goes evenly from `from` to `to` within the frame, so that a change is no click. No allocation. */
export function ramp(frame: Int16Array, from: number, to: number): void {
  if (from === 1 && to === 1) return;
  if (to === 0 && from === 0) {
    frame.fill(0);
    return;
  }
  const step = (to - from) / frame.length;
  let factor = from;
  for (let i = 0; i < frame.length; i++) {
    factor += step;
    frame[i] = Math.round(saturate(frame[i]! * factor));
  }
}

/**
 * Lets audio that broke off after `last` die away: its end is heard once more backwards, ever softer, over a quarter of a frame. Both the
 * value and what follows are continuous, so nothing clicks.
 */
export function dieAway(frame: Int16Array, last: Int16Array): void {
  const length = last.length >> 2;
  for (let i = 0; i < length; i++) frame[i] = Math.round((last[last.length - 1 - i]! * (length - i)) / (length + 1));
  frame.fill(0, length);
}

/** Lets audio that begins come in softly, over a quarter of the frame. */
export function comeIn(frame: Int16Array): void {
  const length = frame.length >> 2;
  for (let i = 0; i < length; i++) frame[i] = Math.round((frame[i]! * (i + 1)) / (length + 1));
}
