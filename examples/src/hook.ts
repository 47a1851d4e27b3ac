/**
 * The fields of a hook that these examples read. Names are as on the wire. Numbers are read as text: they are only
 * shown, never computed with.
 */
const FIELDS = [
  'call_sid',
  'call_status',
  'digits',
  'direction',
  'duration',
  'from',
  'reason',
  'sip_reason',
  'sip_status',
  'to',
] as const;

/** What the platform told; a field that is missing or of the wrong type is undefined. */
export type Hook = { [K in (typeof FIELDS)[number]]?: string };

/** Reads a hook's body. Anyone can post anything to an application: whatever is not a text or a number is left out. */
export function readHook(body: unknown): Hook {
  const hook: Hook = {};
  if (typeof body !== 'object' || body === null) return hook;
  for (const field of FIELDS) {
    const value = (body as Record<string, unknown>)[field];
    if (typeof value === 'string' || typeof value === 'number') hook[field] = String(value);
  }
  return hook;
}
