import { setTimeout as sleep } from 'node:timers/promises';
import { PhoneError } from './errors.js';
import { readEventStream } from './event-stream.js';
import type { RunningInstance } from './instance.js';
import type { PrintableEntry } from './timeline-printer.js';

/** The API learns of a call a moment after the phone: so often and so long is it asked again. */
const RETRY_MS = 100;

/**
 * Follows the timeline of a call over the REST API as it happens.
 *
 * Ends when the API ends the stream, shortly after the call is over, or when the signal aborts. A call that the API does not know yet is
 * asked for again.
 *
 * @throws PhoneError `phone/event-stream` when the API refuses for another reason than not knowing the call.
 */
export async function* followTimeline(
  instance: Required<RunningInstance>,
  sipCallId: string,
  signal: AbortSignal,
): AsyncGenerator<PrintableEntry> {
  const path = `/v1/Accounts/${instance.accountSid}/Calls/${encodeURIComponent(sipCallId)}/Timeline`;
  const url = new URL(path, instance.api.url).href;
  const headers = { authorization: `Bearer ${instance.api.adminKey ?? instance.api.key}` };
  while (!signal.aborted) {
    try {
      for await (const data of readEventStream({ url, headers, signal })) {
        const entry = parseEntry(data);
        if (entry) yield entry;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof PhoneError && error.facts.status === 404)) throw error;
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined); // Aborted: the loop ends.
  }
}

function parseEntry(data: string): PrintableEntry | undefined {
  try {
    const entry = JSON.parse(data) as PrintableEntry;
    return typeof entry.text === 'string' && typeof entry.kind === 'string' ? entry : undefined;
  } catch {
    return undefined; // Not an entry: comments and keep-alives of other servers are skipped.
  }
}
