/** Longest expression, and deepest nesting. */
const MAX_LENGTH = 1000;
const MAX_DEPTH = 50;

/** `expr`: numbers, `+ - * / % ^`, comparisons and brackets; the result with at most two digits after the point. */
export function evaluate(text: string): string {
  if (text.length > MAX_LENGTH) return '!err!';
  const tokens = text.match(/\d+(?:\.\d+)?|\.\d+|==|!=|>=|<=|&&|\|\||[-+*/%^()<>]|\S/g) ?? [];
  let at = 0;
  let depth = 0;

  const primary = (): number => {
    if (++depth > MAX_DEPTH) return Number.NaN;
    try {
      const token = tokens[at++];
      if (token === '-') return -primary();
      if (token === '+') return primary();
      if (token === '(') {
        const value = level(0);
        return tokens[at++] === ')' ? value : Number.NaN;
      }
      return token === undefined ? Number.NaN : Number(token);
    } finally {
      depth--;
    }
  };
  const level = (from: number): number => {
    const operators = LEVELS[from];
    if (!operators) return primary();
    let value = level(from + 1);
    for (let operator = operators[tokens[at] ?? '']; operator; operator = operators[tokens[at] ?? '']) {
      at++;
      value = operator(value, level(from + 1));
    }
    return value;
  };

  const value = level(0);
  if (at < tokens.length || !Number.isFinite(value)) return '!err!';
  return String(Math.round(value * 100) / 100);
}

type Operator = (a: number, b: number) => number;

/** Operators by precedence, the weakest first. */
const LEVELS: readonly Readonly<Record<string, Operator>>[] = [
  { '||': (a, b) => Number(a !== 0 || b !== 0), '&&': (a, b) => Number(a !== 0 && b !== 0) },
  {
    '==': (a, b) => Number(a === b),
    '!=': (a, b) => Number(a !== b),
    '<': (a, b) => Number(a < b),
    '>': (a, b) => Number(a > b),
    '<=': (a, b) => Number(a <= b),
    '>=': (a, b) => Number(a >= b),
  },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => a / b, '%': (a, b) => a % b },
  { '^': (a, b) => a ** b },
];
