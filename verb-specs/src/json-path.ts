const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** Longest piece of an application's own text that is quoted in a path or a reason. */
const QUOTE_MAX_CHARS = 60;

/** A text cut to a length that can be put into a message. */
export const shorten = (value: string): string =>
  value.length > QUOTE_MAX_CHARS ? `${value.slice(0, QUOTE_MAX_CHARS)}…` : value;

/** The path one step below `path`: `$[0].text`, `$[0]['sip:refer']`. */
export function childPath(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`;
  if (IDENTIFIER.test(step) && step.length <= QUOTE_MAX_CHARS) return `${path}.${step}`;
  return `${path}['${shorten(step).replace(/['\\]/g, '\\$&')}']`;
}

/** The steps of a JSON pointer (RFC 6901) as ajv reports it; steps into lists are numbers. */
export function pointerSteps(root: unknown, pointer: string): (string | number)[] {
  const steps: (string | number)[] = [];
  let current = root;
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replace(/~1/g, '/').replace(/~0/g, '~');
    const step = Array.isArray(current) ? Number(key) : key;
    steps.push(step);
    current = (current as Record<string | number, unknown> | null | undefined)?.[step];
  }
  return steps;
}
