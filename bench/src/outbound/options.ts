import { parseArgs } from 'node:util';
import { BenchUsageError, wholeNumber } from '../options.js';

/** What `bench -- outbound` was asked to do. */
export interface OutboundOptions {
  benchmark: 'outbound';
  /** Seconds of load per rate. */
  seconds: number;
  /** Calls per second, one measurement each, without and with a media relay. */
  rates: number[];
  /** Whether media flows direct, through rtpengine, or first the one and then the other. */
  relay: 'off' | 'on' | 'both';
  /** File for the results. */
  json?: string;
}

/** How to call it. */
export const OUTBOUND_USAGE = `usage: npm run bench -- outbound [options]

  sbc-outbound alone: sipp as feature server calls numbers, sipp as carrier answers at once. The first row is sipp calling
  sipp. Takes a minute.

  --seconds <n>        seconds of load per rate (default 4)
  --rates <list>       calls per second, comma-separated (default 50,100,150)
  --rtpengine <which>  off, on or both (default both)
  --json <file>        where the results go (default .data/bench/outbound-<time>.json)
`;

const RELAYS = ['off', 'on', 'both'] as const;

/** Reads the command line, whose first word is `outbound`. @throws BenchUsageError naming what is wrong */
export function parseOutboundOptions(args: readonly string[]): OutboundOptions {
  const text = { type: 'string' } as const;
  const { values } = read(() =>
    parseArgs({ args: args.slice(1), options: { seconds: text, rates: text, rtpengine: text, json: text } }),
  );
  const rates = (values.rates ?? '50,100,150').split(',').map(Number);
  if (!rates.every((rate) => Number.isInteger(rate) && rate > 0)) {
    throw new BenchUsageError('--rates needs whole numbers from 1 on, separated by commas');
  }
  const relay = RELAYS.find((word) => word === (values.rtpengine ?? 'both'));
  if (!relay) throw new BenchUsageError(`--rtpengine is one of ${RELAYS.join(', ')}`);
  return {
    benchmark: 'outbound',
    seconds: wholeNumber('--seconds', values.seconds ?? '4', 1),
    rates,
    relay,
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
