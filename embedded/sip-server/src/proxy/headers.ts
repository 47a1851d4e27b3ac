import { type SipMessage, splitList } from '@ringwire/sip';

/** Replaces all values of a list header, at the place of the first. */
export function setList(message: SipMessage, name: string, values: readonly string[]): void {
  const key = name.toLowerCase();
  const at = message.headers.findIndex((header) => header.key === key);
  message.remove(name);
  const lines = values.map((value) => ({ name, key, value }));
  message.headers.splice(at < 0 ? message.headers.length : at, 0, ...lines);
}

/** Puts a value before all others of a list header; without any it stands behind the Vias. */
export function pushFirst(message: SipMessage, name: string, value: string): void {
  const key = name.toLowerCase();
  const first = message.headers.findIndex((header) => header.key === key);
  const afterVia = message.headers.findIndex((header) => header.key !== 'via');
  message.headers.splice(first >= 0 ? first : Math.max(afterVia, 0), 0, { name, key, value });
}

/** A copy of a response without its top Via (RFC 3261 §16.7 step 3); undefined when no other is left. */
export function withoutTopVia(response: SipMessage): SipMessage | undefined {
  const copy = response.clone();
  const at = copy.headers.findIndex((header) => header.key === 'via');
  if (at < 0) return undefined;
  const [, ...others] = splitList(copy.headers[at]!.value);
  if (others.length > 0) copy.headers[at]!.value = others.join(', ');
  else copy.headers.splice(at, 1);
  return copy.has('Via') ? copy : undefined;
}
