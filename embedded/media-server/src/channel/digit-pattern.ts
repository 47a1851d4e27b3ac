import { type Context, createContext, Script } from 'node:vm';

/**
 * What an expression may take that could backtrack without end: it must not hold up the calls of others, but on a busy machine even a simple one may have
 * to wait.
 */
const MAX_MATCH_MS = 250;
const MAX_EXPRESSION_LENGTH = 1000;
/** With more of them the time grows with the fourth power of the input, or faster. */
const MAX_UNBOUNDED = 2;
const UNBOUNDED = /[*+]|\{\d*,\d*\}/g;
/** A group that is repeated, or a reference to one. */
const REPEATED_GROUP = /\)[*+?{]|\\[1-9k]/;
const MATCH = new Script('new RegExp(source, flags).exec(text)');
/** Two repetitions take the square of the text's length. */
const MAX_TAME_TEXT = 1000;
let context: Context | undefined;

/**
 * Whether an expression is found anywhere in a text; written `/…/i` it may ignore case. False for what is no expression or takes too long, as an
 * expression that FreeSWITCH cannot compile matches nothing.
 */
export function matchesPattern(text: string, expression: string): boolean {
  return findPattern(text, expression) !== undefined;
}

/** What {@link matchesPattern} finds, and what its groups match. */
export function findPattern(text: string, expression: string): readonly (string | undefined)[] | undefined {
  const [, inner, options = ''] = /^\/(.*)\/([a-z]*)$/s.exec(expression) ?? [];
  if (expression.length > MAX_EXPRESSION_LENGTH || (inner === undefined && expression.startsWith('/')))
    return undefined;
  const source = inner ?? expression;
  const flags = [...'is'].filter((flag) => options.includes(flag)).join('');
  const isTame = !REPEATED_GROUP.test(source) && (source.match(UNBOUNDED)?.length ?? 0) <= MAX_UNBOUNDED;
  try {
    const isQuick = isTame && text.length <= MAX_TAME_TEXT;
    const found = isQuick ? new RegExp(source, flags).exec(text) : matchWithin(MAX_MATCH_MS, source, flags, text);
    return found ?? undefined;
  } catch {
    // No regular expression, or one without end.
    return undefined;
  }
}

function matchWithin(timeoutMs: number, source: string, flags: string, text: string): RegExpExecArray | null {
  context ??= createContext(Object.create(null));
  Object.assign(context, { source, flags, text });
  return MATCH.runInContext(context, { timeout: timeoutMs }) as RegExpExecArray | null;
}
