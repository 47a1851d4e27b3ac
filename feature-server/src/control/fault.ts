import { findExcess, shorten, type VerbSpec, validate } from '@ringwire/verb-specs';
import { type Hook, toHook } from '../app-client/application.js';
import { isHttpUrl, isSocketHook } from '../app-client/hook-url.js';

/** What is wrong with a command: the field that cannot be read, and why. Thrown within the readers only. */
export class CommandFault extends Error {
  constructor(
    readonly field: string,
    reason: string,
  ) {
    super(`${field}: ${reason}`);
  }
}

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Refuses what is larger or deeper than any document of verbs: it is kept with the call, and goes out as JSON with each of its hooks.
 * @throws CommandFault
 */
export function assertBounded(field: string, value: unknown): void {
  const excess = findExcess([value]);
  if (excess) throw new CommandFault(excess.path.replace(/^\$(\[0\])?/, field), excess.reason);
}

/** A JSON object. @throws CommandFault */
export function objectOf(field: string, value: unknown): Fields {
  if (!isObject(value)) throw new CommandFault(field, 'must be an object');
  return value;
}

/** What of an object is there: `null` means the same as nothing. */
export const presentOf = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

/** A text that is not empty. @throws CommandFault */
export function textOf(field: string, value: unknown, max = 4_096): string {
  if (typeof value !== 'string' || value.trim() === '' || value.length > max) {
    throw new CommandFault(field, `must be a text of 1 to ${max} characters`);
  }
  return value;
}

/** One of some words. @throws CommandFault */
export function wordOf<const W extends string>(field: string, value: unknown, words: readonly W[]): W {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw new CommandFault(field, `must be one of ${words.join(', ')}`);
  return word;
}

/** Rejects what is not known: a misspelt name must not be ignored. @throws CommandFault */
export function onlyKnown(prefix: string, fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new CommandFault(`${prefix}${shorten(unknown)}`, `unknown field; known are ${known.join(', ')}`);
  }
}

/** A hook: a URL, absolute or relative to the application's, or an object with one. @throws CommandFault */
export function hookOf(field: string, value: unknown): Hook {
  const url: unknown = isObject(value) ? value.url : value;
  if (typeof url === 'string' && url.trim() === '') throw new CommandFault(field, 'must be a URL');
  const verb = verbOf('redirect', { actionHook: value }, (path) => path.replace(/^\$\[0\]\.actionHook/, field));
  const hook = toHook(verb.actionHook);
  if (/^[a-z][\w+.-]*:/i.test(hook.url) && !(isHttpUrl(hook.url) || isSocketHook({ url: hook.url }))) {
    throw new CommandFault(field, 'must be a URL of http, https, ws or wss, or relative to that of the application');
  }
  return hook;
}

/** A verb without its name, checked as such. @throws CommandFault */
export function verbOf<N extends VerbSpec['verb']>(
  name: N,
  properties: Fields,
  fieldOf: (path: string) => string,
): Extract<VerbSpec, { verb: N }> {
  const result = validate([{ ...properties, verb: name }]);
  if (result.ok) return result.verbs[0] as Extract<VerbSpec, { verb: N }>;
  const [first] = result.errors;
  throw new CommandFault(fieldOf(first?.path ?? '$[0]'), first?.reason ?? 'cannot be read');
}

/** A list of verbs, or one alone. @throws CommandFault that names the first fault */
export function verbsOf(field: string, value: unknown): VerbSpec[] {
  const isAlone = isObject(value);
  const result = validate(isAlone ? [value] : value);
  if (result.ok) return result.verbs;
  const [first] = result.errors;
  const path = first?.path ?? '$';
  throw new CommandFault(path.replace(isAlone ? /^\$(\[0\])?/ : '$', field), first?.reason ?? 'cannot be read');
}

/** Header names and their texts; numbers and booleans become text, as in jambonz. @throws CommandFault */
export function headersOf(field: string, value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  return Object.fromEntries(
    Object.entries(objectOf(field, value)).map(([name, text]) => {
      if (!/^[\w.!%*+`'~-]{1,64}$/.test(name))
        throw new CommandFault(field, `"${shorten(name)}" is no name of a header`);
      const isText = ['string', 'number', 'boolean'].includes(typeof text);
      if (!isText || String(text).length > 4_096 || /\p{Cc}/u.test(String(text))) {
        throw new CommandFault(`${field}.${name}`, 'must be a text of one line');
      }
      return [name, String(text)];
    }),
  );
}
