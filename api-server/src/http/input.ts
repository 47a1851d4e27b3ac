/** Readers of request bodies and query strings: each checks one field and says which one is wrong. */
import { badField, type Fields, HttpError } from '@ringwire/common';
import type { Request } from 'express';

export { badField, type Fields, optionalTextField, rejectUnknown, textField } from '@ringwire/common';

/** The request's body as an object. @throws HttpError 400 */
export function bodyOf(req: Request): Fields {
  const body: unknown = req.body;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpError(400, 'request body must be a JSON object (content-type application/json)');
  }
  return body as Fields;
}

/** A boolean; jambonz's clients also send 0 and 1. */
export function booleanField(fields: Fields, field: string): boolean {
  const value = fields[field];
  if (value === true || value === 1) return true;
  if (value === false || value === 0 || value === null) return false;
  throw badField(field, 'must be true or false');
}

/** A parameter of the query string; undefined when it is absent or empty. */
export function queryText(req: Request, name: string, max = 128): string | undefined {
  const value: unknown = req.query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || value.length > max)
    throw badField(name, `must be given once, with at most ${max} characters`);
  return value;
}

/** A whole number of the query string. */
export function queryInteger(req: Request, name: string, min: number, max: number): number | undefined {
  const value = queryText(req, name);
  if (value === undefined) return undefined;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) throw badField(name, `must be a whole number from ${min} to ${max}`);
  return number;
}

/** A time of the query string: ISO 8601, or ms since the epoch. */
export function queryTime(req: Request, name: string): Date | undefined {
  const value = queryText(req, name);
  if (value === undefined) return undefined;
  const date = new Date(/^\d{11,15}$/.test(value) ? Number(value) : value);
  if (Number.isNaN(date.getTime())) throw badField(name, 'must be a time in ISO 8601');
  return date;
}

/** One of some words of the query string. */
export function queryWord<const W extends string>(req: Request, name: string, words: readonly W[]): W | undefined {
  const value = queryText(req, name);
  if (value === undefined) return undefined;
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw badField(name, `must be one of ${words.join(', ')}`);
  return word;
}

/** A page of a list. */
export interface Page {
  /** From 1. */
  page: number;
  pageSize: number;
}

/** `page` and `page_size` (or `count`), with at most 500 rows. */
export function queryPage(req: Request, defaultSize: number): Page {
  const pageSize = queryInteger(req, 'page_size', 1, 500) ?? queryInteger(req, 'count', 1, 500) ?? defaultSize;
  return { page: queryInteger(req, 'page', 1, 1_000_000) ?? 1, pageSize };
}

/** A path parameter; Express gives an array only for wildcards, which are not used. */
export function pathParam(req: Request, name: string): string {
  const value: unknown = req.params[name];
  if (typeof value !== 'string' || value.length > 255) throw new HttpError(400, `${name}: too long`);
  return value;
}

/** A text for LIKE that matches itself anywhere. */
export const likeContains = (text: string): string => `%${text.replace(/[\\%_]/g, (char) => `\\${char}`)}%`;
