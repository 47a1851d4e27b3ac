import { parseArgs } from 'node:util';

/** How to call the fuzzer. */
export const USAGE = `usage: npm run fuzz -- sip [options]

  sip                parser, stream framer and live transactions

  --inputs <n>       how many inputs (default 100000)
  --seed <n>         the same seed gives the same inputs (default: another each time)
  --only <n>         runs input n alone
`;

/** A command line that cannot be understood. */
export class FuzzUsageError extends Error {
  readonly code = 'fuzz/usage';
}

/** Reads the command line. @throws FuzzUsageError naming what is wrong */
export function parseFuzzOptions(args: readonly string[]): { inputs: number; seed: number; only: number | undefined } {
  const { values, positionals } = parse(args);
  if (positionals.length !== 1 || positionals[0] !== 'sip') {
    throw new FuzzUsageError(`there is one target: sip; not "${positionals.join(' ')}"`);
  }
  const number = (name: string, text: string): number => {
    if (!/^\d{1,9}$/.test(text)) throw new FuzzUsageError(`--${name} needs a whole number`);
    return Number(text);
  };
  return {
    inputs: number('inputs', values.inputs ?? '100000'),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : number('seed', values.seed),
    only: values.only === undefined ? undefined : number('only', values.only),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { inputs: text, seed: text, only: text } });
  } catch (err) {
    throw new FuzzUsageError(err instanceof Error ? err.message : String(err), { cause: err });
  }
}
