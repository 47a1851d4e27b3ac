import { type Context, createContext, Script } from 'node:vm';

/** What an expression may take: real ones need microseconds; one that backtracks without end must not hold up the calls of others. */
const MAX_MATCH_MS = 20;
const MAX_EXPRESSION_LENGTH = 1000;
const MATCH = new Script('new RegExp(source, flags).test(text)');
let context: Context | undefined;

/**
 * Whether an expression is found anywhere in a text; written `/…/i` it may ignore case. False for what is no expression or takes too long, as an
 * expression that FreeSWITCH cannot compile matches nothing.
 */
export function matchesPattern(text: string, expression: string): boolean {
  const [, inner, options = ''] = /^\/(.*)\/([a-z]*)$/s.exec(expression) ?? [];
  if (expression.length > MAX_EXPRESSION_LENGTH || (inner === undefined && expression.startsWith('/'))) return false;
  const source = inner ?? expression;
  const flags = [...'is'].filter((flag) => options.includes(flag)).join('');
  context ??= createContext(Object.create(null));
  Object.assign(context, { source, flags, text });
  try {
    return MATCH.runInContext(context, { timeout: MAX_MATCH_MS }) === true;
  } catch {
    // No regular expression, or one without end.
    return false;
  }
}
