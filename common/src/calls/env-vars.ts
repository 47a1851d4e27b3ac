import { badField, type Fields } from '../http/fields.js';

/** Of one application. */
export const MAX_VARIABLES = 100;
/** Characters of a name. */
export const MAX_NAME = 64;
const MAX_CHARACTERS = 16_384;

/** Whether a variable may be called so. */
export const isEnvName = (name: string): boolean => /^\w+$/.test(name) && name.length <= MAX_NAME;

/**
 * The environment of an application (compat 2.10): an object of names (letters, digits, `_`) with texts, numbers or booleans.
 * @returns it as JSON text; null for none @throws HttpError 400 that names the variable
 */
export function parseEnvVars(fields: Fields, field: string): string | null {
  const value = fields[field];
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw badField(field, 'must be an object of names and values');
  const entries = Object.entries(value as object);
  if (entries.length > MAX_VARIABLES) throw badField(field, `has more than ${MAX_VARIABLES} variables`);
  for (const [name, one] of entries) {
    if (!isEnvName(name))
      throw badField(`${field}.${name.slice(0, MAX_NAME)}`, 'is no name: letters, digits and _ are, 64 at most');
    if (!['string', 'number', 'boolean'].includes(typeof one))
      throw badField(`${field}.${name}`, 'must be a text, a number or a boolean');
  }
  const text = JSON.stringify(value);
  if (text.length > MAX_CHARACTERS) throw badField(field, `is longer than ${MAX_CHARACTERS} characters of JSON`);
  return text;
}
