/**
 * Private MariaDB and Redis servers for tests: real ones, on free ports of the loopback interface, with their data in a
 * folder under the system's temporary folder that goes away with them. Nothing here touches system services.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How long a server may take until it says that it is ready. Larger hides a hang; smaller fails on a busy machine. */
const READY_TIMEOUT_MS = 20_000;
/** A free port may be taken by somebody else between the look and the start, and installing may fail on a busy machine. */
const START_ATTEMPTS = 3;

/** A server process that a test started. */
export interface TestServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly dataDir: string;
  /** Process id of the server as it runs now; changes with {@link TestServer.restart}. */
  readonly pid: number;
  /** Ends the server with SIGKILL and resolves when it is gone; its data and port stay for {@link TestServer.restart}. */
  kill(): Promise<void>;
  /** Starts the server again on the same port and data; resolves when it is ready. */
  restart(): Promise<void>;
  /** Ends the server and removes its data. Safe to call more than once. */
  stop(): Promise<void>;
}

/** A private MariaDB with one empty database. */
export interface TestMariaDb extends TestServer {
  readonly user: 'root';
  readonly password: '';
  readonly database: string;
  readonly socketPath: string;
}

/** util-linux's setpriv is part of every Debian. */
const DIES_WITH_PARENT = process.platform === 'linux' && existsSync('/usr/bin/setpriv');

const live = new Set<ChildProcess>();
process.once('exit', () => {
  // A test that was cut short must leave no server behind.
  for (const child of live) child.kill('SIGKILL');
});

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Spawns a server and resolves when a line of its output matches; rejects with its last lines when it ends before. */
export async function spawnUntilReady(command: string, args: string[], ready: RegExp): Promise<ChildProcess> {
  // Where it can be had, the kernel ends the server with its parent: a test that is killed cannot clean up.
  const [program, programArgs] = DIES_WITH_PARENT
    ? ['setpriv', ['--pdeathsig', 'KILL', command, ...args]]
    : [command, args];
  const child = spawn(program, programArgs, { stdio: ['ignore', 'pipe', 'pipe'] });
  live.add(child);
  child.once('exit', () => live.delete(child));
  const tail: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${command} ${why}:\n${tail.join('\n')}`));
    const timer = setTimeout(() => {
      fail(`was not ready within ${READY_TIMEOUT_MS} ms`);
      child.kill('SIGKILL');
    }, READY_TIMEOUT_MS);
    child.once('error', (err) => fail(`did not start (${err.message})`));
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      fail(`ended (${status ?? signal})`);
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        tail.push(line);
        if (tail.length > 20) tail.shift();
        if (!ready.test(line)) return;
        clearTimeout(timer);
        resolve();
      });
    }
  });
  // The server must not keep a finished test alive.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref?: () => void }).unref?.();
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

async function startServer(
  prefix: string,
  prepare: (dataDir: string) => Promise<void>,
  launch: (dataDir: string, port: number) => Promise<ChildProcess>,
): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), prefix));
  let port = 0;
  let child: ChildProcess | undefined;
  for (let attempt = 1; child === undefined; attempt++) {
    try {
      await prepare(dataDir);
      port = await findFreePort();
      child = await launch(dataDir, port);
    } catch (err) {
      rmSync(dataDir, { recursive: true, force: true });
      if (attempt === START_ATTEMPTS) throw err;
      mkdirSync(dataDir, { mode: 0o700 });
    }
  }
  let current = child;
  return {
    host: '127.0.0.1',
    port,
    dataDir,
    get pid() {
      return current.pid ?? 0;
    },
    kill: () => end(current, 'SIGKILL'),
    async restart() {
      await end(current, 'SIGKILL');
      current = await launch(dataDir, port);
    },
    async stop() {
      // The data goes away anyway: there is nothing to shut down in order.
      await end(current, 'SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * Starts a private MariaDB (ready in about 1.5 s) with an empty database.
 *
 * @throws Error with the server's last lines when it does not start
 */
export async function startTestMariaDb({ database = 'ringwire' } = {}): Promise<TestMariaDb> {
  const asUser = process.getuid?.() === 0 ? ['--user=root'] : [];
  const server = await startServer(
    'ringwire-mariadb-',
    async (dir) => {
      const args = [
        '--no-defaults',
        ...asUser,
        `--datadir=${join(dir, 'data')}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        '--skip-name-resolve',
      ];
      // A server that starts removes temporary tables from its temporary folder, also those of others that run: so one of its own.
      await run('mariadb-install-db', args, { env: { ...process.env, TMPDIR: dir } });
      // mariadbd creates a schema for a folder that it finds in its data folder.
      mkdirSync(join(dir, 'data', database));
    },
    (dir, port) =>
      spawnUntilReady(
        'mariadbd',
        [
          '--no-defaults',
          ...asUser,
          `--datadir=${join(dir, 'data')}`,
          `--tmpdir=${dir}`,
          `--socket=${join(dir, 'sock')}`,
          `--pid-file=${join(dir, 'pid')}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          '--skip-name-resolve',
          '--character-set-server=utf8mb4',
          '--innodb-buffer-pool-size=32M',
          '--innodb-log-file-size=16M',
          // Survives the death of the process (not of the machine), which is what tests do to it.
          '--innodb-flush-log-at-trx-commit=2',
        ],
        /ready for connections/,
      ),
  );
  return Object.defineProperties(
    { ...server, user: 'root' as const, password: '' as const, database, socketPath: join(server.dataDir, 'sock') },
    { pid: { get: () => server.pid } },
  );
}

/** Starts a private Redis (ready in about 50 ms) that writes every command to its append-only file before it answers. */
export async function startTestRedis(): Promise<TestServer> {
  return startServer(
    'ringwire-redis-',
    async () => {},
    (dir, port) =>
      spawnUntilReady(
        'redis-server',
        [
          ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', ''],
          ...['--appendonly', 'yes', '--appendfsync', 'always'],
        ],
        /Ready to accept connections/,
      ),
  );
}
