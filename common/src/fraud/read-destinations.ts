import { COUNTRY_PREFIXES } from './country-prefixes.js';
import { type DestinationRule, MAX_DESTINATIONS } from './destinations.js';

/** A list of destinations, or what is wrong with it; `at` says where: `destinations[3].prefix`. */
export type ReadDestinations = { ok: true; rules: DestinationRule[] } | { ok: false; at: string; expected: string };

/** Reads a list of destinations as it stands in the database and comes over the REST API. */
export function readDestinations(value: unknown): ReadDestinations {
  if (!Array.isArray(value)) return { ok: false, at: 'destinations', expected: 'must be a list' };
  if (value.length > MAX_DESTINATIONS) {
    return { ok: false, at: 'destinations', expected: `must have ${MAX_DESTINATIONS} entries at most` };
  }
  const rules: DestinationRule[] = [];
  for (const [index, entry] of value.entries()) {
    const at = `destinations[${index}]`;
    if (typeof entry !== 'object' || entry === null) return { ok: false, at, expected: 'must be an object' };
    const fields = entry as Record<string, unknown>;
    const unknown = Object.keys(fields).find((name) => !['prefix', 'country', 'action'].includes(name));
    if (unknown !== undefined) return { ok: false, at: `${at}.${unknown}`, expected: 'unknown field' };
    const { prefix, country, action } = fields;
    if (action !== 'allow' && action !== 'deny') {
      return { ok: false, at: `${at}.action`, expected: 'must be allow or deny' };
    }
    if ((prefix === undefined) === (country === undefined)) {
      return { ok: false, at, expected: 'must have either prefix or country' };
    }
    if (prefix !== undefined) {
      const digits = typeof prefix === 'string' ? prefix.replace(/^\+/, '') : '';
      if (!/^\d{1,15}$/.test(digits)) return { ok: false, at: `${at}.prefix`, expected: 'must be 1 to 15 digits' };
      rules.push({ prefix: digits, action });
      continue;
    }
    const code = typeof country === 'string' ? country.toUpperCase() : '';
    if (!COUNTRY_PREFIXES.has(code)) {
      return { ok: false, at: `${at}.country`, expected: 'must be a country code such as DE (ISO 3166-1)' };
    }
    rules.push({ country: code, action });
  }
  return { ok: true, rules };
}
