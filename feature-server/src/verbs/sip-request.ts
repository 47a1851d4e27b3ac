import type { SipRequestSpec } from '@ringwire/verb-specs';
import { ownHeaders } from '../sip/leg-requests.js';
import type { Verb } from './verb.js';

/** Requests that are the call's own: to set it up, change or end it (RFC 3261, 3262, 3311). */
const OWN_METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'PRACK', 'UPDATE', 'REGISTER'];
const TEXT = 'text/plain';

/** Why a method is not for applications; undefined when it is. */
export function methodProblem(method: string): string | undefined {
  if (!/^[A-Za-z]{2,32}$/.test(method)) return `"${method}" is no SIP method`;
  return OWN_METHODS.includes(method.toUpperCase()) ? `${method.toUpperCase()} is the call's own` : undefined;
}

/** The headers of a request with a body: without Content-Type nobody could read it. */
export function requestHeaders(
  headers: Readonly<Record<string, unknown>> | undefined,
  body: string | undefined,
): Record<string, string> {
  const own = ownHeaders(headers);
  const hasType = Object.keys(own).some((name) => /^content-type$/i.test(name));
  return body && !hasType ? { ...own, 'Content-Type': TEXT } : own;
}

/** Sends a SIP request within the call and tells what the far end answered (compat 1.3.4). */
export const sipRequest: Verb<SipRequestSpec> = {
  needs: () => 'answered call',
  describe: ({ method }) => method.toUpperCase(),
  async run({ app, dialog, journal }, spec, signal) {
    const { method, body, headers } = spec;
    let result: Record<string, unknown>;
    try {
      const problem = methodProblem(method);
      if (problem) throw new TypeError(problem);
      const { status } = await untilAborted(
        dialog.request({
          method: method.toUpperCase(),
          headers: requestHeaders(headers, body),
          // As jambonz sends it.
          ...(body && { body: `${body}\n` }),
        }),
        signal,
      );
      result = { result: 'success', sipStatus: status };
    } catch (error) {
      if (signal.aborted) return;
      const err = error instanceof Error ? error.message : String(error);
      journal.timeline.warn('sip', `sip:request: ${err}`);
      result = { result: 'failed', err };
    }
    await app.action(spec, result, signal);
  },
};

/** What `work` comes to, unless the signal aborts first: then it rejects. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
