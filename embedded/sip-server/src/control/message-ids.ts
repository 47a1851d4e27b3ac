import { randomUUID } from 'node:crypto';

/** All but the last group: ids of several servers differ. */
const PREFIX = randomUUID().slice(0, 24);
let count = 0;

/** An id for a message to an application: in the shape of a UUID, never the same twice; not a secret. */
export function nextMessageId(): string {
  count += 1;
  return PREFIX + count.toString(16).padStart(12, '0');
}
