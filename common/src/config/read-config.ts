import { RingwireError } from '../errors.js';
import type { AllowPrivate } from '../http/address-guard.js';
import { Secret } from './secret.js';

/** One thing that is wrong with the environment. */
export interface ConfigProblem {
  variable: string;
  /** What it holds: `(not set)`, `***` for a secret, else the quoted value. */
  value: string;
  /** What would be right, in words. */
  expected: string;
}

/** The environment does not say what the process needs; names every problem, not just the first. */
export class ConfigError extends RingwireError {
  readonly code = 'config/invalid';

  constructor(readonly problems: readonly ConfigProblem[]) {
    const lines = problems.map((p) => `  ${p.variable} is ${p.value}; expected ${p.expected}`);
    super(`configuration is invalid:\n${lines.join('\n')}`, { problems });
  }
}

/** How one environment variable is read. Make one with {@link text}, {@link integer}, {@link flag}, … */
export interface Variable<T> {
  readonly doc: string;
  /** What a right value looks like, in words. */
  readonly expected: string;
  readonly isSecret: boolean;
  /** Used when the variable is not set; absent: the variable is required. */
  readonly absent?: { readonly value: T } | { readonly make: () => T };
  parse(raw: string): { ok: true; value: T } | { ok: false };
}

/** The values that a specification gives. */
export type ConfigOf<S> = { readonly [K in keyof S]: S[K] extends Variable<infer T> ? T : never };

const absent = <T>(value: T | undefined): { absent?: { value: T } } =>
  value === undefined ? {} : { absent: { value } };

/** A text that is not empty; required unless it has a default. */
export const text = (options: { doc: string; default?: string; generate?: () => string }): Variable<string> => ({
  doc: options.doc,
  expected: 'a text that is not empty',
  isSecret: false,
  ...absent(options.default),
  ...(options.generate === undefined ? {} : { absent: { make: options.generate } }),
  parse: (raw) => (raw.length > 0 ? { ok: true, value: raw } : { ok: false }),
});

/** A text that may be left out; an empty value (as Compose files set it) counts as left out. */
export const optionalText = (options: { doc: string }): Variable<string | undefined> => ({
  doc: options.doc,
  expected: 'a text',
  isSecret: false,
  absent: { value: undefined },
  parse: (raw) => ({ ok: true, value: raw === '' ? undefined : raw }),
});

/** A whole number, in decimal digits. */
export const integer = (options: { doc: string; default?: number; min?: number; max?: number }): Variable<number> => {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const bounded = options.min !== undefined || options.max !== undefined;
  return {
    doc: options.doc,
    expected: bounded ? `a whole number from ${options.min ?? '…'} to ${options.max ?? '…'}` : 'a whole number',
    isSecret: false,
    ...absent(options.default),
    parse: (raw) => {
      const value = /^-?\d{1,15}$/.test(raw) ? Number(raw) : Number.NaN;
      return value >= min && value <= max ? { ok: true, value } : { ok: false };
    },
  };
};

/** `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off`. */
export const flag = (options: { doc: string; default?: boolean }): Variable<boolean> => ({
  doc: options.doc,
  expected: 'true or false',
  isSecret: false,
  ...absent(options.default),
  parse: (raw) => {
    if (/^(true|1|yes|on)$/i.test(raw)) return { ok: true, value: true };
    return /^(false|0|no|off)$/i.test(raw) ? { ok: true, value: false } : { ok: false };
  },
});

/** `true` or `false` as {@link flag} reads them, or `loopback`: which private addresses customers may lead requests to. */
export const privateAddresses = (options: { doc: string; default?: AllowPrivate }): Variable<AllowPrivate> => ({
  ...flag({ doc: options.doc }),
  expected: 'true, loopback or false',
  ...absent(options.default),
  parse: (raw) => (raw === 'loopback' ? { ok: true, value: raw } : flag({ doc: '' }).parse(raw)),
});

/** One of a list of words. */
export const oneOf = <const W extends string>(
  words: readonly W[],
  options: { doc: string; default?: W },
): Variable<W> => ({
  doc: options.doc,
  expected: `one of ${words.join(', ')}`,
  isSecret: false,
  ...absent(options.default),
  parse: (raw) => {
    const value = words.find((word) => word === raw);
    return value === undefined ? { ok: false } : { ok: true, value };
  },
});

/** A value that is never printed. An empty one is a value (a database user without a password). */
export const secret = (options: { doc: string; default?: string; minLength?: number }): Variable<Secret> => ({
  doc: options.doc,
  expected: options.minLength ? `a secret of at least ${options.minLength} characters` : 'a secret (may be empty)',
  isSecret: true,
  ...(options.default === undefined ? {} : { absent: { value: new Secret(options.default) } }),
  parse: (raw) => (raw.length >= (options.minLength ?? 0) ? { ok: true, value: new Secret(raw) } : { ok: false }),
});

/** A secret that may be left out; an empty value counts as left out. */
export const optionalSecret = (options: { doc: string }): Variable<Secret | undefined> => ({
  doc: options.doc,
  expected: 'a secret',
  isSecret: true,
  absent: { value: undefined },
  parse: (raw) => ({ ok: true, value: raw === '' ? undefined : new Secret(raw) }),
});

/**
 * Reads a process's configuration from its environment into a frozen, typed object.
 *
 * `0` and the empty text are values: they are checked, never silently replaced by a default.
 *
 * @throws {@link ConfigError} that lists everything that is wrong
 */
export function readConfig<S extends Record<string, Variable<unknown>>>(
  spec: S,
  env: Readonly<Record<string, string | undefined>>,
): ConfigOf<S> {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(spec)) {
    const raw = env[name];
    if (raw === undefined) {
      if (variable.absent === undefined) {
        problems.push({ variable: name, value: '(not set)', expected: `${variable.expected} (${variable.doc})` });
      } else {
        values[name] = 'make' in variable.absent ? variable.absent.make() : variable.absent.value;
      }
      continue;
    }
    const result = variable.parse(raw);
    if (result.ok) values[name] = result.value;
    else
      problems.push({
        variable: name,
        value: variable.isSecret ? '***' : JSON.stringify(raw),
        expected: variable.expected,
      });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(values) as ConfigOf<S>;
}
