import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type ProcessContext, type ReadyMessage, readConfig } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { type EdgeConfig, edgeVars } from '@ringwire/common/sip/edge-config.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { DRACHTIO, startDrachtio } from '@ringwire/sip-server/test-drachtio.js';
import type { Stores, Teardown } from './stores.js';

export { DRACHTIO };

/** Options of a test whose promise the real drachtio-server does not keep (docs/compatibility.md). */
export const withoutDrachtio = (why: string): { skip?: string } => (DRACHTIO ? { skip: `drachtio-server ${why}` } : {});

/** A SIP server in a process of its own, so that it can be killed. */
export interface ServerProcess {
  sipPort: number;
  controlPort: number;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same ports. */
  start(): Promise<void>;
}

const START_ATTEMPTS = 40;

/** Where the feature servers of tests are: drachtio-server tells its request-handler the address of who calls, not the port. */
export const FEATURE_SERVER_HOST = DRACHTIO ? '127.0.0.9' : '127.0.0.1';

/** Starts the embedded SIP server as a process, on free ports; drachtio-server where `DRACHTIO_SERVER` names one. */
export async function startServerProcess(
  t: Teardown,
  flags: () => string[] = () => [],
  host = '127.0.0.1',
): Promise<ServerProcess> {
  if (DRACHTIO) return startDrachtioProcess(t, DRACHTIO, flags, host);
  const main = createRequire(import.meta.url).resolve('@ringwire/sip-server/main.js');
  const sipPort = await findFreePort();
  const controlPort = await findFreePort();
  let child: ReturnType<typeof fork> | undefined;
  const start = async (attempt = 1): Promise<void> => {
    const contact = `sip:${host}:${sipPort};transport=udp,tcp`;
    const args = ['--contact', contact, '--port', `${controlPort}`, '--loglevel', 'warn', ...flags()];
    const started = fork(main, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child = started;
    const ended = once(started, 'exit').then(() => undefined);
    const ready = once(started, 'message') as Promise<[ReadyMessage]>;
    const message = (await Promise.race([ready, ended]))?.[0];
    if (message === undefined) {
      // Somebody else has one of the ports for a moment: nobody kept it while the server was away.
      if (attempt === START_ATTEMPTS) throw new Error('the SIP server does not start');
      await new Promise((resolve) => setTimeout(resolve, 250));
      return start(attempt + 1);
    }
    if (message.type !== 'ready') throw new Error(`SIP server is not ready: ${JSON.stringify(message)}`);
  };
  const kill = async (): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  await start();
  t.teardown(kill);
  return { sipPort, controlPort, kill, start: () => start() };
}

async function startDrachtioProcess(
  t: Teardown,
  program: string,
  flags: () => string[],
  host: string,
): Promise<ServerProcess> {
  const sipPort = await findFreePort();
  const controlPort = await findFreePort();
  const contact = ['--contact', `sip:${host}:${sipPort};transport=udp,tcp`];
  let running: { stop(): Promise<void> } | undefined;
  const start = async (): Promise<void> => {
    running = await startDrachtio(program, [...contact, ...flags()], {}, 'cymru', controlPort);
  };
  const kill = async (): Promise<void> => {
    await running?.stop();
    running = undefined;
  };
  await start();
  t.teardown(kill);
  return { sipPort, controlPort, kill, start };
}

/** A running edge process under test. */
export interface RunningSbc {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an sbc in this process, with the stores and an edge SIP server; closed with the test. */
export async function openSbc<T extends RunningSbc>(
  t: Teardown,
  open: (ctx: ProcessContext, config: EdgeConfig) => Promise<T>,
  options: { name: string; stores: Stores; controlPort: number; env?: Record<string, string> },
): Promise<T> {
  const { name, stores, controlPort } = options;
  const env = {
    ...stores.env,
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: `${controlPort}`,
    KEEPALIVE_MS: '500',
    MAX_EVENT_LOOP_LAG_MS: '0',
    ...(DRACHTIO ? { PRIVATE_NETWORK_CIDR: `${FEATURE_SERVER_HOST}/32` } : {}),
    ...options.env,
  };
  const ctx: ProcessContext = {
    name,
    instanceId: `${name}-${controlPort}`,
    logger: silentLogger(),
    env,
    stop: () => {},
  };
  const sbc = await open(ctx, readConfig(edgeVars, env));
  t.teardown(() => sbc.close());
  return sbc;
}

/** The value of a series of the process's metrics whose labels include the given ones; 0 when there is none. */
export async function metric(edge: Edge, name: string, labels: Record<string, string>): Promise<number> {
  const found = await edge.metrics.registry.getSingleMetric(name)?.get();
  const series = found?.values.filter((value) =>
    Object.entries(labels).every(([label, wanted]) => (value.labels as Record<string, unknown>)[label] === wanted),
  );
  return series?.reduce((sum, value) => sum + value.value, 0) ?? 0;
}
