import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { announce, FEATURE_SERVERS, type FeatureServerInfo, featureServerKey } from '@ringwire/common';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { openSeededDatabase, startStores, type Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import { startRtpengine } from '@ringwire/services';
import { startProgram, stopPrograms, withinStart } from '../processes.js';

const program = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const SIP_SERVER = program('embedded/sip-server/dist/main.js');
const SBC_OUTBOUND = program('sbc-outbound/dist/main.js');
const SECRET = 'cymru';
/** Below the ports that the kernel gives away, and enough for a thousand calls at once. */
const MEDIA_PORTS = { first: 20_000, last: 29_998 };

/** What is measured: the way out with its SIP server, and where sipp finds and is found by it. */
export interface OutboundRig {
  /** The edge's SIP server. */
  sipPort: number;
  /** Where sipp must be for its INVITEs to be a feature server's. */
  featureServerPort: number;
  /** Where the carrier's gateway is. */
  carrierPort: number;
  /** Process ids, by name. */
  processes: Record<string, number>;
  /** What makes an INVITE a call of the account to a number. */
  headers: Record<string, string>;
}

/** Starts stores, SIP server and sbc-outbound, each a process, with a carrier of one gateway. */
export async function startOutboundRig(t: Teardown, { relay }: { relay: boolean }): Promise<OutboundRig> {
  const stores = await startStores(t);
  const [sipPort, controlPort, featureServerPort, carrierPort] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  await writeCarrier(stores.env, carrierPort);
  const info: FeatureServerInfo = {
    instanceId: 'sipp',
    sipAddress: `127.0.0.1:${featureServerPort}`,
    httpUrl: 'http://127.0.0.1:9',
    calls: 0,
    accepting: true,
  };
  const announcement = announce({
    redis: stores.redis,
    setKey: FEATURE_SERVERS,
    key: featureServerKey(info.instanceId),
    instanceId: info.instanceId,
    info: () => info,
    logger: silentLogger(),
  });
  t.teardown(() => announcement.close());
  await announcement.ready;
  const { RTPENGINE_HOST, RTPENGINE_PORT, ...env } = stores.env;
  const media = relay ? await startRelay(t, stores.env) : undefined;
  const sipServer = await startNode(t, SIP_SERVER, [
    ...['--contact', `sip:127.0.0.1:${sipPort};transport=udp`, '--port', String(controlPort)],
    ...['--http-port', '0', '--loglevel', 'warn'],
  ]);
  const sbc = await startNode(t, SBC_OUTBOUND, [], {
    ...process.env,
    ...env,
    ...media?.env,
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: String(controlPort),
    DRACHTIO_SECRET: SECRET,
    MAX_CALLS: '10000',
    LOG_LEVEL: 'warn',
  });
  return {
    sipPort,
    featureServerPort,
    carrierPort,
    processes: {
      'sbc-outbound': sbc.pid!,
      'SIP server': sipServer.pid!,
      ...(media ? { rtpengine: media.pid } : {}),
    },
    headers: { 'X-Account-Sid': SEED.accountSid, 'X-Jambonz-Routing': 'phone' },
  };
}

async function startRelay(t: Teardown, { dataDir = '/tmp' }: Record<string, string>) {
  const service = await startRtpengine({ dataDir, ports: MEDIA_PORTS });
  t.teardown(() => service.stop());
  const { host, port, child } = service;
  return { env: { RTPENGINE_HOST: host, RTPENGINE_PORT: String(port) }, pid: child.pid ?? 0 };
}

async function startNode(t: Teardown, main: string, args: string[], env?: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = startProgram([process.execPath, main, ...args], true, env);
  t.teardown(() => stopPrograms(child));
  const [message] = (await withinStart(once(child, 'message'), child)) as [{ type: string }];
  if (message.type !== 'ready') throw new Error(`${main} is not ready: ${JSON.stringify(message)}`);
  return child;
}

async function writeCarrier(env: Record<string, string>, port: number): Promise<void> {
  const db = openSeededDatabase(env);
  try {
    const carrierSid = randomUUID();
    await db.execute('DELETE FROM sip_gateways WHERE outbound = 1', []);
    await db.execute(
      'INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid) VALUES (?)',
      [[carrierSid, 'sipp', SEED.accountSid, SEED.serviceProviderSid]],
    );
    await db.execute(
      'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, inbound, outbound, voip_carrier_sid) VALUES (?)',
      [[randomUUID(), '127.0.0.1', port, 0, 1, carrierSid]],
    );
  } finally {
    await db.close();
  }
}
