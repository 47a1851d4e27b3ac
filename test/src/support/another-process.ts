import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { findFreePort } from '@ringwire/common/testing/services.js';
import type { Platform } from '@ringwire/launcher';
import { type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import type { Test } from 'tap';

/** A process that a test has started beside those of its platform. */
export interface AnotherProcess {
  readonly child: ChildProcess;
  /** Ends it with SIGKILL; does nothing when it has ended. */
  kill(): Promise<void>;
}

function environmentOf(pid: number | undefined): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return Object.fromEntries(
    lines.flatMap((line) => {
      const at = line.indexOf('=');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}

/**
 * Starts one more of the platform's processes, as on another machine: with a SIP server and an id of its own, and everything else as
 * the first one has it. Resolves when it is ready; killed with the test.
 */
export async function startAnother(
  t: Test,
  platform: Platform,
  name: 'feature-server' | 'sbc-inbound' | 'sbc-outbound',
  { instanceId, sipServer, env = {} }: { instanceId: string; sipServer: ServerProcess; env?: Record<string, string> },
): Promise<AnotherProcess> {
  const main = createRequire(import.meta.url).resolve(`@ringwire/${name}/main.js`);
  const child = fork(main, {
    env: {
      ...environmentOf(platform.processes.get(name)?.pid),
      INSTANCE_ID: instanceId,
      HTTP_PORT: '0',
      SIP_ADDRESS: `127.0.0.1:${sipServer.sipPort}`,
      DRACHTIO_PORT: `${sipServer.controlPort}`,
      DRACHTIO_SECRET: 'cymru',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  t.teardown(kill);
  await once(child, 'message');
  return { child, kill };
}

/**
 * Starts another whole edge: a SIP server that takes WebSockets too, sbc-inbound and sbc-outbound.
 * @returns where browsers come in
 */
export async function startAnotherEdge(t: Test, platform: Platform, name: string): Promise<{ ws: string }> {
  const [wsPort, httpPort] = [await findFreePort(), await findFreePort()];
  const sipServer = await startServerProcess(t, () => [
    ...['--contact', `sip:127.0.0.1:${wsPort};transport=ws`],
    ...['--http-handler', `INVITE=http://127.0.0.1:${httpPort}/route`],
  ]);
  const inbound = { HTTP_PORT: `${httpPort}` };
  await Promise.all([
    startAnother(t, platform, 'sbc-inbound', { instanceId: `${name}-in`, sipServer, env: inbound }),
    startAnother(t, platform, 'sbc-outbound', { instanceId: `${name}-out`, sipServer }),
  ]);
  return { ws: `ws://127.0.0.1:${wsPort}` };
}
