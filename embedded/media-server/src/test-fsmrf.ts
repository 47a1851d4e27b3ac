import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { correlate } from '@ringwire/rtp';
import type { MediaServer } from './server.js';
import type {
  Conference,
  ConnectOptions,
  Endpoint,
  EndpointOptions,
  EslEvent,
  MediaServerClient,
  Mrf,
  Srf,
} from './test-fsmrf-types.js';
import { PhoneMedia, QUIET, startServer } from './test-peer.js';
import type { PhoneOptions, Teardown } from './test-phone.js';

export type * from './test-fsmrf-types.js';

const require = createRequire(import.meta.url);
const SrfClass = require('drachtio-srf') as new () => Srf;
/** The module drachtio-fsmrf. */
export const MrfClass = require('drachtio-fsmrf') as (new (
  srf: Srf,
  options?: { customEvents?: string[] },
) => Mrf) & {
  utils: { parseBodyText(text: string): Record<string, string | number> };
};

/** `host:port:password` of a real FreeSWITCH against which the tests of fsmrf's methods run in the place of our own server. */
const FREESWITCH = process.env.FREESWITCH;

/** Options of a test that a FreeSWITCH cannot pass whose build has not what it needs. */
export function needs(module: string): { skip: string | false } {
  return { skip: FREESWITCH ? `this FreeSWITCH has no ${module}` : false };
}

/** Whether the tests run against our own server. */
export const isOurs = FREESWITCH === undefined;

/** The embedded SIP server and an application of drachtio-srf on it. */
interface SipSide {
  srf: Srf;
  /** `host:port` to which callers send. */
  sipAddress: string;
}

/** Starts the embedded SIP server as a process of its own. */
async function startSipServer(t: Teardown): Promise<{ controlPort: number; contacts: string[] }> {
  const main = fileURLToPath(import.meta.resolve('@ringwire/sip-server/main.js'));
  const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--address', '127.0.0.1', '--port', '0'];
  const child: ChildProcess = spawn(process.execPath, [main, ...flags, '--loglevel', 'error'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [{ controlPort: number; contacts: string[] }];
  return ready;
}

/** Unmodified drachtio-srf on our SIP server. */
export async function connectSrf(t: Teardown): Promise<SipSide> {
  const { controlPort, contacts } = await startSipServer(t);
  const srf = new SrfClass();
  srf.connect({ host: '127.0.0.1', port: controlPort, secret: 'cymru' });
  await once(srf, 'connect');
  t.teardown(() => srf.disconnect());
  return { srf, sipAddress: /\d+\.\d+\.\d+\.\d+:\d+/.exec(contacts[0]!)![0] };
}

/** Unmodified drachtio-srf and drachtio-fsmrf against our SIP server and our media server. */
export async function connectFsmrf(
  t: Teardown,
  flags: string[] = [],
): Promise<{ server: MediaServer; ms: MediaServerClient }> {
  const server = await startServer(t, ['--heartbeat-ms', '100', ...flags]);
  return { server, ms: await connectClient(t, server.esl) };
}

/** The same against a media server that is a process of its own, with these environment variables besides ours. */
export async function connectFsmrfToProcess(
  t: Teardown,
  environment: Record<string, string>,
): Promise<MediaServerClient> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const flags = ['--sip', '127.0.0.1:0', '--esl', '127.0.0.1:0', '--rtp-ports', '0-0', ...QUIET];
  const child = spawn(process.execPath, [main, ...flags], {
    env: { ...process.env, LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [{ esl: string }];
  return connectClient(t, ready.esl);
}

async function connectClient(t: Teardown, esl: string): Promise<MediaServerClient> {
  const { srf } = await connectSrf(t);
  const address = '127.0.0.1';
  const port = Number(esl.split(':')[1]);
  const ms = await new MrfClass(srf).connect({ address, port, secret: 'ClueCon', listenAddress: address });
  t.teardown(() => ms.disconnect());
  return ms;
}

/** A media server through drachtio-fsmrf: ours, or the real one that `FREESWITCH` names. */
export interface AnyMediaServer extends SipSide {
  ms: MediaServerClient;
  mrf: Mrf;
  target: ConnectOptions;
  /** Lets a phone be the remote side of an endpoint that has none. */
  giveMedia(t: Teardown, ep: Endpoint): Promise<PhoneMedia>;
  /** A conference that goes with the test. */
  room(t: Teardown, options?: { maxMembers?: number }): Promise<Conference>;
  /** Resolves when the media server says that so much time has passed. */
  pass(ms: number): Promise<void>;
  /** A phone with its media at a new endpoint, which goes with the test. */
  phone(t: Teardown, options?: EndpointOptions, phone?: PhoneOptions): Promise<{ ep: Endpoint; media: PhoneMedia }>;
}

/** Connects to ours or to the real one. */
export async function connectAny(t: Teardown, customEvents: string[] = []): Promise<AnyMediaServer> {
  const sip = await connectSrf(t);
  const target = await targetOf(t);
  const mrf = new MrfClass(sip.srf, { customEvents });
  const ms = await mrf.connect(target);
  t.teardown(() => ms.disconnect());
  let clock: Promise<Endpoint> | undefined;
  t.teardown(async () => {
    // A channel that stays would keep its socket to us, and so this process.
    if (clock) await ms.api(`uuid_kill ${(await clock).uuid}`);
  });
  return {
    ...sip,
    ms,
    mrf,
    target,
    giveMedia,
    async room(t, options = {}) {
      const conference = await ms.createConference(`room-${randomUUID()}`, options);
      t.teardown(() => ms.api(`uuid_kill ${conference.endpoint.uuid}`));
      // FreeSWITCH executes nothing in a conference as long as the control leg has no media.
      await giveMedia(t, conference.endpoint);
      return conference;
    },
    async pass(duration) {
      clock ??= ms.createEndpoint();
      await (await clock).execute('sleep', String(duration));
    },
    async phone(t, options = {}, phoneOptions = {}) {
      const media = await PhoneMedia.open(t, phoneOptions);
      const ep = await ms.createEndpoint({ remoteSdp: media.offer(), ...options });
      // Whatever became of it: destroy() does not end when the other side has hung up meanwhile.
      t.teardown(() => ms.api(`uuid_kill ${ep.uuid}`));
      media.start(ep.local.sdp);
      // Its subscriptions are in force when a later command has been answered.
      await ep.api('echo', 'x');
      return { ep, media };
    },
  };
}

async function giveMedia(t: Teardown, ep: Endpoint): Promise<PhoneMedia> {
  const media = await PhoneMedia.open(t);
  media.start(await ep.modify(media.offer()));
  return media;
}

async function targetOf(t: Teardown): Promise<ConnectOptions> {
  const address = '127.0.0.1';
  if (FREESWITCH) {
    const [host = address, port = '8021', secret = 'ClueCon'] = FREESWITCH.split(':');
    return { address: host, port: Number(port), secret, listenAddress: address };
  }
  const server = await startServer(t, ['--heartbeat-ms', '1000']);
  return { address, port: Number(server.esl.split(':')[1]), secret: 'ClueCon', listenAddress: address };
}

/** Resolves with the next event of a conference of that name. */
export async function nextOf(conference: Conference, name: string): Promise<EslEvent> {
  return ((await once(conference, name)) as [EslEvent])[0];
}

/** Resolves with the next event of that name. */
export function nextEvent(ep: Endpoint, name: string): Promise<Record<string, string>> {
  return new Promise((resolve) => ep.once(name, resolve));
}

/** Resolves with the cause when the endpoint is gone; a real FreeSWITCH may close the socket before it has told one. */
export async function goneWith(ep: Endpoint): Promise<string> {
  const facts = await new Promise<Record<string, string> | undefined>((resolve) => ep.once('destroy', resolve));
  return facts?.reason ?? 'unknown';
}

/** Checks the cause that {@link goneWith} found. */
export function checkCause(t: { ok(value: unknown, message: string): unknown }, found: string, wanted: string): void {
  t.ok(found === wanted || (!isOurs && found === 'unknown'), `gone with ${found}, not ${wanted}`);
}

/** How well the second best quarter of what was said is found in what was heard: a pause of a busy machine spoils one or two. */
export function resemblance(heard: Int16Array, said: Int16Array): number {
  const part = said.length >> 2;
  const parts = [0, 1, 2, 3].map((i) => correlate(heard, said.subarray(i * part, (i + 1) * part)).coefficient);
  return parts.sort((a, b) => b - a)[1]!;
}
