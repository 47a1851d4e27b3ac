import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseSetupError } from './errors.js';
import { requireProgram } from './find-program.js';
import { findFreePort } from './free-port.js';
import { ManagedProcess } from './managed-process.js';
import type { PidRegistry } from './pid-registry.js';
import { tcpAnswer } from './readiness.js';
import { keepSecrets } from './secrets.js';
import type { ServiceLogger } from './service-logger.js';

/** What every private service is started with. */
export interface ServiceOptions {
  /** Folder that holds everything of this installation; the service makes its own folder in it. */
  dataDir: string;
  /** @defaultValue a free one */
  port?: number;
  logger?: ServiceLogger;
  registry?: PidRegistry;
  /** Told once the process object exists, before it is ready, so that a supervisor can watch it. */
  onProcess?: (process: ManagedProcess) => void;
}

/** A running private MariaDB. */
export interface MariaDbService {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  child: ManagedProcess;
  stop(): Promise<void>;
}

const run = promisify(execFile);
const HOST = '127.0.0.1';
/** Lines of a failed installation that are shown. */
const QUOTED_LINES = 12;
/** The handshake packet of the MySQL protocol begins, after its four bytes of length and sequence, with version 10. */
const isHandshake = (packet: Buffer): boolean => packet.length > 4 && packet[4] === 10;

/**
 * Starts a private MariaDB on loopback; installs its data directory the first time, keeps it afterwards.
 *
 * The platform's user may do anything in its own databases (`ringwire` and those whose name begins with `ringwire_`);
 * root has a password of its own. Both are generated and kept in `secrets.json` of the data directory.
 */
export async function startMariaDb(options: ServiceOptions & { database?: string }): Promise<MariaDbService> {
  const { dataDir, logger, registry, database = 'ringwire' } = options;
  const home = join(dataDir, 'mariadb');
  const data = join(home, 'data');
  const logDir = join(dataDir, 'logs');
  await mkdir(logDir, { recursive: true });
  await mkdir(home, { recursive: true, mode: 0o700 });
  if (!existsSync(data)) await installDatabase(home, data);
  const { mariadbPassword: password, mariadbRootPassword } = await keepSecrets(dataDir, [
    'mariadbPassword',
    'mariadbRootPassword',
  ]);
  const user = 'ringwire';
  const initFile = join(home, 'init.sql');
  await writeFile(initFile, initialSql({ user, password, rootPassword: mariadbRootPassword, database }), {
    mode: 0o600,
  });
  const port = options.port ?? (await findFreePort({ kind: 'tcp', host: HOST }));
  const child = new ManagedProcess({
    name: 'mariadb',
    command: requireProgram('mariadbd'),
    args: serverArguments({ home, data, initFile, port }),
    logDir,
    ready: tcpAnswer(HOST, port, '', isHandshake),
    // InnoDB recovery after a kill -9 of a busy server may take a while; the log tells.
    readyTimeoutMs: 60_000,
    logger,
    registry,
  });
  options.onProcess?.(child);
  await child.start();
  return { host: HOST, port, user, password, database, child, stop: () => child.stop() };
}

async function installDatabase(home: string, data: string): Promise<void> {
  const fresh = join(home, 'data.new');
  await rm(fresh, { recursive: true, force: true });
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const args = [
    '--no-defaults',
    ...user,
    `--datadir=${fresh}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
  ];
  // A server that starts removes temporary tables from its temporary folder, also those of others: so one of its own.
  try {
    await run(requireProgram('mariadb-install-db'), args, { env: { ...process.env, TMPDIR: home } });
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    // Its first lines say what is wrong; the rest is advice.
    const said = `${stderr}\n${stdout}`.trim().split('\n').slice(0, QUOTED_LINES).join('\n');
    throw new DatabaseSetupError(`mariadb-install-db failed:\n${said}`, { data }, { cause });
  }
  // A half-installed directory never gets the name that the server starts from.
  await rename(fresh, data);
}

/** Statements that the server runs at every start, before it takes connections; each may run again. */
function initialSql(facts: { user: string; password: string; rootPassword: string; database: string }): string {
  const { user, password, rootPassword, database } = facts;
  const statements = [
    `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
    `CREATE USER IF NOT EXISTS '${user}'@'${HOST}' IDENTIFIED BY '${password}'`,
    `ALTER USER '${user}'@'${HOST}' IDENTIFIED BY '${password}'`,
    `GRANT ALL ON \`${database}\`.* TO '${user}'@'${HOST}'`,
    `GRANT ALL ON \`${database}\\_%\`.* TO '${user}'@'${HOST}'`,
    `DROP USER IF EXISTS 'root'@'127.0.0.1', 'root'@'::1', ''@'localhost'`,
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${rootPassword}'`,
  ];
  // The server reads one statement per line.
  return `${statements.join(';\n')};\n`;
}

function serverArguments(facts: { home: string; data: string; initFile: string; port: number }): string[] {
  const { home, data, initFile, port } = facts;
  return [
    '--no-defaults',
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    `--datadir=${data}`,
    `--tmpdir=${home}`,
    // A relative name stands under the data directory: an absolute one may exceed the 107 bytes of a socket address.
    '--socket=mariadb.sock',
    `--pid-file=${join(home, 'mariadb.pid')}`,
    `--port=${port}`,
    `--bind-address=${HOST}`,
    `--init-file=${initFile}`,
    '--skip-name-resolve',
    '--skip-log-bin',
    '--character-set-server=utf8mb4',
    '--default-time-zone=+00:00',
    // Small, but durable: a commit is on disk before it is answered.
    '--innodb-flush-log-at-trx-commit=1',
    '--innodb-buffer-pool-size=64M',
    '--innodb-log-file-size=32M',
    '--innodb-buffer-pool-dump-at-shutdown=OFF',
    '--innodb-buffer-pool-load-at-startup=OFF',
    '--key-buffer-size=1M',
    '--aria-pagecache-buffer-size=8M',
    '--performance-schema=OFF',
    '--table-open-cache=400',
    '--max-connections=100',
  ];
}
