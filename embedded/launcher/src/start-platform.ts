import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createLogger, ensureDatabase, migrate, openDatabase } from '@ringwire/common';
import {
  findProgram,
  keepSecrets,
  type ManagedProcess,
  type ServiceOptions,
  startMariaDb,
  startRedis,
  startRtpengine,
} from '@ringwire/services';
import { addressOfMachine, type BrowserEdge, certificateOf, readBrowserEdge } from './browser-edge.js';
import { checkExistingServices } from './check-existing.js';
import { type ExistingServices, readExistingServices } from './existing-services.js';
import {
  type Address,
  type DemoUser,
  type InstanceDescription,
  instanceFile,
  lockDataDir,
  writePrivately,
} from './instance.js';
import { type LauncherProgress, Parts } from './parts.js';
import { choosePorts, type RtpSlot, takeRtpSlot, type WantedPort } from './port-book.js';
import {
  examplesPlan,
  HOST,
  mediaServerPlan,
  type Ports,
  platformPlans,
  type ServiceAddresses,
  sipServerPlan,
  WANTED_PORTS,
} from './process-plan.js';
import { DEMO_NUMBERS, type Seeded, seedDemo } from './seed-store.js';
import { untilServing } from './serving.js';

/** What a platform is started with. */
export interface StartPlatformOptions {
  /** Folder that holds everything of this installation; made when it is not there. */
  dataDir: string;
  /** Environment of the processes; also says which existing services to use. @defaultValue that of this process */
  env?: NodeJS.ProcessEnv;
  onProgress?: (progress: LauncherProgress) => void;
  /** Start the example applications. @defaultValue true */
  demoApps?: boolean;
  /** Where to send the hooks of the demo applications instead of the examples. */
  examplesUrl?: string;
  /** Use the port numbers that people know (5060, 3000) where they are free. @defaultValue false */
  wellKnownPorts?: boolean;
  /** Aborting ends the start. */
  signal?: AbortSignal;
}

/** A running platform. */
export interface Platform {
  /** What stands in `ringwire.json` of the data directory. */
  instance: InstanceDescription;
  processes: ReadonlyMap<string, ManagedProcess>;
  /** Stops everything within ten seconds and releases the data directory. May be called again. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
}

/** The state of one start; each method starts a group of parts. */
interface Start {
  options: StartPlatformOptions;
  env: NodeJS.ProcessEnv;
  dataDir: string;
  existing: ExistingServices;
  browsers: BrowserEdge;
  ports: Ports;
  slot: RtpSlot;
  parts: Parts;
  secrets: Record<'encryptionSecret' | 'edgeSecret' | 'coreSecret' | 'eslPassword', string>;
}

/**
 * Starts a whole platform on this machine: services, engines, processes and the example applications, private ones
 * unless the environment names existing ones. Whatever dies is started again until {@link Platform.stop}.
 *
 * @throws {AlreadyRunningError} when another launcher has the data directory.
 * @throws {PartFailedError} when a part does not start; everything started before has been stopped then.
 * @throws {StartInterruptedError} when the signal was aborted.
 * @throws {ConfigError} when the environment is wrong.
 * @throws {ExistingServiceError} when an existing service cannot be used; nothing has been started then.
 */
export async function startPlatform(options: StartPlatformOptions): Promise<Platform> {
  const dataDir = resolve(options.dataDir);
  const env = options.env ?? process.env;
  const existing = readExistingServices(env);
  const browsers = readBrowserEdge(env);
  const release = lockDataDir(dataDir);
  let start: Start | undefined;
  let undo: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    undo ??= (async () => {
      rmSync(instanceFile(dataDir), { force: true });
      await start?.parts.stop();
      start?.slot.release();
      release();
    })();
    return undo;
  };
  const interrupt = (): void => void stop();
  options.signal?.addEventListener('abort', interrupt, { once: true });
  try {
    await checkExistingServices(existing, options);
    start = await prepareStart(options, { dataDir, env, existing, browsers });
    const instance = await startParts(start);
    options.signal?.removeEventListener('abort', interrupt);
    const { parts } = start;
    for (const managed of parts.processes.values()) {
      managed.on('ready', () => {
        instance.processes = parts.pids();
        if (undo === undefined) writePrivately(instanceFile(dataDir), instance);
      });
    }
    return { instance, processes: parts.processes, stop, kill: () => parts.kill() };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepareStart(
  options: StartPlatformOptions,
  facts: Pick<Start, 'dataDir' | 'env' | 'existing' | 'browsers'>,
): Promise<Start> {
  const { dataDir, env } = facts;
  const onProgress = options.onProgress ?? (() => {});
  mkdirSync(join(dataDir, 'logs'), { recursive: true });
  rmSync(instanceFile(dataDir), { force: true });
  const logger = createLogger({ name: 'launcher', level: 'silent' });
  const { signal } = options;
  const parts = new Parts({ dataDir, env, onProgress, logger, ...(signal === undefined ? {} : { signal }) });
  const leftovers = await parts.registry.endLeftovers();
  if (leftovers.length > 0)
    onProgress({ type: 'note', text: `ended what a killed start left: ${leftovers.join(', ')}` });
  const secrets = await keepSecrets(dataDir, ['encryptionSecret', 'edgeSecret', 'coreSecret', 'eslPassword']);
  // The real secret comes with the environment where there is a real database.
  if (env.ENCRYPTION_SECRET) secrets.encryptionSecret = env.ENCRYPTION_SECRET;
  const wanted: Record<keyof Ports, WantedPort> = { ...WANTED_PORTS };
  if (options.wellKnownPorts !== true) {
    for (const [name, { kind }] of Object.entries(WANTED_PORTS)) wanted[name as keyof Ports] = { kind };
  }
  const slot = await takeRtpSlot();
  const ports = await choosePorts(dataDir, wanted, slot.services).catch((error: unknown) => {
    slot.release();
    throw error;
  });
  return { options, ...facts, ports, slot, parts, secrets };
}

async function startParts(start: Start): Promise<InstanceDescription> {
  const { options, ports, parts, secrets, dataDir } = start;
  const examplesUrl = options.examplesUrl ?? `http://${HOST}:${ports.examples}`;
  const mysql = startMysql(start);
  const seeded = mysql.then((address) => migrateAndSeed(start, address, examplesUrl));
  const stores = await settleAll([mysql, startRedisPart(start), startRelay(start), seeded] as const, [
    startEngines(start),
    ...(options.demoApps === false ? [] : [parts.program(examplesPlan(ports.examples))]),
  ]);
  const [mysqlAddress, redis, rtpengine, seed] = stores;
  const services: ServiceAddresses = {
    mysql: mysqlAddress,
    redis,
    ...(rtpengine === undefined ? {} : { rtpengine }),
    ...engineAddresses(start),
  };
  const plans = platformPlans(services, {
    ports,
    encryptionSecret: secrets.encryptionSecret,
    ttsCacheDir: join(dataDir, 'tts-cache'),
    recordingsDir: join(dataDir, 'recordings'),
    sipCaptures: {
      ...(start.existing.edge === undefined ? { edge: ports.edgeHttp } : {}),
      ...(start.existing.core === undefined ? { core: ports.coreHttp } : {}),
    },
  });
  await settleAll(
    [],
    plans.map((plan) => parts.program(plan)),
  );
  const httpPorts = Object.fromEntries(plans.map(({ name, httpPort }) => [name, httpPort]));
  await parts.step('ready for calls', () => untilServing(httpPorts, options.signal));
  const instance = describe(start, services, seed, examplesUrl, httpPorts);
  writePrivately(instanceFile(dataDir), instance);
  return instance;
}

/** Waits for all, and fails with the first failure only when the others have ended too: nothing starts unwatched. */
async function settleAll<T extends readonly Promise<unknown>[]>(
  wanted: T,
  further: readonly Promise<unknown>[],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled([...wanted, ...further]);
  for (const result of results as PromiseSettledResult<unknown>[])
    if (result.status === 'rejected') throw result.reason;
  return (await Promise.all(wanted)) as { -readonly [K in keyof T]: Awaited<T[K]> };
}

function serviceOptions({ dataDir, parts }: Start, port: number): ServiceOptions {
  return { dataDir, port, registry: parts.registry, onProcess: (managed) => parts.watch(managed) };
}

const listens = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;

async function startMysql(start: Start): Promise<ServiceAddresses['mysql']> {
  const { existing, parts, ports } = start;
  if (existing.mysql !== undefined) return existing.mysql;
  return parts.step(
    'mariadb',
    async () => {
      const { host, port, user, password, database } = await startMariaDb(serviceOptions(start, ports.mariadb));
      return { host, port, user, password, database };
    },
    listens,
  );
}

async function startRedisPart(start: Start): Promise<ServiceAddresses['redis']> {
  const { existing, parts, ports } = start;
  if (existing.redis !== undefined) return existing.redis;
  return parts.step(
    'redis',
    () => startRedis(serviceOptions(start, ports.redis)).then(({ host, port }) => ({ host, port })),
    listens,
  );
}

async function startRelay(start: Start): Promise<ServiceAddresses['rtpengine']> {
  const { existing, parts, ports, slot, options } = start;
  if (existing.rtpengine !== undefined) return existing.rtpengine;
  if (findProgram('rtpengine') === undefined) {
    options.onProgress?.({ type: 'note', text: 'rtpengine is not installed: media flows direct' });
    return undefined;
  }
  const range = slot.rtpengine;
  const addresses = mediaAddresses(start);
  return parts.step<Address>(
    'rtpengine',
    () =>
      startRtpengine({ ...serviceOptions(start, ports.rtpengine), ports: range, addresses }).then(({ host, port }) => ({
        host,
        port,
      })),
    (address) => `${listens(address)}, RTP ${range.first}-${range.last} on ${addresses.join(' and ')}`,
  );
}

/** Where rtpengine takes media: loopback, and what browsers reach, which leave loopback out. */
function mediaAddresses({ options, browsers }: Start): string[] {
  const person = options.wellKnownPorts === true ? addressOfMachine() : undefined;
  const further = browsers.host === HOST ? person : browsers.host;
  return [HOST, ...(further === undefined ? [] : [further])];
}

/** The engines' addresses: those of existing ones, else of the embedded ones that {@link startEngines} starts. */
function engineAddresses({ existing, ports, secrets }: Start): Pick<ServiceAddresses, 'edge' | 'core' | 'freeswitch'> {
  const embedded = (control: number, sip: number, secret: string) => ({
    host: HOST,
    port: control,
    secret,
    sip: { host: HOST, port: sip },
  });
  return {
    edge: existing.edge ?? embedded(ports.edgeControl, ports.edgeSip, secrets.edgeSecret),
    core: existing.core ?? embedded(ports.coreControl, ports.coreSip, secrets.coreSecret),
    freeswitch: existing.freeswitch ?? { host: HOST, port: ports.mediaEsl, password: secrets.eslPassword },
  };
}

/** What only the SIP server of the edge does. */
type EdgeOnly = Pick<Parameters<typeof sipServerPlan>[1], 'handlerUrl' | 'more'>;

async function startEngines(start: Start): Promise<void> {
  const { existing, ports, parts, slot, browsers, dataDir } = start;
  const { edge, core, freeswitch } = engineAddresses(start);
  const server = (side: 'edge' | 'core', address: typeof edge, httpPort: number, more: EdgeOnly = {}) =>
    parts.program(
      sipServerPlan(side, {
        sip: address.sip,
        control: { host: address.host, port: address.port },
        secret: address.secret,
        httpPort,
        ...more,
      }),
    );
  const media = () =>
    parts.program(
      mediaServerPlan({
        sip: { host: HOST, port: ports.mediaSip },
        esl: { host: HOST, port: freeswitch.port },
        password: freeswitch.password,
        httpPort: ports.mediaHttp,
        rtp: slot.mediaServer,
      }),
    );
  const edgeOnly = (): EdgeOnly => ({
    handlerUrl: `http://${HOST}:${ports.sbcInbound}/route`,
    more: {
      tls: { host: HOST, port: ports.edgeTls },
      ws: { host: HOST, port: ports.edgeWs },
      wss: { host: browsers.host, port: ports.edgeWss },
      ...(browsers.caFile === undefined ? {} : { caFile: browsers.caFile }),
      ...certificateOf(browsers, dataDir),
    },
  });
  await settleAll(
    [],
    [
      ...(existing.edge ? [] : [server('edge', edge, ports.edgeHttp, edgeOnly())]),
      ...(existing.core ? [] : [server('core', core, ports.coreHttp)]),
      ...(existing.freeswitch ? [] : [media()]),
    ],
  );
}

async function migrateAndSeed(start: Start, mysql: ServiceAddresses['mysql'], examplesUrl: string): Promise<Seeded> {
  const { existing, parts, secrets } = start;
  const logger = createLogger({ name: 'launcher', level: 'silent' });
  if (existing.mysql !== undefined) await ensureDatabase(mysql);
  const db = openDatabase({ ...mysql, connectionLimit: 2 }, { logger });
  try {
    await parts.step('migrations', () => migrate(db, { logger }));
    const seedOptions = { examplesUrl, encryptionSecret: secrets.encryptionSecret };
    return await parts.step('demo data', () => seedDemo(db, seedOptions));
  } finally {
    await db.close();
  }
}

function describe(
  start: Start,
  services: ServiceAddresses,
  seed: Seeded,
  examplesUrl: string,
  httpPorts: Record<string, number>,
): InstanceDescription {
  const { dataDir, existing, browsers, parts, ports } = start;
  const { mysql, redis, rtpengine, edge, core, freeswitch } = services;
  const metrics: Record<string, number> = { ...httpPorts };
  if (existing.edge === undefined) metrics['sip-server-edge'] = ports.edgeHttp;
  if (existing.core === undefined) metrics['sip-server-core'] = ports.coreHttp;
  if (existing.freeswitch === undefined) metrics['media-server'] = ports.mediaHttp;
  const ws = `ws://${HOST}:${ports.edgeWs}`;
  const demo = DEMO_NUMBERS.find(({ application }) => application === 'menu') ?? DEMO_NUMBERS[0];
  return {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    sip: { ...edge.sip, transports: ['udp', 'tcp'] },
    ...(existing.edge === undefined
      ? {
          sipTls: { host: HOST, port: ports.edgeTls },
          webrtc: {
            ws,
            wss: `wss://${browsers.host}:${ports.edgeWss}`,
            certificate: certificateOf(browsers, dataDir).certFile,
          },
        }
      : {}),
    sipUri: `sip:${demo?.number}@${edge.sip.host}:${edge.sip.port}`,
    api: { url: `http://${HOST}:${ports.api}`, key: seed.accountKey, adminKey: seed.adminKey },
    accountSid: seed.accountSid,
    ...(seed.webhookSecret === undefined ? {} : { webhookSecret: seed.webhookSecret }),
    serviceProviderSid: seed.serviceProviderSid,
    voipCarrierSid: seed.voipCarrierSid,
    applications: seed.applications,
    numbers: [...DEMO_NUMBERS],
    users: seed.users.map((user) => ({ ...user, ...softphoneOf(start, ws, user) })),
    mysql,
    redis: { host: redis.host, port: redis.port },
    ...(rtpengine === undefined ? {} : { rtpengine }),
    drachtio: {
      edge: { host: edge.host, port: edge.port, secret: edge.secret },
      core: { host: core.host, port: core.port, secret: core.secret },
    },
    freeswitch,
    examples: { url: examplesUrl },
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, port]) => [name, `http://${HOST}:${port}`])),
    processes: parts.pids(),
    logs: join(dataDir, 'logs'),
  };
}

/** Browsers give the microphone to pages of localhost; what stands behind the `#` they keep for the page. */
function softphoneOf({ options, existing, ports }: Start, server: string, user: DemoUser): { softphone?: string } {
  if (options.demoApps === false || existing.edge !== undefined) return {};
  const account = new URLSearchParams({ server, uri: user.uri, password: user.password });
  return { softphone: `http://localhost:${ports.examples}/softphone/#${account}` };
}
