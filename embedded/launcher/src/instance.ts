import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identify, isSameProcessAlive, type ProcessIdentity } from '@ringwire/services';
import { AlreadyRunningError } from './errors.js';

/** Where a service listens. */
export interface Address {
  host: string;
  port: number;
}

/** A number that may be dialled. */
export interface DemoNumber {
  number: string;
  application: string;
  description: string;
}

/** A user who may register. */
export interface DemoUser {
  /** `sip:anna@demo.localhost`. */
  uri: string;
  password: string;
  /** The telephone in a web page with this account, where the examples and a SIP server of our own run. */
  softphone?: string;
}

/** A running platform, as `.data/ringwire.json` describes it to tools. */
export interface InstanceDescription {
  /** Pid of the launcher. */
  pid: number;
  /** ISO 8601. */
  startedAt: string;
  sip: Address & { transports: string[] };
  /** Where SIP is taken over TLS, when the SIP server is ours. */
  sipTls?: Address;
  /** Where browsers take part (RFC 7118), when the SIP server is ours; `certificate` is the file (PEM) that WSS proves itself by. */
  webrtc?: { ws: string; wss: string; certificate: string };
  /** What to dial for the demo. */
  sipUri: string;
  /** `key` is the account's, `adminKey` the administrator's. */
  api: { url: string; key: string; adminKey: string };
  accountSid: string;
  /** With which webhooks of the account are signed (`Jambonz-Signature`). */
  webhookSecret?: string;
  serviceProviderSid: string;
  /** The carrier of the demo numbers. */
  voipCarrierSid: string;
  /** Application sid by name. */
  applications: Record<string, string>;
  numbers: DemoNumber[];
  /** Users of the demo account; none where it has a realm of its own. */
  users: DemoUser[];
  mysql: Address & { user: string; password: string; database: string };
  redis: Address;
  rtpengine?: Address;
  drachtio: { edge: Address & { secret: string }; core: Address & { secret: string } };
  freeswitch: Address & { password: string };
  examples: { url: string };
  /** Base URL of each process that serves `/health` and `/metrics`. */
  metrics: Record<string, string>;
  /** Pids by name; after a restart of a process the file is written again. */
  processes: Record<string, number>;
  /** Folder of the logs. */
  logs: string;
}

/** File that describes the running instance of a data directory. */
export const instanceFile = (dataDir: string): string => join(dataDir, 'ringwire.json');

/** Writes a file so that readers see the old or the new one, readable for its owner only. */
export function writePrivately(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    const { pid, startTicks, bootId } = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return { pid, startTicks, bootId };
  } catch {
    return undefined; // No lock, or one cut short by a crash: nobody that could be named holds it.
  }
}

/**
 * Takes a data directory for this process, so that two launchers never run on the same data.
 * @returns releases it.
 * @throws {AlreadyRunningError} naming the pid of the launcher that has it.
 */
export function lockDataDir(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'instance.lock');
  const me = identify(process.pid) ?? { pid: process.pid, startTicks: 0, bootId: '' };
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify(me), { flag: 'wx', mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(file);
    if (holder !== undefined && isSameProcessAlive(holder)) {
      throw new AlreadyRunningError(`Ringwire already runs on ${dataDir} (pid ${holder.pid})`, { pid: holder.pid });
    }
    rmSync(file, { force: true });
  }
}
