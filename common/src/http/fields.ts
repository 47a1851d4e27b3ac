/** Readers of request bodies: each checks one field and says which one is wrong. */
import { HttpError } from './errors.js';

/** A field of a request that cannot be accepted. */
export const badField = (field: string, expected: string): HttpError =>
  new HttpError(400, `${field}: ${expected}`, { field });

/** A JSON object, or part of one. */
export type Fields = Readonly<Record<string, unknown>>;

/** Rejects fields that are not known: a misspelt name must not be ignored. */
export function rejectUnknown(fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) throw badField(unknown, `unknown field; known are ${known.join(', ')}`);
}

/** A text of 1 to `max` characters. */
export function textField(fields: Fields, field: string, max: number): string {
  const value = fields[field];
  if (typeof value !== 'string' || value.trim() === '' || value.length > max) {
    throw badField(field, `must be a text of 1 to ${max} characters`);
  }
  return value;
}

/** The same, or null or absent. */
export function optionalTextField(fields: Fields, field: string, max: number): string | null {
  const value = fields[field];
  return value === undefined || value === null || value === '' ? null : textField(fields, field, max);
}
