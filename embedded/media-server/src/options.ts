import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { AllowPrivate } from '@ringwire/common/http/address-guard.js';
import { CODEC_IDS, type CodecId, parseCodecId } from '@ringwire/rtp';
import { type ConferenceProfiles, NO_PROFILES, parseProfiles } from './conference/profiles.js';
import { UsageError } from './errors.js';

/** What the command line says. */
export interface ServerOptions {
  sip: { host: string; port: number };
  esl: { host: string; port: number };
  password: string;
  /** Range of RTP ports; 0–0 takes free ports of the system. */
  rtpPorts: { min: number; max: number };
  /** Codecs that are taken, and offered in this order. */
  codecs: CodecId[];
  /** How long an RTP port rests between two calls. */
  rtpQuarantineMs: number;
  /** A caller's RTP source that was silent for so long may be replaced by another; 0: never. */
  rtpRelatchMs: number;
  /** Mean time between two RTCP reports; 0: no RTCP. */
  rtcpIntervalMs: number;
  /** Address of RTP sockets, also the one in SDP. */
  rtpAddress: string;
  /** Port of health and metrics; 0 takes a free one. */
  httpPort: number;
  workers: number;
  /** Whether media threads run in real time, where that is allowed. */
  realtime: boolean;
  /** Whether the decoders of MP3 and Opus are loaded at the start, not with the first file. */
  preloadDecoders: boolean;
  maxSessions: number;
  heartbeatMs: number;
  soundsDir: string;
  cacheDir: string | undefined;
  /** Most that fetched URLs may take there. */
  cacheBytes: number;
  /** Which private addresses URLs, and what they redirect to, are fetched from. */
  fetchPrivate: AllowPrivate;
  conferenceProfiles: ConferenceProfiles;
}

/** Text for `--help` and for wrong flags. */
export const USAGE = `media-server: plays, records and bridges calls under the control of a FreeSWITCH event socket client

  --sip HOST:PORT           SIP over UDP (default 127.0.0.1:5080)
  --esl HOST:PORT           event socket (default 127.0.0.1:8021)
  --password TEXT           event socket password (default ClueCon)
  --rtp-ports MIN-MAX       range of RTP ports (default 20000-29999; 0-0: any free port)
  --codecs LIST             codecs that are taken, and offered in this order (default
                            PCMU,PCMA,G722,opus,L16@16000h,L16@8000h)
  --rtp-quarantine-ms N     how long an RTP port rests between two calls (default 2000)
  --rtp-relatch-ms N        any silent RTP source may be replaced by another after so long (default 0: none that is named or has sent for a second)
  --rtcp-interval-ms N      mean time between RTCP reports where the peer's SDP speaks of RTCP (default 5000; 0: no RTCP)
  --rtp-address HOST        address for RTP (default: the SIP address)
  --http-port PORT          health and metrics on the event socket's address (default 0: any free port)
  --workers N               media threads (default 1)
  --realtime on|off         media threads run before all else, with chrt and as root only (default on)
  --preload-decoders on|off load what decodes MP3 and Opus at the start, not with the first file (default on)
  --max-sessions N          calls at once, more get 503 (default 1000)
  --heartbeat-ms N          interval of HEARTBEAT events (default 20000)
  --sounds-dir DIR          where relative file names begin (default: the working directory)
  --cache-dir DIR           where fetched URLs are kept (default: a temporary folder, removed at the end)
  --cache-mb N              most that fetched URLs may take beside what plays, in MiB (default 512)
  --fetch-private false|loopback|true  private addresses that URLs, and their redirects, are fetched from: none, this
                            machine's, all (default false)
  --conference-profiles FILE  profiles of conferences and groups of keys, in JSON (default: no sounds, FreeSWITCH's keys)
  Ports may be 0: any free port.`;

const DEFAULTS = {
  sip: '127.0.0.1:5080',
  esl: '127.0.0.1:8021',
  password: 'ClueCon',
  'rtp-ports': '20000-29999',
  codecs: 'PCMU,PCMA,G722,opus,L16@16000h,L16@8000h',
  'rtp-quarantine-ms': '2000',
  'rtp-relatch-ms': '0',
  'rtcp-interval-ms': '5000',
  'http-port': '0',
  workers: '1',
  realtime: 'on',
  'preload-decoders': 'on',
  'max-sessions': '1000',
  'heartbeat-ms': '20000',
  'cache-mb': '512',
  'fetch-private': 'false',
};

type Values = typeof DEFAULTS & {
  'rtp-address'?: string;
  'sounds-dir'?: string;
  'cache-dir'?: string;
  'conference-profiles'?: string;
};

/**
 * Reads the command line.
 *
 * @throws UsageError with every problem in one message.
 */
export function readOptions(args: string[]): ServerOptions {
  const problems: string[] = [];
  const values = parse(args, problems);
  const [min = 0, max = 0] = /^\d+-\d+$/.test(values['rtp-ports']) ? values['rtp-ports'].split('-').map(Number) : [-1];
  if (min < 0 || max < min || max > 65535) problems.push(`--rtp-ports: expected MIN-MAX, got ${values['rtp-ports']}`);
  for (const name of ['realtime', 'preload-decoders'] as const) {
    if (!/^(on|off)$/.test(values[name])) problems.push(`--${name}: expected on or off, got ${values[name]}`);
  }
  const sip = address('--sip', values.sip, problems);
  const options: ServerOptions = {
    sip,
    esl: address('--esl', values.esl, problems),
    password: values.password,
    rtpPorts: { min, max },
    codecs: codecs('--codecs', values.codecs, problems),
    rtpQuarantineMs: number('--rtp-quarantine-ms', values['rtp-quarantine-ms'], 0, 600_000, problems),
    rtpRelatchMs: number('--rtp-relatch-ms', values['rtp-relatch-ms'], 0, 600_000, problems),
    rtcpIntervalMs: number('--rtcp-interval-ms', values['rtcp-interval-ms'], 0, 500_000, problems),
    rtpAddress: values['rtp-address'] ?? sip.host,
    httpPort: number('--http-port', values['http-port'], 0, 65535, problems),
    workers: number('--workers', values.workers, 1, 64, problems),
    realtime: values.realtime === 'on',
    preloadDecoders: values['preload-decoders'] === 'on',
    maxSessions: number('--max-sessions', values['max-sessions'], 1, 100_000, problems),
    heartbeatMs: number('--heartbeat-ms', values['heartbeat-ms'], 10, 3_600_000, problems),
    soundsDir: values['sounds-dir'] ?? process.cwd(),
    cacheDir: values['cache-dir'],
    cacheBytes: number('--cache-mb', values['cache-mb'], 1, 1_000_000, problems) * 1024 * 1024,
    fetchPrivate: privateAddresses('--fetch-private', values['fetch-private'], problems),
    conferenceProfiles: profiles('--conference-profiles', values['conference-profiles'], problems),
  };
  if (problems.length > 0) throw new UsageError(`${problems.join('\n')}\n\n${USAGE}`, { problems });
  return options;
}

function parse(args: string[], problems: string[]): Values {
  const names = [...Object.keys(DEFAULTS), 'rtp-address', 'sounds-dir', 'cache-dir', 'conference-profiles'];
  try {
    const { values } = parseArgs({
      args,
      options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
      strict: true,
    });
    return { ...DEFAULTS, ...(values as Record<string, string>) };
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return { ...DEFAULTS };
  }
}

function address(flag: string, text: string, problems: string[]): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (!host || Number(port) > 65535) problems.push(`${flag}: expected HOST:PORT, got ${text}`);
  return { host, port: Number(port) };
}

function privateAddresses(flag: string, text: string, problems: string[]): AllowPrivate {
  if (text === 'loopback') return text;
  if (text !== 'true' && text !== 'false') problems.push(`${flag}: expected false, loopback or true, got ${text}`);
  return text === 'true';
}

/** A list of codecs, the first mention of each counting. */
function codecs(flag: string, text: string, problems: string[]): CodecId[] {
  const ids = new Set<CodecId>();
  for (const name of text.split(',')) {
    const id = parseCodecId(name);
    if (id) ids.add(id);
    else
      problems.push(`${flag}: expected names of ${CODEC_IDS.join(', ')} with commas between, got ${name || 'nothing'}`);
  }
  return [...ids];
}

function profiles(flag: string, path: string | undefined, problems: string[]): ConferenceProfiles {
  if (path === undefined) return NO_PROFILES;
  try {
    const result = parseProfiles(readFileSync(path, 'utf8'));
    if (result.ok) return result.profiles;
    problems.push(...result.problems.map((problem) => `${flag}: ${path}: ${problem}`));
  } catch (error) {
    problems.push(`${flag}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return NO_PROFILES;
}

function number(flag: string, text: string, min: number, max: number, problems: string[]): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    problems.push(`${flag}: expected a whole number from ${min} to ${max}, got ${text}`);
  }
  return value;
}
