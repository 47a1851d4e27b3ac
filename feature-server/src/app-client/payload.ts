import { maskText } from '@ringwire/common';

/** Keys below which the customer's own spelling is kept (see jambonz: customerData, sip, env_vars, args, inputParameters). */
const OPAQUE_KEYS = new Set(['customerData', 'customer_data', 'sip', 'env_vars', 'envVars', 'args', 'inputParameters']);

/** `callSid` → `call_sid`, `X-Why` → `x_why`; names that already are snake_case stay as they are. */
export function snakeCaseKey(key: string): string {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9_]+/g, '_')
    .toLowerCase();
}

/**
 * The payload as it goes over the wire: keys in snake_case at every depth, except below `customerData`, `sip`,
 * `env_vars` and `args`, whose inner keys belong to the customer. Undefined values are left out.
 */
export function toWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== 'object') return value;
  const wire: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    wire[snakeCaseKey(key)] = OPAQUE_KEYS.has(key) ? inner : toWire(inner);
  }
  return wire;
}

/** Longest part of a request or response body that goes on a call's timeline; more would bloat the event stream. */
export const TIMELINE_BODY_BYTES = 4096;

/** A text as shown on the timeline: secrets masked (before the cut, which could hide where one ends), then cut. */
function excerpt(text: string): string {
  const masked = maskText(text);
  if (masked.length <= TIMELINE_BODY_BYTES) return masked;
  return `${masked.slice(0, TIMELINE_BODY_BYTES)}… (${text.length} characters in all)`;
}

/**
 * A payload as shown on the timeline. Values of application environment variables are `***`, and the raw SIP text, which
 * repeats the parsed one, is left out.
 */
export function showPayload(wire: unknown): string {
  return excerpt(
    JSON.stringify(wire, (key, value: unknown) => {
      if (key === 'raw') return undefined;
      if (key !== 'env_vars' || value === null || typeof value !== 'object') return value;
      return Object.fromEntries(Object.keys(value).map((name) => [name, '***']));
    }),
  );
}

/** A response body as shown on the timeline. */
export function showBody(body: string): string {
  return excerpt(body);
}
