import { parseArgs } from 'node:util';

/** What the benchmark was asked to do. */
export interface BenchOptions {
  /** Seconds of load per rate. */
  seconds: number;
  /** Calls per second, one measurement each. */
  rates: number[];
  /** File for the results. */
  json?: string;
}

/** How to call the benchmark. */
export const USAGE = `usage: npm run bench -- setup [options]

  setup              INVITE → 200 for an application that answers at once, calls of 3 s, at several rates

  --seconds <n>      seconds of load per rate (default 20)
  --rates <list>     calls per second, comma-separated (default 1,5,10,20,30,40)
  --json <file>      where the results go (default .data/bench/setup-<time>.json)
`;

/** A command line that cannot be understood. */
export class BenchUsageError extends Error {
  readonly code = 'bench/usage';
}

/**
 * Reads the command line.
 *
 * @throws BenchUsageError naming what is wrong.
 */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  if (positionals.length !== 1 || positionals[0] !== 'setup') {
    throw new BenchUsageError(`there is one benchmark: setup; not "${positionals.join(' ')}"`);
  }
  const seconds = Number(values.seconds ?? '20');
  if (!Number.isInteger(seconds) || seconds < 1) throw new BenchUsageError('--seconds needs a whole number from 1 on');
  const rates = (values.rates ?? '1,5,10,20,30,40').split(',').map(Number);
  if (!rates.every((rate) => Number.isInteger(rate) && rate > 0)) {
    throw new BenchUsageError('--rates needs whole numbers from 1 on, separated by commas');
  }
  return { seconds, rates, ...(values.json === undefined ? {} : { json: values.json }) };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { seconds: text, rates: text, json: text } });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
