import { parseArgs } from 'node:util';
import { BenchUsageError, wholeNumber } from '../options.js';

/** What `bench -- routing` was asked to do. */
export interface RoutingOptions {
  benchmark: 'routing';
  /** Prefixes in memory, and rows of the imported file. */
  prefixes: number;
  /** Decisions of each measurement. */
  decisions: number;
  /** Changes of the active version that are measured. */
  changes: number;
  /** File for the results. */
  json?: string;
}

/** How to call it. */
export const ROUTING_USAGE = `usage: npm run bench -- routing [options]

  Decisions with all prefixes in one rate deck and in ten; import of as many rows into a MariaDB of its own; how long a change of the
  active version takes to count, and what the event loop does meanwhile.

  --prefixes <n>     prefixes (default 1000000)
  --decisions <n>    decisions per measurement (default 200000)
  --changes <n>      changes of the active version (default 5)
  --json <file>      where the results go (default .data/bench/routing-<time>.json)
`;

/** Reads the command line. @throws BenchUsageError naming what is wrong */
export function parseRoutingOptions(args: readonly string[]): RoutingOptions {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { prefixes: text, decisions: text, changes: text, json: text },
    });
    return {
      benchmark: 'routing',
      prefixes: wholeNumber('--prefixes', values.prefixes ?? '1000000', 10),
      decisions: wholeNumber('--decisions', values.decisions ?? '200000', 100),
      changes: wholeNumber('--changes', values.changes ?? '5', 1),
      ...(values.json === undefined ? {} : { json: values.json }),
    };
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
