import { parseArgs } from 'node:util';

/** What `bench -- setup` was asked to do. */
export interface SetupOptions {
  benchmark: 'setup';
  /** Seconds of load per rate. */
  seconds: number;
  /** Calls per second, one measurement each. */
  rates: number[];
  /** File for the results. */
  json?: string;
}

/** What `bench -- sip` was asked to do. */
export interface SipOptions {
  benchmark: 'sip';
  /** Seconds of load per rate. */
  seconds: number;
  /** Calls per second, one measurement each and server. */
  rates: number[];
  /** Dialogs that are held for the memory figure; 0 leaves it out. */
  dialogs: number;
  /** Calls of the long run; 0 for none. */
  longRunCalls: number;
  /** Calls per second of the long run. */
  longRunRate: number;
  /** Program of a real drachtio-server that is measured in the same run. */
  drachtio?: string;
  /** File for the results. */
  json?: string;
}

export type BenchOptions = SetupOptions | SipOptions;

/** How to call the benchmark. */
export const USAGE = `usage: npm run bench -- setup|sip|flood|media|outbound|routing [options]

  setup              INVITE → 200 for an application that answers at once, calls of 3 s, at several rates
  sip                the SIP server alone: INVITE, 200, ACK, BYE through a drachtio-srf application
  flood              the SIP server among scanners; its options: npm run bench -- flood --help
  media              the media server alone; its options: npm run bench -- media --help
  outbound           calls over carriers, sbc-outbound alone; its options: npm run bench -- outbound --help
  routing            decisions, imports and changes with 1,000,000 prefixes; its options: npm run bench -- routing --help

  --seconds <n>      seconds of load per rate (default 20; sip: 8)
  --rates <list>     calls per second, comma-separated (default 1,5,10,20,30,40; sip: 1000,2000,2600,3000)
  --json <file>      where the results go (default .data/bench/<benchmark>-<time>.json)

sip only
  --drachtio <file>  program of a drachtio-server to measure beside ours (default: DRACHTIO_SERVER of the environment)
  --dialogs <n>      dialogs held for the memory figure (default 10000; 0: none; below 2000 too few to tell)
  --million          a run of 1,000,000 calls at the end, in search of leaks
  --calls <n>        the same with another number of calls
  --calls-rate <n>   its calls per second (default 1500)
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
export function parseBenchOptions(args: readonly string[], env: NodeJS.ProcessEnv = {}): BenchOptions {
  const { values, positionals } = parse(args);
  const [benchmark] = positionals;
  if (positionals.length !== 1 || (benchmark !== 'setup' && benchmark !== 'sip')) {
    throw new BenchUsageError(
      `the benchmarks are setup, sip, flood, media, outbound and routing; not "${positionals.join(' ')}"`,
    );
  }
  const isSip = benchmark === 'sip';
  const seconds = wholeNumber('--seconds', values.seconds ?? (isSip ? '8' : '20'), 1);
  const rates = (values.rates ?? (isSip ? '1000,2000,2600,3000' : '1,5,10,20,30,40')).split(',').map(Number);
  if (!rates.every((rate) => Number.isInteger(rate) && rate > 0)) {
    throw new BenchUsageError('--rates needs whole numbers from 1 on, separated by commas');
  }
  const json = values.json === undefined ? {} : { json: values.json };
  if (benchmark === 'setup') {
    for (const name of ['drachtio', 'dialogs', 'million', 'calls', 'calls-rate'] as const) {
      if (values[name] !== undefined) throw new BenchUsageError(`--${name} belongs to sip`);
    }
    return { benchmark, seconds, rates, ...json };
  }
  const drachtio = values.drachtio ?? env.DRACHTIO_SERVER;
  return {
    benchmark,
    seconds,
    rates,
    dialogs: wholeNumber('--dialogs', values.dialogs ?? '10000', 0),
    longRunCalls: wholeNumber('--calls', values.calls ?? (values.million ? '1000000' : '0'), 0),
    longRunRate: wholeNumber('--calls-rate', values['calls-rate'] ?? '1500', 1),
    ...(drachtio ? { drachtio } : {}),
    ...json,
  };
}

/** A whole number from `least` on. @throws BenchUsageError naming the option */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    throw new BenchUsageError(`${option} needs a whole number from ${least} on`);
  }
  return value;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: text,
        rates: text,
        json: text,
        drachtio: text,
        dialogs: text,
        million: flag,
        calls: text,
        'calls-rate': text,
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
