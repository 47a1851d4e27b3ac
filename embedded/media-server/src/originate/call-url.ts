/** One callee: `sofia/<profile>/<address>`, and variables of its own. */
export interface CallTarget {
  /** `sofia`, `error`, …: what stands before the first slash. */
  endpoint: string;
  /** What follows it. */
  rest: string;
  variables: ReadonlyMap<string, string>;
}

/** Callees at once, several of which one after the other. */
export type CallPlan = readonly (readonly CallTarget[])[];

/** Callees of one call URL; more are left out, as in FreeSWITCH. */
const MAX_TARGETS = 128;
const MAX_VARIABLES = 500;

/**
 * Reads a call URL: `{a=1,b=2}` in front is for all callees, `[a=1]` before one for that one; `,` rings several at once, `|` one after the other.
 * `{^^:a=1:b=2}` separates variables by another character. Undefined when a bracket does not close.
 */
export function parseCallUrl(text: string): CallPlan | undefined {
  const shared = takeVariables(text.trim(), '{', '}');
  if (!shared) return undefined;
  const plan: CallTarget[][] = [];
  let count = 0;
  for (const alternative of splitOutside(shared.rest, '|')) {
    const group: CallTarget[] = [];
    for (const leg of splitOutside(alternative, ',')) {
      const own = takeVariables(leg.trim(), '[', ']');
      if (!own) return undefined;
      if (++count > MAX_TARGETS) break;
      const slash = own.rest.indexOf('/');
      group.push({
        endpoint: (slash < 0 ? own.rest : own.rest.slice(0, slash)).toLowerCase(),
        rest: slash < 0 ? '' : own.rest.slice(slash + 1),
        variables: new Map([...shared.variables, ...own.variables]),
      });
    }
    plan.push(group);
  }
  return plan;
}

function takeVariables(
  text: string,
  open: string,
  close: string,
): { variables: Map<string, string>; rest: string } | undefined {
  const variables = new Map<string, string>();
  let rest = text;
  while (rest.startsWith(open)) {
    const end = rest.indexOf(close);
    if (end < 0) return undefined;
    const inside = rest.slice(1, end);
    const custom = inside.startsWith('^^') ? inside[2] : undefined;
    const pairs = custom ? inside.slice(3).split(custom) : inside.split(/(?<!\\),/);
    for (const pair of pairs.slice(0, MAX_VARIABLES)) {
      const equals = pair.indexOf('=');
      const name = pair.slice(0, equals).trim();
      if (equals > 0 && name) variables.set(name, pair.slice(equals + 1).replace(/\\,/g, ','));
    }
    rest = rest.slice(end + 1).trim();
  }
  return { variables, rest };
}

/** Splits where the separator does not stand in square brackets. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '[') depth++;
    else if (text[at] === ']') depth = Math.max(0, depth - 1);
    else if (text[at] === separator && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}
