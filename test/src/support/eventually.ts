import { inspect } from 'node:util';

/** How long to look for something that has no event of its own. */
export interface EventuallyOptions {
  timeoutMs?: number;
  everyMs?: number;
}

/**
 * Asks again and again until the answer is accepted, and returns it.
 *
 * For facts that another process keeps and no event announces here (a row, a metric, a key). Fails with the last answer.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T> | T,
  accept: (answer: T) => boolean,
  { timeoutMs = 10_000, everyMs = 100 }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (accept(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error; // Being away is an answer too: the process that is asked may be restarting.
    }
    if (performance.now() > deadline) {
      throw new Error(
        `${what}: not within ${timeoutMs} ms; last seen: ${inspect(last, { depth: 6, maxArrayLength: 50 })}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Rejects with what did happen when the promise does not settle in time. */
export async function within<T>(
  timeoutMs: number,
  what: string,
  promise: Promise<T>,
  happened: () => unknown,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${timeoutMs} ms; happened: ${inspect(happened(), { depth: 6 })}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
