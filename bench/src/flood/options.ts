import { parseArgs } from 'node:util';
import { BenchUsageError } from '../options.js';
import type { FloodKind } from './scanner.js';

/** What the flood benchmark was asked to do. */
export interface FloodOptions {
  benchmark: 'flood';
  /** Length of each phase. */
  seconds: number;
  /** Requests of scanners a second. */
  perSecond: number;
  /** Addresses that they come from. */
  sources: number;
  /** Genuine calls. */
  callsPerSecond: number;
  kinds: FloodKind[];
  /** Further flags of the SIP server; without any it runs on its defaults. */
  serverFlags: string[];
  /** File for the results. */
  json?: string;
}

const KINDS: readonly FloodKind[] = ['register', 'invite', 'silent'];

/** How to call it. */
export const FLOOD_USAGE = `usage: npm run bench -- flood [options] [-- flags of the SIP server]

  flood              set-up of genuine calls without and with scanners

  --seconds <n>      seconds per phase (default 10)
  --rate <n>         requests of scanners a second (default 10000)
  --sources <n>      addresses that they come from (default 100)
  --calls <n>        genuine calls a second (default 10)
  --kinds <list>     register, invite (refused), silent (never answered); all by default
  --json <file>      where the results go (default .data/bench/flood-<time>.json)
`;

/** Reads what follows `flood`. @throws BenchUsageError naming what is wrong */
export function parseFloodOptions(args: readonly string[]): FloodOptions {
  const { values, positionals } = parse(args);
  const count = (name: 'seconds' | 'rate' | 'sources' | 'calls', otherwise: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 1) throw new BenchUsageError(`--${name} needs a whole number from 1 on`);
    return value;
  };
  const kinds = (values.kinds ?? KINDS.join(',')).split(',').map((name) => {
    const kind = KINDS.find((one) => one === name);
    if (!kind) throw new BenchUsageError(`--kinds: ${KINDS.join(', ')}; not "${name}"`);
    return kind;
  });
  return {
    benchmark: 'flood',
    seconds: count('seconds', 10),
    perSecond: count('rate', 10_000),
    sources: count('sources', 100),
    callsPerSecond: count('calls', 10),
    kinds,
    serverFlags: positionals,
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { seconds: text, rate: text, sources: text, calls: text, kinds: text, json: text };
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
