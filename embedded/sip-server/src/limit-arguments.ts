import { BlockList, isIP } from 'node:net';
import type { SourceLimitOptions } from '@ringwire/sip';
import { ArgumentError } from './errors.js';

/** How the server protects itself. */
export interface LimitSettings {
  /** Undefined: no limits per source. */
  source: Partial<SourceLimitOptions> | undefined;
  answer: '503' | 'drop';
  maxConnections: number | undefined;
}

/** The flags as they were given. */
export interface LimitFlags {
  sourceLimit?: string | undefined;
  answer?: string | undefined;
  trustedNets: readonly string[];
  maxConnections?: string | undefined;
}

type Limit = Exclude<keyof SourceLimitOptions, 'isTrusted'>;

const LIMITS: Record<string, Limit> = {
  requests: 'requestsPerSecond',
  bytes: 'bytesPerSecond',
  connections: 'connections',
  open: 'openRequests',
  refusals: 'refusals',
  'stranger-refusals': 'strangerRefusals',
  'stranger-waiting': 'strangerWaiting',
  'strangers-waiting': 'strangersWaiting',
  'stranger-requests': 'strangerRequestsPerSecond',
  'strangers-requests': 'strangersPerSecond',
  sources: 'maxSources',
};

/** Reads `--source-limit`, `--source-limit-answer`, `--trusted-net` and `--max-connections`. @throws ArgumentError */
export function readLimits({ sourceLimit, answer = '503', trustedNets, maxConnections }: LimitFlags): LimitSettings {
  if (answer !== '503' && answer !== 'drop') throw new ArgumentError('--source-limit-answer: 503 or drop expected');
  const isTrusted = inNets('--trusted-net', trustedNets);
  return {
    source: sourceLimit === 'off' ? undefined : { ...readSourceLimit(sourceLimit), isTrusted },
    answer,
    maxConnections: maxConnections === undefined ? undefined : readMaxConnections(maxConnections),
  };
}

function readSourceLimit(text: string | undefined): Partial<SourceLimitOptions> {
  const limits: Partial<Record<Limit, number>> = {};
  for (const part of text?.split(',') ?? []) {
    const [name = '', value = ''] = part.split('=', 2);
    const limit = Object.hasOwn(LIMITS, name) ? LIMITS[name] : undefined;
    if (!limit)
      throw new ArgumentError(`--source-limit: ${Object.keys(LIMITS).join(', ')} or off expected, not "${part}"`);
    limits[limit] = readCount(`--source-limit ${name}`, value);
  }
  return limits;
}

function readMaxConnections(text: string): number {
  const count = readCount('--max-connections', text);
  // As a number of sockets it would not mean "no limit", as 0 does in --source-limit.
  if (count === 0) throw new ArgumentError('--max-connections: 1 or more expected');
  return count;
}

function readCount(option: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new ArgumentError(`${option}: a whole number expected`);
  return Number(text);
}

/** Makes the test whether an address lies in one of the networks; an IPv4 address may come mapped into IPv6. @throws ArgumentError */
export function inNets(option: string, nets: readonly string[]): (host: string) => boolean {
  const list = new BlockList();
  for (const net of nets) {
    const [address = '', bits] = net.split('/', 2);
    const family = isIP(address);
    const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
    if (family === 0 || !/^\d{1,3}$/.test(bits ?? '0') || length > (family === 4 ? 32 : 128)) {
      throw new ArgumentError(`${option}: a network such as 192.0.2.0/24 expected, not "${net}"`);
    }
    list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  }
  if (nets.length === 0) return () => false;
  return (host) => {
    const plain = host.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host;
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}
