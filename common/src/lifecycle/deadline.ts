/**
 * A signal that aborts after so many ms, to be joined with others by `AbortSignal.any`. Of `AbortSignal.timeout` alone Node 20 forgets the timer as soon as only a joint
 * signal refers to it, and that one never aborts then (nodejs/node#57736); a listener keeps it. Its timer does not keep the process alive.
 */
export function deadline(ms: number): AbortSignal {
  const signal = AbortSignal.timeout(ms);
  signal.addEventListener('abort', () => {});
  return signal;
}
