import { childPath, shorten } from './json-path.js';
import type { VerbError } from './verb-error.js';

/**
 * How much a document of verbs may hold. More than any application means, and little enough that looking at it takes some milliseconds:
 * whoever answers with more has a fault, or means harm. What goes beyond is refused as a whole before anything else is looked at.
 */
export const LIMITS = {
  /** Verbs of a document, those within verbs (`actionHookDelayAction`) included. */
  verbs: 1000,
  /** Elements of any other list. */
  listElements: 5000,
  /** Characters of a text or of a property's name. */
  textCharacters: 200_000,
  /** Objects and lists within one another. */
  depth: 100,
  /** Values of any kind in all. */
  values: 20_000,
} as const;

/** Faults that are told of one document; more would only make the answer longer. */
export const MAX_ERRORS = 100;

/** Steps of a path that are shown: one of a hundred helps nobody. */
const SHOWN_STEPS = 12;

interface Excess {
  /** Steps to the value, the last first. */
  steps: (string | number)[];
  reason: string;
}

/** The first thing in a document that is more than {@link LIMITS} allow. Costs at most {@link LIMITS.values} steps, whatever the document. */
export function findExcess(document: readonly unknown[]): VerbError | undefined {
  if (document.length > LIMITS.verbs) {
    return { path: '$', reason: `must have at most ${LIMITS.verbs} verbs, got ${document.length}` };
  }
  const excess = look(document, 0, { left: LIMITS.values });
  if (excess === undefined) return undefined;
  const steps = excess.steps.reverse();
  const path = steps.slice(0, SHOWN_STEPS).reduce<string>(childPath, '$');
  return { path: steps.length > SHOWN_STEPS ? `${path}…` : path, reason: excess.reason };
}

function look(value: unknown, depth: number, budget: { left: number }): Excess | undefined {
  budget.left -= 1;
  if (budget.left < 0) return { steps: [], reason: `the document must have at most ${LIMITS.values} values` };
  if (typeof value === 'string') return tooLong(value, 'must have');
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= LIMITS.depth) return { steps: [], reason: `objects and lists must be at most ${LIMITS.depth} deep` };
  if (Array.isArray(value)) {
    if (value.length > LIMITS.listElements) {
      return { steps: [], reason: `must have at most ${LIMITS.listElements} elements, got ${value.length}` };
    }
    for (let index = 0; index < value.length; index++) {
      const found = look(value[index], depth + 1, budget);
      if (found) return at(found, index);
    }
    return undefined;
  }
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    const found =
      tooLong(name, 'its name must have') ?? look((value as Record<string, unknown>)[name], depth + 1, budget);
    if (found) return at(found, name);
  }
  return undefined;
}

function at(excess: Excess, step: string | number): Excess {
  excess.steps.push(typeof step === 'string' ? shorten(step) : step);
  return excess;
}

const tooLong = (text: string, what: string): Excess | undefined =>
  text.length > LIMITS.textCharacters
    ? { steps: [], reason: `${what} at most ${LIMITS.textCharacters} characters, got ${text.length}` }
    : undefined;
