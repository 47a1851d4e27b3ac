import t from 'tap';
import { childPath } from './json-path.js';
import type { JsonSchema } from './schema.js';
import { type Visit, valuesOf } from './schema-walk.js';
import { VERB_SCHEMAS, type VerbName } from './schemas/index.js';
import { validate } from './validate.js';
import { VERB_FIXTURES } from './verb.fixtures.js';
import type { VerbError } from './verb-error.js';

type Container = Record<string | number, unknown>;

const names = Object.keys(VERB_SCHEMAS) as VerbName[];

/** A copy of the document in which the value at `steps` was changed; what is not on the way there is shared. */
function changed(value: unknown, steps: Visit['steps'], change: (parent: Container, step: string | number) => void) {
  const [step, ...rest] = steps;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as Container) }) as Container;
  if (step === undefined) return copy;
  if (rest.length === 0) change(copy, step);
  else copy[step] = changed(copy[step], rest, change);
  return copy;
}

const valueAt = (document: unknown, steps: Visit['steps']): unknown =>
  steps.reduce<unknown>((current, step) => (current as Container)[step], document);

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

const pathOf = (steps: Visit['steps']): string => steps.reduce<string>(childPath, '$[0]');

const errorsOf = (document: unknown): VerbError[] => {
  const result = validate([document]);
  return result.ok ? [] : result.errors;
};

/** Runs a case for every value of every verb's documents; the case returns what went wrong, if anything. */
function sweep(verb: VerbName, check: (document: unknown, visit: Visit) => (string | undefined)[]): string[] {
  const found = VERB_FIXTURES[verb].flatMap((document) =>
    valuesOf(VERB_SCHEMAS[verb], document).flatMap((visit) => check(document, visit)),
  );
  return found.filter((problem) => problem !== undefined);
}

const typesOf = (schema: JsonSchema): string[] => (schema.type === undefined ? [] : [schema.type]).flat() as string[];

const WRONG: Readonly<Record<string, unknown>> = {
  number: 12345,
  string: 'nonsense',
  boolean: true,
  object: { zz: 1 },
  array: ['zz'],
};

const expectError = (document: unknown, path: string, reason: RegExp): string | undefined => {
  const errors = errorsOf(document);
  const hit = errors.some((error) => error.path === path && reason.test(error.reason));
  return hit ? undefined : `${path} ${reason}: ${JSON.stringify(errors)}`;
};

for (const verb of names) {
  t.test(`${verb}: a wrong type is named with its path and what was given, at every depth`, async (t) => {
    const problems = sweep(verb, (document, { schema, steps }) => {
      const types = typesOf(schema);
      if (steps.length === 0 || types.length === 0) return [];
      const wrong = Object.keys(WRONG).filter((type) => !types.includes(type));
      return wrong.map((type) => {
        const bad = changed(document, steps, (parent, step) => {
          parent[step] = WRONG[type];
        });
        return expectError(bad, pathOf(steps), /^must be .+, got /);
      });
    });
    t.strictSame(problems, []);
  });

  t.test(`${verb}: a value outside an enumeration is answered with the allowed ones`, async (t) => {
    const problems = sweep(verb, (document, { schema, steps }) => {
      const allowed = schema.enum ?? schema.then?.enum;
      if (allowed === undefined || steps.length === 0) return [];
      const bad = changed(document, steps, (parent, step) => {
        parent[step] = 'nonsense';
      });
      const errors = errorsOf(bad).filter((error) => error.path === pathOf(steps));
      const isRight = errors.length === 1 && JSON.stringify(errors[0]?.allowed) === JSON.stringify(allowed);
      return [isRight ? undefined : `${pathOf(steps)}: ${JSON.stringify(errors)}`];
    });
    t.strictSame(problems, []);
  });

  t.test(`${verb}: an unknown property is an error in every object that is not the application's own`, async (t) => {
    const problems = sweep(verb, (document, { schema, steps }) => {
      if (schema.additionalProperties !== false) return [];
      if (!isObject(valueAt(document, steps))) return [];
      const bad = changed(document, [...steps, 'zzUnknown'], (parent, step) => {
        parent[step] = 1;
      });
      const underscore = changed(document, [...steps, '_'], (parent, step) => {
        parent[step] = { any: 'state' };
      });
      // Patterns of dtmfCapture are no object of the platform's and have no place for its state.
      const hasState = schema.properties?._ === true;
      return [
        expectError(bad, pathOf([...steps, 'zzUnknown']), /^unknown property "zzUnknown"/),
        hasState && errorsOf(underscore).length > 0 ? `_ is refused in ${pathOf(steps)}` : undefined,
      ];
    });
    t.strictSame(problems, []);
  });

  t.test(`${verb}: a required property that is missing or undefined is named`, async (t) => {
    const problems = sweep(verb, (document, { schema, steps }) => {
      if (!isObject(valueAt(document, steps))) return [];
      return (schema.required ?? []).flatMap((name) => {
        if (name === 'verb') return [];
        const path = pathOf([...steps, name]);
        const missing = changed(document, [...steps, name], (parent, step) => {
          delete parent[step];
        });
        const absent = changed(document, [...steps, name], (parent, step) => {
          parent[step] = undefined;
        });
        return [expectError(missing, path, /^is required$/), expectError(absent, path, /^is required$/)];
      });
    });
    t.strictSame(problems, []);
  });
}
