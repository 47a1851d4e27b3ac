import { dropAbsent } from './absent.js';
import { ALIASES, STREAM_MEANS_LISTEN } from './aliases.js';
import { childPath } from './json-path.js';
import { findExcess, LIMITS, MAX_ERRORS } from './limits.js';
import { VERB_SCHEMAS, type VerbName, type VerbSpec } from './schemas/index.js';
import { findFaults } from './validators.js';
import { inWords, toVerbError, unknownName, type VerbError } from './verb-error.js';

/** Outcome of {@link validate}. */
export type ValidationResult =
  | { ok: true /** Normalised: `{ verb, … }`, aliases resolved. */; verbs: VerbSpec[] }
  | { ok: false /** Everything that is wrong, in the order of the document. */; errors: VerbError[] };

/** How deep documents may stand within documents (giveUpActions); deeper ones would only exhaust the stack. */
const MAX_DEPTH = 8;

const VERB_NAMES = Object.keys(VERB_SCHEMAS) as VerbName[];
const KNOWN_NAMES = [...VERB_NAMES, ...ALIASES.keys()];
const CANONICAL = new Map<string, VerbName>(VERB_NAMES.map((name) => [name, name]));

type Properties = Record<string, unknown>;

const isObject = (value: unknown): value is Properties =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Collects errors up to {@link MAX_ERRORS}. */
class Findings {
  readonly errors: VerbError[] = [];
  #dropped = 0;
  #verbs = 0;

  add(error: VerbError | undefined): void {
    if (error === undefined) return;
    if (this.isFull) this.#dropped += 1;
    else this.errors.push(error);
  }

  /** Nothing more is told: what is found now need not be put into words. */
  get isFull(): boolean {
    return this.errors.length >= MAX_ERRORS;
  }

  /** Counts faults that were not put into words. */
  drop(count: number): void {
    this.#dropped += count;
  }

  /** Counts the verbs of a list; false where the document has more than it may. */
  count(verbs: number): boolean {
    this.#verbs += verbs;
    return this.#verbs <= LIMITS.verbs;
  }

  finish(): VerbError[] {
    if (this.#dropped > 0) this.errors.push({ path: '$', reason: `has ${this.#dropped} more errors` });
    return this.errors;
  }
}

/** One element of a document, taken apart. */
interface Element {
  /** Verb name as given. */
  given: string;
  properties: Properties;
  /** Path of the object that holds the properties. */
  path: string;
}

/** Takes `{ verb: 'x', … }` or `{ x: { … } }` apart. */
function readElement(element: unknown, path: string, findings: Findings): Element | undefined {
  if (!isObject(element)) {
    findings.add({ path, reason: `must be object, got ${inWords(element)}` });
    return undefined;
  }
  if (Object.hasOwn(element, 'verb')) {
    const { verb, ...properties } = element;
    if (typeof verb === 'string') return { given: verb, properties, path };
    findings.add({ path: childPath(path, 'verb'), reason: `must be string, got ${inWords(verb)}` });
    return undefined;
  }
  const names = Object.keys(element).filter((key) => element[key] !== undefined);
  const name = names[0];
  if (names.length !== 1 || name === undefined) {
    findings.add({ path, reason: 'must be {"verb": "<name>", …}, or {"<name>": {…}} with the name as only key' });
    return undefined;
  }
  const within = childPath(path, name);
  const properties = element[name];
  if (isObject(properties))
    return { given: name, properties: withoutName(properties, within, name, findings), path: within };
  // An unknown name is the better finding: the value may be anything then.
  findings.add(
    isKnown(name)
      ? { path: within, verb: name, reason: `must be object, got ${inWords(properties)}` }
      : { path: within, verb: name, reason: unknownName('verb', name, KNOWN_NAMES), allowed: KNOWN_NAMES },
  );
  return undefined;
}

const isKnown = (name: string): boolean => CANONICAL.has(name) || ALIASES.has(name);

/** The wrapped form names the verb outside; a second name inside is a slip. */
function withoutName(properties: Properties, path: string, given: string, findings: Findings): Properties {
  if (!Object.hasOwn(properties, 'verb')) return properties;
  const { verb, ...rest } = properties;
  if (verb !== undefined)
    findings.add({ path: childPath(path, 'verb'), verb: given, reason: 'unknown property "verb"' });
  return rest;
}

/** The element in the form `{ verb, … }` with its alias resolved; undefined values are left out. */
function canonicalForm({ given, properties }: Element): { name: VerbName; candidate: Properties } | undefined {
  const alias = ALIASES.get(given);
  const name = alias?.verb ?? CANONICAL.get(given);
  if (name === undefined) return undefined;
  const candidate: Properties = { verb: name, ...properties };
  for (const key of Object.keys(candidate)) if (candidate[key] === undefined) delete candidate[key];
  if (alias?.vendor !== undefined && !Object.hasOwn(candidate, 'vendor')) candidate.vendor = alias.vendor;
  return { name, candidate };
}

/** Checks the documents that stand within a verb and puts their normalised forms in place. */
function checkDelayActions(candidate: Properties, path: string, depth: number, findings: Findings): void {
  const delay = candidate.actionHookDelayAction;
  if (!isObject(delay)) return;
  const checked: Properties = { ...delay };
  const delayPath = childPath(path, 'actionHookDelayAction');
  for (const key of ['actions', 'giveUpActions']) {
    const list = delay[key];
    if (!Array.isArray(list)) continue;
    const listPath = childPath(delayPath, key);
    const verbs = checkList(list, listPath, depth + 1, findings);
    if (key === 'actions') requirePrompts(list, verbs, listPath, findings);
    checked[key] = verbs.filter((verb) => verb !== undefined);
  }
  candidate.actionHookDelayAction = checked;
}

/** Only prompts can be run while an action hook is awaited. */
function requirePrompts(list: unknown[], verbs: (VerbSpec | undefined)[], path: string, findings: Findings): void {
  verbs.forEach((verb, index) => {
    if (verb === undefined || verb.verb === 'say' || verb.verb === 'play') return;
    const given = isObject(list[index]) && typeof list[index].verb === 'string' ? list[index].verb : verb.verb;
    const allowed = ['say', 'play'];
    findings.add({ path: childPath(path, index), verb: given, reason: 'must be one of say, play', allowed });
  });
}

/** One element of a document, normalised, or undefined when it has faults (which go to `findings`). */
function checkElement(element: unknown, path: string, depth: number, findings: Findings): VerbSpec | undefined {
  const read = readElement(element, path, findings);
  if (read === undefined) return undefined;
  const canonical = canonicalForm(read);
  if (canonical === undefined) {
    if (findings.isFull) {
      findings.drop(1);
      return undefined;
    }
    const where = read.path === path ? childPath(path, 'verb') : read.path;
    const reason = unknownName('verb', read.given, KNOWN_NAMES);
    findings.add({ path: where, verb: read.given, reason, allowed: KNOWN_NAMES });
    return undefined;
  }
  const { name } = canonical;
  const { candidate, isSound } = checkProperties(name, canonical.candidate, read, findings);
  if (name === 'gather' || name === 'config') checkDelayActions(candidate, read.path, depth, findings);
  if (!isSound) return undefined;
  if (STREAM_MEANS_LISTEN.has(name) && candidate.stream !== undefined) {
    candidate.listen ??= candidate.stream;
    delete candidate.stream;
  }
  return candidate as unknown as VerbSpec;
}

/** Checks a verb against its schema. The returned candidate lacks the values that stand for nothing. */
function checkProperties(
  name: VerbName,
  candidate: Properties,
  read: Element,
  findings: Findings,
): { candidate: Properties; isSound: boolean } {
  const faults = findFaults(name, candidate);
  if (faults.length === 0) return { candidate, isSound: true };
  const cleaned = dropAbsent(candidate, faults);
  const remaining = cleaned === candidate ? faults : findFaults(name, cleaned);
  remaining.forEach((fault) => {
    if (findings.isFull) findings.drop(1);
    else findings.add(toVerbError(fault, cleaned, read.path, read.given));
  });
  return { candidate: cleaned, isSound: remaining.length === 0 };
}

function checkList(list: unknown[], path: string, depth: number, findings: Findings): (VerbSpec | undefined)[] {
  if (depth > MAX_DEPTH) {
    findings.add({ path, reason: `verbs stand within verbs more than ${MAX_DEPTH} deep` });
    return [];
  }
  if (!findings.count(list.length)) {
    findings.add({ path, reason: `the document must have at most ${LIMITS.verbs} verbs, those within verbs included` });
    return [];
  }
  return Array.from(list, (element, index) => checkElement(element, childPath(path, index), depth, findings));
}

/**
 * Checks a document of verbs, as an application answers it, and brings it into one form. All errors are reported,
 * not the first only, up to a hundred; of a document beyond the {@link LIMITS} that alone. Never throws, whatever the document;
 * the document itself is not changed.
 */
export function validate(document: unknown): ValidationResult {
  const findings = new Findings();
  try {
    if (!Array.isArray(document)) {
      return { ok: false, errors: [{ path: '$', reason: `must be a list of verbs, got ${inWords(document)}` }] };
    }
    const excess = findExcess(document);
    if (excess) return { ok: false, errors: [excess] };
    const verbs = checkList(document, '$', 0, findings).filter((verb) => verb !== undefined);
    return findings.errors.length === 0 ? { ok: true, verbs } : { ok: false, errors: findings.finish() };
  } catch (cause) {
    // Only objects that are not JSON (getters that throw, revoked proxies) get here.
    const message = cause instanceof Error ? cause.message : String(cause);
    return { ok: false, errors: [{ path: '$', reason: `cannot be read: ${message}` }] };
  }
}
