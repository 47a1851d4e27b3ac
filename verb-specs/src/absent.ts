import type { ErrorObject } from 'ajv/dist/2020.js';
import { pointerSteps } from './json-path.js';
import { hook } from './schemas/hook.js';

type Steps = readonly (string | number)[];
type Container = Record<string | number, unknown>;

/** Whether a finding is about a value that stands for nothing, and if so where that value is. */
function absentValue(error: ErrorObject, root: unknown): Steps | undefined {
  const steps = pointerSteps(root, error.instancePath);
  if (error.keyword === 'additionalProperties') {
    const name = String((error.params as { additionalProperty: string }).additionalProperty);
    return (error.data as Container)[name] === undefined ? [...steps, name] : undefined;
  }
  if (error.keyword === 'pattern') {
    if (error.parentSchema === hook) return steps;
    return error.parentSchema === hook.properties?.url ? steps.slice(0, -1) : undefined;
  }
  if (error.keyword !== 'type' || error.data !== null || typeof steps.at(-1) !== 'string') return undefined;
  const type: unknown = (error.params as { type: unknown }).type;
  const acceptsObject = type === 'object' || (Array.isArray(type) && type.includes('object'));
  return acceptsObject || error.schemaPath.endsWith('/additionalProperties/type') ? steps : undefined;
}

/** Values to leave out, by the way that leads to them; undefined is the end of a way. */
type Ways = Map<string | number, Ways | undefined>;

function addWay(ways: Ways, steps: Steps): void {
  let here = ways;
  steps.forEach((step, index) => {
    if (index === steps.length - 1) {
      here.set(step, undefined);
      return;
    }
    const next = here.has(step) ? here.get(step) : new Map();
    // Within what is left out already there is nothing to do.
    if (next === undefined) return;
    here.set(step, next);
    here = next;
  });
}

/** A copy without what the ways lead to; what is on no way is shared with the original. Each container is copied once. */
function without(value: unknown, ways: Ways): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Container;
  for (const [step, further] of ways) {
    if (further === undefined) delete copy[step];
    else copy[step] = without(copy[step], further);
  }
  return copy;
}

/**
 * Removes what jambonz does not look at: properties that are undefined, null where an object may stand (for
 * JavaScript null is an object), and hooks whose URL is blank. Returns the value itself when there is nothing to remove.
 */
export function dropAbsent<T>(candidate: T, faults: readonly ErrorObject[]): T {
  const ways: Ways = new Map();
  for (const fault of faults) {
    const steps = absentValue(fault, candidate);
    if (steps !== undefined) addWay(ways, steps);
  }
  return ways.size === 0 ? candidate : (without(candidate, ways) as T);
}
