import { randomUUID } from 'node:crypto';
import { type PlaceCallOrder, parseCallInput } from '@ringwire/common';
import { describeErrors, validate } from '@ringwire/verb-specs';

/**
 * The order that a WebSocket application gives by the command `dial` within a call: the body of REST create call (compat 4.4). Without application or
 * hook of its own the new call has the application of the one that orders it.
 *
 * @throws HttpError 400 that names the field
 */
export function sessionOrder(
  body: Readonly<Record<string, unknown>>,
  by: { accountSid: string; applicationSid: string },
): PlaceCallOrder {
  const hasApplication = ['application_sid', 'call_hook', 'app_json'].some((name) => body[name] !== undefined);
  const fields = hasApplication || by.applicationSid === '' ? body : { ...body, application_sid: by.applicationSid };
  const input = parseCallInput(fields, (verbs) => {
    const result = validate(verbs);
    return result.ok ? null : describeErrors(result.errors);
  });
  return { ...input, callSid: randomUUID(), accountSid: by.accountSid };
}
