/**
 * The engines below a feature server under test: our own, each test's for itself, or real ones that environment variables name:
 * `FREESWITCH=host:port:password`, a FreeSWITCH that runs, and `DRACHTIO_SERVER=/path/to/drachtio`, which each test starts for itself.
 */
import { type MediaServer, readOptions, startMediaServer } from '@ringwire/media-server';
import { readArguments, type SipServer, startSipServer } from '@ringwire/sip-server';
import { DRACHTIO, startDrachtio } from '@ringwire/sip-server/test-drachtio.js';
import { EventSocketClient } from './event-socket-client.js';
import { silentLogger } from './fakes.js';

const FREESWITCH = process.env.FREESWITCH || undefined;

/** Whether a real FreeSWITCH is under test. */
export const isFreeSwitch = FREESWITCH !== undefined;

/** Whether a real drachtio-server is under test. */
export const isDrachtio = DRACHTIO !== undefined;

/** Options of a test whose promise a real FreeSWITCH does not keep, and why. */
export const withoutFreeSwitch = (why: string): { skip?: string } => (FREESWITCH ? { skip: `FreeSWITCH ${why}` } : {});

/** A SIP server that can be stopped and started again on its ports. */
export interface SipEngine {
  readonly port: number;
  readonly controlPort: number;
  /** The transports at which it listens, as SIP URIs. */
  readonly contacts: readonly string[];
  /** How many dialogs it holds; a drachtio-server does not tell. */
  dialogCount(): number;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** A media server. */
export interface MediaEngine {
  readonly host: string;
  readonly port: number;
  readonly password: string;
  /** What there is of this test's calls: channels and conferences by name. */
  held(): Promise<string[]>;
  /** How many are in these conferences. */
  memberCount(): Promise<number>;
  /** Ours only: a real one is not stopped. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Lets go of it. */
  close(): Promise<void>;
}

/** Starts a SIP server on free ports of loopback. */
export async function openSipEngine(): Promise<SipEngine> {
  const start = (sipPort: number, controlPort: number): Promise<SipServer> => {
    const contact = ['--contact', `sip:127.0.0.1:${sipPort};transport=udp,tcp`];
    if (DRACHTIO) return startDrachtio(DRACHTIO, contact, {}, 'cymru', controlPort || undefined);
    const argv = readArguments([...contact, '--port', String(controlPort)]);
    return startSipServer(argv, { logger: silentLogger, instanceId: 'sip' });
  };
  let server = await start(0, 0);
  const { contacts, controlPort } = server;
  const port = Number(/:(\d+)/.exec(contacts[0]?.slice(4) ?? '')?.[1]);
  return {
    port,
    controlPort,
    contacts,
    dialogCount: () => (DRACHTIO ? 0 : server.bridge.dialogCount + server.bridge.earlyDialogCount),
    stop: () => server.stop(),
    async start() {
      server = await start(port, controlPort);
    },
  };
}

/**
 * Starts a media server on free ports of loopback, or connects to the FreeSWITCH that is there.
 * @param sipPort - of the SIP server over which it is called
 */
export function openMediaEngine(sipPort: number): Promise<MediaEngine> {
  return FREESWITCH ? useFreeSwitch(FREESWITCH, sipPort) : startOurs();
}

// In real time its threads would keep the phones, which live in this process, from talking.
const MEDIA_FLAGS = [
  '--rtp-ports',
  '0-0',
  '--realtime',
  'off',
  '--preload-decoders',
  'off',
  '--fetch-private',
  'loopback',
];

async function startOurs(): Promise<MediaEngine> {
  const start = (sip: string, esl: string): Promise<MediaServer> =>
    startMediaServer(readOptions(['--sip', sip, '--esl', esl, ...MEDIA_FLAGS]), silentLogger, 'media');
  let server = await start('127.0.0.1:0', '127.0.0.1:0');
  return {
    host: '127.0.0.1',
    port: Number(server.esl.split(':')[1]),
    password: 'ClueCon',
    held: async () => [
      ...server.channels.all().map(({ uuid }) => `channel ${uuid} of the media server`),
      ...server.conferences.all().map(({ name }) => `conference ${name} of the media server`),
    ],
    memberCount: async () => server.conferences.all().reduce((count, { members }) => count + members.size, 0),
    stop: () => server.close(),
    async start() {
      server = await start(server.sip, server.esl);
    },
    close: () => server.close(),
  };
}

async function useFreeSwitch(address: string, sipPort: number): Promise<MediaEngine> {
  const [host = '127.0.0.1', port = '8021', password = 'ClueCon'] = address.split(':');
  const client = await EventSocketClient.connect({ host, port: Number(port), password });
  const channels = async (): Promise<string[]> => {
    const { rows = [] } = JSON.parse(await client.api('show channels as json')) as { rows?: { name: string }[] };
    // It serves others too: whose a channel is tells the SIP server that it came from.
    return rows.filter(({ name }) => name.endsWith(`:${sipPort}`)).map(({ name }) => `channel ${name} of FreeSWITCH`);
  };
  const conferences = async (): Promise<{ name: string; members: number }[]> => {
    const list = await client.api('conference list summary');
    const found = list.matchAll(/^(?:\+OK )?Conference (\S+) \((\d+) member/gm);
    return [...found].map(([, name = '', members]) => ({ name, members: Number(members) }));
  };
  const others = new Set((await conferences()).map(({ name }) => name));
  const ours = async () => (await conferences()).filter(({ name }) => !others.has(name));
  const refuse = () => Promise.reject(new Error('a real FreeSWITCH is not stopped: skip the test there'));
  return {
    host,
    port: Number(port),
    password,
    held: async () => [...(await channels()), ...(await ours()).map(({ name }) => `conference ${name} of FreeSWITCH`)],
    memberCount: async () => (await ours()).reduce((count, { members }) => count + members, 0),
    stop: refuse,
    start: refuse,
    close: async () => client.close(),
  };
}
