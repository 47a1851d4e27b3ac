import type { ErrorObject } from 'ajv/dist/2020.js';
import { pointerSteps } from './json-path.js';

type Steps = readonly (string | number)[];
type Container = Record<string | number, unknown>;

/** Whether a finding is about a value that stands for nothing, and if so where that value is. */
function absentValue(error: ErrorObject, root: unknown): Steps | undefined {
  const steps = pointerSteps(root, error.instancePath);
  if (error.keyword === 'additionalProperties') {
    const name = String((error.params as { additionalProperty: string }).additionalProperty);
    return (error.data as Container)[name] === undefined ? [...steps, name] : undefined;
  }
  if (error.keyword !== 'type' || error.data !== null || typeof steps.at(-1) !== 'string') return undefined;
  const type: unknown = (error.params as { type: unknown }).type;
  const acceptsObject = type === 'object' || (Array.isArray(type) && type.includes('object'));
  return acceptsObject || error.schemaPath.endsWith('/additionalProperties/type') ? steps : undefined;
}

/** A copy without the value at `steps`; what is not on the way there is shared with the original. */
function without(value: unknown, steps: Steps): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Container;
  if (rest.length === 0) delete copy[step];
  else copy[step] = without(copy[step], rest);
  return copy;
}

/**
 * Removes what jambonz does not look at: properties that are undefined, and null where an object may stand (for
 * JavaScript null is an object). Returns the value itself when there is nothing to remove.
 */
export function dropAbsent<T>(candidate: T, faults: readonly ErrorObject[]): T {
  let result: unknown = candidate;
  for (const fault of faults) {
    const steps = absentValue(fault, candidate);
    if (steps !== undefined) result = without(result, steps);
  }
  return result as T;
}
