import { ArgumentError } from '../errors.js';
import { inNets } from '../limit-arguments.js';
import type { CaptureLimits } from './capture-ring.js';
import { parseHomerAddress } from './hep.js';
import type { HepTarget } from './hep-sender.js';
import { readTraceFilter, type TraceFilter } from './trace-filter.js';

/** What is watched, and how it is shown. */
export interface ObserveSettings {
  /** Undefined: nothing is remembered. */
  capture: (CaptureLimits & { mayAsk: (address: string) => boolean }) | undefined;
  homer: { target: HepTarget; agentId: number; authKey: string | undefined } | undefined;
  trace: { detail: 'ladder' | 'full'; filter: TraceFilter | undefined } | undefined;
}

/** How these flags are declared to the parser. */
export const OBSERVE_FLAGS = {
  trace: { type: 'string' },
  'trace-filter': { type: 'string', multiple: true },
  homer: { type: 'string', short: 'y' },
  'homer-id': { type: 'string', short: 'z' },
  'homer-protocol': { type: 'string' },
  'homer-key': { type: 'string' },
  'capture-bytes': { type: 'string' },
  'capture-seconds': { type: 'string' },
  'capture-net': { type: 'string', multiple: true },
} as const;

/** The flags as they were given. */
type Flags = {
  [K in keyof typeof OBSERVE_FLAGS]?:
    | ((typeof OBSERVE_FLAGS)[K] extends { multiple: true } ? string[] : string)
    | undefined;
};

/** These flags as `--help` shows them. */
export const OBSERVE_USAGE = `  --trace[=full]            prints a ladder of each call as it happens; full: with the messages
  --trace-filter FILTER     only calls with call-id=, from=, to= or number= and a part of it, or a text in any of
                            them; repeatable: all must hold
  --homer HOST[:PORT]       sends every message to Homer as HEP 3 (port 9060)
  --homer-id N              capture agent id, needed with --homer
  --homer-protocol P        udp, tcp or tls (udp)
  --homer-key TEXT          capture password
  --capture-bytes N         memory for the last messages, shown at /calls of --http-port; 0 for none (67108864)
  --capture-seconds N       how long they are remembered at most (3600)
  --capture-net CIDR        who may ask for them beside this machine; repeatable
`;

/** Makes a bare `--trace` a flag with a value, as the parser wants it. */
export function withTraceValue(argv: readonly string[]): string[] {
  return argv.map((arg) => (arg === '--trace' ? '--trace=ladder' : arg));
}

const DEFAULT_BYTES = 64 * 1024 * 1024;
const DEFAULT_SECONDS = 3600;
/** Less holds no call; more than a Buffer may be cannot be had. */
const MIN_BYTES = 1024 * 1024;
const MAX_BYTES = 4 * 1024 * 1024 * 1024;
const MAX_SECONDS = 7 * 86_400;

/**
 * Reads the flags.
 * @param hasHttp whether anybody can ask for what is remembered
 * @throws ArgumentError that names the flag
 */
export function readObserveFlags(flags: Flags, hasHttp: boolean): ObserveSettings {
  return { capture: readCapture(flags, hasHttp), homer: readHomer(flags), trace: readTrace(flags) };
}

function readCapture(flags: Flags, hasHttp: boolean): ObserveSettings['capture'] {
  const { 'capture-bytes': captureBytes, 'capture-seconds': captureSeconds, 'capture-net': nets = [] } = flags;
  const mayAsk = inNets('--capture-net', ['127.0.0.0/8', '::1', ...nets]);
  const maxBytes = readNumber('--capture-bytes', captureBytes, DEFAULT_BYTES, MAX_BYTES);
  const seconds = readNumber('--capture-seconds', captureSeconds, DEFAULT_SECONDS, MAX_SECONDS);
  if (maxBytes === 0 || seconds === 0 || !hasHttp) return undefined;
  if (maxBytes < MIN_BYTES) throw new ArgumentError(`--capture-bytes: 0 or at least ${MIN_BYTES} expected`);
  return { maxBytes, maxAgeMs: seconds * 1000, mayAsk };
}

function readHomer(flags: Flags): ObserveSettings['homer'] {
  const { homer, 'homer-id': homerId, 'homer-key': authKey, 'homer-protocol': protocol = 'udp' } = flags;
  if (protocol !== 'udp' && protocol !== 'tcp' && protocol !== 'tls') {
    throw new ArgumentError('--homer-protocol: udp, tcp or tls expected');
  }
  if (homer === undefined) {
    if (homerId !== undefined) throw new ArgumentError('--homer-id: --homer is missing');
    return undefined;
  }
  const address = parseHomerAddress(homer);
  if (!address) throw new ArgumentError('--homer: HOST or HOST:PORT expected');
  if (homerId === undefined) throw new ArgumentError('--homer: --homer-id is missing');
  const agentId = readNumber('--homer-id', homerId, 0, 0xffff_ffff);
  if (agentId === 0) throw new ArgumentError('--homer-id: a number from 1 to 4294967295 expected');
  return { target: { ...address, protocol }, agentId, authKey };
}

function readTrace({ trace, 'trace-filter': traceFilter = [] }: Flags): ObserveSettings['trace'] {
  const filter = readTraceFilter(traceFilter);
  if (trace === undefined) {
    if (filter) throw new ArgumentError('--trace-filter: --trace is missing');
    return undefined;
  }
  if (trace !== 'ladder' && trace !== 'full') throw new ArgumentError('--trace: nothing or full expected');
  return { detail: trace, filter };
}

function readNumber(flag: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,12}$/.test(text) || Number(text) > max) {
    throw new ArgumentError(`${flag}: a whole number up to ${max} expected`);
  }
  return Number(text);
}
