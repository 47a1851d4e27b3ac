import { parseArgs } from 'node:util';
import { BenchUsageError, wholeNumber } from '../options.js';
import type { EslAddress } from './servers.js';

/** What `bench -- media` was asked to do. */
export interface MediaOptions {
  benchmark: 'media';
  /** Concurrent calls, one measurement each, until two in a row are not good. */
  calls: number[];
  /** Seconds per measurement. */
  seconds: number;
  /** Calls a second that are answered; 0 leaves it out. */
  answersPerSecond: number;
  /** Bridged pairs; 0 leaves it out. */
  bridges: number;
  /** Calls of the bare Node program; 0 leaves it out. */
  floorCalls: number;
  /** Only a soak of so many minutes, at the first of {@link calls}; 0 for none. */
  soakMinutes: number;
  /** Further flags of our server. */
  serverFlags: string[];
  /** A FreeSWITCH that is measured in the same run. */
  freeswitch?: EslAddress;
  /** File for the results. */
  json?: string;
}

const DEFAULT_CALLS = '100,200,300,400,500,600,800,1000';
const DEFAULT_SOAK_CALLS = '250';

/** How to call it. */
export const MEDIA_USAGE = `usage: npm run bench -- media [options] [-- flags of the media server]

  media                    the media server alone: calls that play, receive and listen for digits, bridges, answering

  --calls <list>           calls at once, comma-separated (default ${DEFAULT_CALLS};
                           ends when two measurements in a row lose packets or are late)
  --seconds <n>            seconds per measurement (default 5)
  --answers <n>            calls a second to answer (default 100; 0: none)
  --bridges <n>            bridged pairs (default 50; 0: none)
  --floor <n>              calls of a bare Node program that only sends and receives, for comparison (default 300; 0: none)
  --freeswitch <address>   host:port:password of the event socket of a FreeSWITCH on this machine, measured in the same run
  --soak-minutes <n>       only one long measurement, with --calls <n> (default ${DEFAULT_SOAK_CALLS}): drift, lost packets, memory
  --json <file>            where the results go (default .data/bench/media-<time>.json)
`;

/** Reads what follows `media`. @throws BenchUsageError naming what is wrong */
export function parseMediaOptions(args: readonly string[]): MediaOptions {
  const { values, positionals } = parse(args);
  const soakMinutes = wholeNumber('--soak-minutes', values['soak-minutes'] ?? '0', 0);
  const calls = (values.calls ?? (soakMinutes > 0 ? DEFAULT_SOAK_CALLS : DEFAULT_CALLS)).split(',').map(Number);
  if (!calls.every((count, index) => Number.isInteger(count) && count > (calls[index - 1] ?? 0))) {
    throw new BenchUsageError('--calls needs growing whole numbers from 1 on, separated by commas');
  }
  return {
    benchmark: 'media',
    calls,
    seconds: wholeNumber('--seconds', values.seconds ?? '5', 1),
    answersPerSecond: wholeNumber('--answers', values.answers ?? '100', 0),
    bridges: wholeNumber('--bridges', values.bridges ?? '50', 0),
    floorCalls: wholeNumber('--floor', values.floor ?? '300', 0),
    soakMinutes,
    serverFlags: positionals,
    ...(values.freeswitch === undefined ? {} : { freeswitch: eslAddress(values.freeswitch) }),
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

function eslAddress(text: string): EslAddress {
  const [, host = '', port = '', password = ''] = /^(.+?):(\d{1,5}):(.+)$/.exec(text) ?? [];
  if (!host) throw new BenchUsageError('--freeswitch needs host:port:password');
  return { host, port: Number(port), password };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        calls: text,
        seconds: text,
        answers: text,
        bridges: text,
        floor: text,
        freeswitch: text,
        'soak-minutes': text,
        json: text,
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}
