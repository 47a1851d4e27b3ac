import { setTimeout as delay } from 'node:timers/promises';
import { NotServingError } from './errors.js';
import { HOST } from './process-plan.js';

/** How long the processes may take, after each is ready, until they have found one another. */
const SERVING_TIMEOUT_MS = 15_000;
/** Between two looks at a process that is not healthy yet. */
const RETRY_MS = 50;
/** A health check that takes longer says that something is wrong. */
const ANSWER_MS = 2_000;

/**
 * Waits until every process says that it is healthy, which includes that it has found what it depends on.
 * @param httpPorts - HTTP port by name of the process.
 * @throws {NotServingError} with the last answer of the process that is not healthy.
 */
export async function untilServing(httpPorts: Readonly<Record<string, number>>, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + SERVING_TIMEOUT_MS;
  await Promise.all(
    Object.entries(httpPorts).map(async ([name, port]) => {
      for (;;) {
        signal?.throwIfAborted();
        const answer = await ask(`http://${HOST}:${port}/health`);
        if (answer.ok) return;
        if (Date.now() > deadline) throw new NotServingError(`${name} is not healthy: ${answer.text}`, { name });
        await delay(RETRY_MS);
      }
    }),
  );
}

async function ask(url: string): Promise<{ ok: boolean; text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const text = (await response.text()).slice(0, 500);
    // An edge is healthy without a feature server, but it has nowhere to send a call until it has heard of one.
    return { ok: response.ok && !/"featureServers":\s*0\b/.test(text), text: `${response.status} ${text}` };
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}
