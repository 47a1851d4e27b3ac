import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startProgram, stopPrograms, withinStart } from '../processes.js';
import { EslClient } from './esl-client.js';
import { listenerPid } from './sockets.js';

const SERVER = fileURLToPath(import.meta.resolve('@ringwire/media-server/main.js'));
/** Beside the ports that a FreeSWITCH in the same run has, below those that the kernel gives away. */
const RTP_PORTS = '25000-31999';
const MAX_SESSIONS = 3000;
/** As the launcher starts it. */
const NODE_FLAGS = ['--single-threaded-gc'];

/** Where an event socket listens. */
export interface EslAddress {
  host: string;
  port: number;
  password: string;
}

/** A media server that is measured. */
export interface MediaServerUnderTest {
  name: 'ringwire' | 'freeswitch';
  pid: number;
  sip: { host: string; port: number };
  esl: EslAddress;
  /** Ends it, if the benchmark has started it. */
  stop(): Promise<void>;
}

/** Ours, as `npm run media-server` starts it. `BENCH_NODE_FLAGS` of the environment go to Node. */
export async function startRingwire(serverFlags: readonly string[]): Promise<MediaServerUnderTest> {
  const flags = ['--sip', '127.0.0.1:0', '--esl', '127.0.0.1:0', '--rtp-ports', RTP_PORTS];
  const more = ['--max-sessions', String(MAX_SESSIONS), ...serverFlags];
  const nodeFlags = [...NODE_FLAGS, ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? [])];
  const child = startProgram([process.execPath, ...nodeFlags, SERVER, ...flags, ...more], true);
  const [ready] = (await withinStart(once(child, 'message'), child)) as [{ sip: string; esl: string }];
  return {
    name: 'ringwire',
    pid: child.pid!,
    sip: addressOf(ready.sip),
    esl: { ...addressOf(ready.esl), password: 'ClueCon' },
    stop: () => stopPrograms(child),
  };
}

/** A FreeSWITCH that runs on this machine, found by its event socket. */
export async function findFreeSwitch(esl: EslAddress): Promise<MediaServerUnderTest> {
  const client = await EslClient.connect(esl);
  try {
    const status = await client.api('sofia status');
    const [, host = '', port = ''] = /\bsip:mod_sofia@([^:\s]+):(\d+)\s+RUNNING/.exec(status) ?? [];
    if (!host) throw new Error('the FreeSWITCH has no running SIP profile');
    const pid = await listenerPid(esl.port);
    return { name: 'freeswitch', pid, sip: { host, port: Number(port) }, esl, stop: async () => {} };
  } finally {
    client.close();
  }
}

function addressOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}
