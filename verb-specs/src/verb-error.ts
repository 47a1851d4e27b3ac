import type { ErrorObject } from 'ajv/dist/2020.js';
import { childPath, pointerSteps, shorten } from './json-path.js';
import { suggest } from './suggestion.js';

/** One thing that is wrong in a document of verbs. */
export interface VerbError {
  /** JSON path of the faulty or missing value in the document as it was given, for example `$[1].say.text`. */
  path: string;
  /** Name of the verb as it was given; absent where the fault is not within a verb. */
  verb?: string;
  /** A sentence without its subject, for example `must be number, got "abc"`. */
  reason: string;
  /** The values that would have been right, where they can be listed. */
  allowed?: readonly unknown[];
}

/** A value in few words. Never walks into it, so that depth and size do not matter. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value));
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  return String(value);
}

/** `unknown property "txt"; did you mean "text"?` */
export function unknownName(what: string, name: string, known: Iterable<string>): string {
  const meant = suggest(name, known);
  return `unknown ${what} "${shorten(name)}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

const typeNames = (types: unknown): string =>
  (Array.isArray(types) ? types : [types]).map((type) => (type === 'array' ? 'list' : String(type))).join(' or ');

const propertyNames = (schema: unknown): string[] => {
  const properties = (schema as { properties?: Record<string, unknown> } | undefined)?.properties ?? {};
  return Object.keys(properties).filter((name) => name !== '_');
};

/** A schema validator's finding as a {@link VerbError}; undefined where it only repeats another finding. */
export function toVerbError(error: ErrorObject, root: unknown, rootPath: string, verb: string): VerbError | undefined {
  const steps = pointerSteps(root, error.instancePath);
  const path = steps.reduce<string>(childPath, rootPath);
  const params = error.params as Record<string, unknown>;
  const got = inWords(error.data);
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const reason = unknownName('property', name, propertyNames(error.parentSchema));
      return { path: childPath(path, name), verb, reason };
    }
    case 'required':
      return { path: childPath(path, String(params.missingProperty)), verb, reason: 'is required' };
    case 'type':
      return { path, verb, reason: `must be ${typeNames(params.type)}, got ${got}` };
    case 'enum': {
      const allowed = params.allowedValues as unknown[];
      return { path, verb, reason: `must be one of ${allowed.join(', ')}; got ${got}`, allowed };
    }
    case 'const': {
      const allowed = [params.allowedValue];
      return { path, verb, reason: `must be ${inWords(params.allowedValue)}, got ${got}`, allowed };
    }
    case 'minimum':
    case 'maximum':
      return { path, verb, reason: `must be ${params.comparison} ${params.limit}, got ${got}` };
    case 'minItems':
      return { path, verb, reason: `must have at least ${params.limit} element` };
    case 'if':
      // The branch that failed is reported by its own keyword.
      return undefined;
    default:
      return { path, verb, reason: error.message ?? `breaks the rule ${error.keyword}` };
  }
}

/** All errors in one line, for a header, a log or an alert; at most `limit` of them, then how many more. */
export function describeErrors(errors: readonly VerbError[], limit = 3): string {
  const shown = errors.slice(0, limit).map((error) => `${error.path}: ${error.reason}`);
  const more = errors.length - shown.length;
  return more > 0 ? `${shown.join('; ')}; and ${more} more` : shown.join('; ');
}
