import { once } from 'node:events';
import { createLogger } from '@ringwire/common/log/logger.js';
import { bracketed, createUserAgent, type SipTimers, type TransportName, type UserAgent } from '@ringwire/sip';
import { readArguments } from './arguments.js';
import { type SipServer, type SipServerSurroundings, startSipServer } from './server.js';
import { type App, type AppMessage, newApp } from './test-app.js';
import { DRACHTIO, startDrachtio } from './test-drachtio.js';

/** Options of a test about what only our server does; its name ends in "(not drachtio)". */
export const notDrachtio = DRACHTIO ? { skip: 'only our own server does this' } : {};

/** Where clean-up is registered: a tap test. */
export interface Teardown {
  teardown(fn: () => unknown): void;
}

/** All SIP timers of tests hang on this: 64 * T1 is 1.3 s. */
const TIMERS: Partial<SipTimers> = { T1: 20 };
const SECRET = 'cymru';

/**
 * The server under test on free ports of loopback, over UDP and TCP when the flags name no contact: ours, or the real
 * drachtio-server where DRACHTIO_SERVER names its program.
 */
export async function startServer(
  t: Teardown,
  flags: string[] = [],
  timers = TIMERS,
  around: Partial<SipServerSurroundings> = {},
): Promise<SipServer> {
  const contact = flags.includes('--contact') ? [] : ['--contact', 'sip:127.0.0.1:0;transport=udp,tcp'];
  if (DRACHTIO) {
    const server = await startDrachtio(DRACHTIO, [...contact, ...flags], timers, SECRET);
    t.teardown(() => server.stop());
    return server;
  }
  const argv = [...contact, '--port', '0', '--http-port', '0', ...flags];
  const logger = createLogger({ name: 'sip-server', level: 'silent' });
  const server = await startSipServer(readArguments(argv), { logger, instanceId: 'test', timers, ...around });
  t.teardown(() => server.stop());
  return server;
}

/** An application connected to the server; resolves when it has authenticated and its routes are in force. */
export async function connectApp(
  t: Teardown,
  server: SipServer,
  setUp: (srf: App) => void = () => {},
  tags: string[] = [],
): Promise<App> {
  const srf = newApp(tags);
  t.teardown(() => disconnect(srf));
  setUp(srf);
  srf.connect({ host: '127.0.0.1', port: server.controlPort, secret: SECRET });
  srf.on('error', () => {});
  await once(srf, 'connect');
  // Routes are sent before this ping and handled in order.
  await roundTrip(srf);
  return srf;
}

/** Waits until the server has handled everything that the application sent before. */
async function roundTrip(srf: App): Promise<void> {
  // An ACK outside dialogs is always refused.
  await new Promise<void>((resolve) => srf.request('sip:127.0.0.1:1', { method: 'ACK' }, () => resolve()));
}

/** Ends an application's connection for good. */
export function disconnect(srf: App): void {
  try {
    srf.disconnect();
  } catch (err) {
    // Its socket is gone already.
    if (!(err instanceof Error)) throw err;
  }
}

/** A telephone on free ports of loopback, over UDP and TCP. */
export async function startPhone(t: Teardown): Promise<UserAgent> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const phone = await createUserAgent({ listen, timers: TIMERS });
  t.teardown(() => phone.stop());
  return phone;
}

/** The server's URI over a transport, with a user part. */
export function uriOf(server: SipServer, user = '100', transport: TransportName = 'udp'): string {
  const { host, port } = server.layer.addressFor(transport);
  return `sip:${user}@${bracketed(host)}:${port};transport=${transport}`;
}

/**
 * Waits until the server holds this many dialogs. drachtio-server tells its number every 30 s only: there nothing is
 * waited for.
 */
export async function heldDialogs(server: SipServer, count: number): Promise<void> {
  if (!DRACHTIO) await until(() => server.bridge.dialogCount === count);
}

/** Waits until the server holds no dialog and no open transaction of an application; see {@link heldDialogs}. */
export async function nothingHeld(server: SipServer): Promise<void> {
  const { bridge } = DRACHTIO ? {} : server;
  if (bridge) await until(() => bridge.dialogCount + bridge.pendingCounts.server + bridge.pendingCounts.client === 0);
}

/** Waits until the server has noticed that one of its applications has gone, another being still there. */
export async function lostClient(server: SipServer, other: App): Promise<void> {
  if (!DRACHTIO) return await until(() => server.counters.clientsLost > 0);
  // It reads its connections in the order in which something came.
  await roundTrip(other);
  await roundTrip(other);
}

/** Sends a request of an application outside dialogs; resolves with the final response. */
export async function appRequest(srf: App, uri: string, options: Parameters<App['request']>[1]): Promise<AppMessage> {
  return await new Promise((resolve, reject) => {
    srf.request(uri, options, (err, req) => {
      if (err || !req) reject(err instanceof Error ? err : new Error(String(err)));
      else req.on('response', (res: AppMessage) => (res.status >= 200 ? resolve(res) : undefined));
    });
  });
}

/** Waits until a condition holds; the test's own time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** SDP that drachtio-srf and its parser accept. */
export function sdp(port: number): string {
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    'a=sendrecv',
    '',
  ].join('\r\n');
}
