import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { MediaServer } from './server.js';
import { startServer } from './test-peer.js';
import type { Teardown } from './test-phone.js';

/** What these tests use of drachtio-fsmrf and drachtio-srf, which have no types that fit. */
export interface Endpoint {
  uuid: string;
  local: { sdp: string; mediaIp: string; mediaPort: string };
  remote: { sdp: string };
  dtmfType: string;
  sip: { callId: string };
  connected: boolean;
  play(file: string | string[] | { file: string; seekOffset?: number; timeoutSecs?: number }): Promise<{
    playbackSeconds: string;
    playbackMilliseconds: string;
  }>;
  playCollect(options: object): Promise<{ digits: string; terminatorUsed: string }>;
  record(file: string, options: object): Promise<{ recordMilliseconds: string }>;
  recordSession(file: string): Promise<unknown>;
  set(values: Record<string, string>): Promise<void>;
  export(name: string, value: string): Promise<void>;
  getChannelVariables(includeMedia: boolean): Promise<Record<string, string | number>>;
  api(command: string, args?: unknown): Promise<{ body: string }>;
  modify(sdp: string): Promise<string>;
  bridge(other: Endpoint | string): Promise<void>;
  unbridge(): Promise<void>;
  mute(): Promise<unknown>;
  join(
    room: string | Conference,
    options?: { flags?: Record<string, boolean>; pin?: string },
  ): Promise<{ memberId: number; confUuid: string }>;
  confMute(): Promise<string>;
  confUnmute(): Promise<string>;
  confDeaf(): Promise<string>;
  confUndeaf(): Promise<string>;
  confKick(): Promise<string>;
  confPlay(file: string): Promise<unknown>;
  unjoin(): Promise<string>;
  transfer(room: string | Conference): Promise<string>;
  getNonMatchingConfParticipants(room: string, tag: string): Promise<number[]>;
  destroy(): Promise<void>;
  on(event: string, listener: (facts: Record<string, string>) => void): void;
  once(event: string, listener: (facts: Record<string, string>) => void): void;
}

/** A conference as drachtio-fsmrf shows it. */
export interface Conference extends NodeJS.EventEmitter {
  name: string;
  uuid: string;
  memberId: number;
  maxMembers: number;
  endpoint: Endpoint;
  participants: Map<number, object>;
  play(file: string | string[]): Promise<{ seconds: number; milliseconds: number; samples: number }>;
  startRecording(path: string): Promise<string>;
  pauseRecording(path: string): Promise<string>;
  resumeRecording(path: string): Promise<string>;
  stopRecording(path: string): Promise<string>;
  destroy(): Promise<void>;
}

/** A media server as drachtio-fsmrf shows it. */
export interface MediaServerClient {
  sip: { ipv4: { udp: { address: string } } };
  maxSessions: number;
  currentSessions: number;
  conn: NodeJS.EventEmitter;
  createEndpoint(options?: {
    remoteSdp?: string;
    codecs?: string[];
    headers?: Record<string, string>;
  }): Promise<Endpoint>;
  createConference(name: string, options?: { maxMembers?: number }): Promise<Conference>;
  api(command: string): Promise<string>;
  disconnect(): void;
}

interface Srf extends NodeJS.EventEmitter {
  connect(options: { host: string; port: number; secret: string }): void;
  disconnect(): void;
}

const require = createRequire(import.meta.url);
const SrfClass = require('drachtio-srf') as new () => Srf;
const Mrf = require('drachtio-fsmrf') as new (
  srf: Srf,
) => {
  connect(options: {
    address: string;
    port: number;
    secret: string;
    listenAddress: string;
  }): Promise<MediaServerClient>;
};

/** Starts the embedded SIP server as a process of its own. */
async function startSipServer(t: Teardown): Promise<number> {
  const main = fileURLToPath(import.meta.resolve('@ringwire/sip-server/main.js'));
  const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--address', '127.0.0.1', '--port', '0'];
  const child: ChildProcess = spawn(process.execPath, [main, ...flags, '--loglevel', 'error'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [{ controlPort: number }];
  return ready.controlPort;
}

/** Unmodified drachtio-srf and drachtio-fsmrf against our SIP server and our media server. */
export async function connectFsmrf(
  t: Teardown,
  flags: string[] = [],
): Promise<{ server: MediaServer; ms: MediaServerClient }> {
  const server = await startServer(t, ['--heartbeat-ms', '100', ...flags]);
  const srf = new SrfClass();
  srf.connect({ host: '127.0.0.1', port: await startSipServer(t), secret: 'cymru' });
  await once(srf, 'connect');
  const port = Number(server.esl.split(':')[1]);
  const ms = await new Mrf(srf).connect({ address: '127.0.0.1', port, secret: 'ClueCon', listenAddress: '127.0.0.1' });
  t.teardown(() => {
    ms.disconnect();
    srf.disconnect();
  });
  return { server, ms };
}
