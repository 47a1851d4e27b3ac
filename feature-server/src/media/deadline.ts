/**
 * Waits for `work`, but not longer than `ms` and not past the abort of `signal`; then rejects with what `late` makes.
 * For libraries that drop callbacks when their connection breaks: nothing may wait for ever.
 */
export async function within<T>(ms: number, work: Promise<T>, late: () => Error, signal?: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => {};
  const gaveUp = new Promise<never>((_, reject) => {
    giveUp = () => reject(late());
    timer = setTimeout(giveUp, ms);
    if (signal?.aborted) giveUp();
    else signal?.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([work, gaveUp]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** Waits for work that may take for ever, until the signal aborts. @throws what `reason` makes then */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, reason: () => Error): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(reason());
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
