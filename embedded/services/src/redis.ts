import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireProgram } from './find-program.js';
import { findFreePort } from './free-port.js';
import { ManagedProcess } from './managed-process.js';
import type { ServiceOptions } from './mariadb.js';
import { tcpAnswer } from './readiness.js';

/** A running private Redis. */
export interface RedisService {
  host: string;
  port: number;
  child: ManagedProcess;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';

/** Starts a private Redis on loopback with an append-only file, so that events not yet consumed survive its death. */
export async function startRedis(options: ServiceOptions): Promise<RedisService> {
  const { dataDir, logger, registry } = options;
  const home = join(dataDir, 'redis');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const port = options.port ?? (await findFreePort({ kind: 'tcp', host: HOST }));
  const child = new ManagedProcess({
    name: 'redis',
    command: requireProgram('redis-server'),
    args: redisArguments(home, port),
    logDir: join(dataDir, 'logs'),
    // "-LOADING" is the answer while the append-only file is read.
    ready: tcpAnswer(HOST, port, 'PING\r\n', (answer) => answer.toString('latin1').startsWith('+PONG')),
    readyTimeoutMs: 60_000,
    logger,
    registry,
  });
  options.onProcess?.(child);
  await child.start();
  return { host: HOST, port, child, stop: () => child.stop() };
}

function redisArguments(home: string, port: number): string[] {
  const settings: Record<string, string> = {
    port: String(port),
    bind: HOST,
    dir: home,
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'everysec',
    // The append-only file is the whole truth; a snapshot beside it would only cost time at stop.
    save: '',
    // A crash may cut the last command short: take what is whole.
    'aof-load-truncated': 'yes',
    loglevel: 'notice',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}
