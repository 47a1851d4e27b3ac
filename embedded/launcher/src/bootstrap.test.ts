import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const LAUNCHER = fileURLToPath(new URL('../', import.meta.url));
/** Debian's user without any right, for what must not need one. */
const NOBODY = 65_534;

/** A clone that holds the bootstrap and nothing else, readable for everyone. */
function bareClone(test: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'ringwire-clone-'));
  test.teardown(() => rmSync(root, { recursive: true, force: true }));
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'embedded/launcher'), { recursive: true });
  cpSync(join(LAUNCHER, 'bootstrap'), join(root, 'embedded/launcher/bootstrap'), { recursive: true });
  cpSync(join(LAUNCHER, 'bootstrap.mjs'), join(root, 'embedded/launcher/bootstrap.mjs'));
  return root;
}

/** A folder with programs that do nothing. */
function programs(test: Test, names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'ringwire-path-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  for (const name of names) writeFileSync(join(folder, name), '#!/bin/sh\n', { mode: 0o755 });
  return folder;
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function bootstrap(root: string, args: string[], env: Record<string, string>): Promise<Ended> {
  const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  return new Promise((resolve) => {
    const script = join(root, 'embedded/launcher/bootstrap.mjs');
    // Through env, because tap adds itself to the environment of every child.
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const command = ['-i', ...variables, process.execPath, script, ...args];
    execFile('/usr/bin/env', command, { cwd: root, ...asNobody }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
  });
}

/** The modules of the bootstrap are plain JavaScript: this says what the tests use of them. */
const load = <T>(name: string): Promise<T> => import(new URL(`../bootstrap/${name}`, import.meta.url).href);

t.test('who may not install is told exactly what is missing, and nothing is begun', async (t) => {
  const root = bareClone(t);
  const PATH = programs(t, ['mariadbd', 'mariadb-install-db', 'my_print_defaults', 'espeak-ng']);
  const { code, stdout, stderr } = await bootstrap(root, ['start'], { PATH });
  t.equal(code, 1);
  t.match(stdout, /^✖ system programs: redis-server, rtpengine missing$/m);
  t.match(
    stderr,
    '  redis-server (the event bus and live state): package redis-server, or set REDIS_HOST to use an existing one\n',
  );
  t.match(stderr, /(--no-install-recommends|packages are:) redis-server rtpengine-daemon\n$/);
  t.notOk(existsSync(join(root, '.data')));
});

t.test('a service that the environment names need not be installed', async (t) => {
  const root = bareClone(t);
  const env = { PATH: programs(t, ['espeak-ng', 'rtpengine']), MYSQL_HOST: '192.0.2.1' };
  const { code, stdout } = await bootstrap(root, ['start'], env);
  t.equal(code, 1);
  t.match(stdout, /^✖ system programs: redis-server missing$/m);
});

t.test('tests need private services and sipp, whatever the environment names', async (t) => {
  const root = bareClone(t);
  const env = { PATH: programs(t, ['espeak-ng', 'rtpengine', 'redis-server']), MYSQL_HOST: '192.0.2.1' };
  const { code, stdout } = await bootstrap(root, ['test'], env);
  t.equal(code, 1);
  t.match(stdout, /^✖ system programs: mariadbd, mariadb-install-db, my_print_defaults, sipp missing$/m);
});

t.test('a program that only some tests need is done without where it cannot be installed', async (t) => {
  const root = bareClone(t);
  const all = ['mariadbd', 'mariadb-install-db', 'my_print_defaults', 'redis-server', 'rtpengine', 'espeak-ng', 'sipp'];
  const { stdout } = await bootstrap(root, ['test'], { PATH: programs(t, all) });
  t.match(stdout, /^✔ system programs: all there but pocketsphinx_continuous, chromium: what needs it is left out/m);
});

const notRoot = process.getuid?.() === 0 ? false : 'only root can give a folder to somebody else';

t.test('a data folder of somebody else is named with its owner, and nothing is begun', { skip: notRoot }, async (t) => {
  const root = bareClone(t);
  const data = join(root, '.data');
  const advice = (path: string) =>
    `${path} cannot be written: it belongs to root, and this is nobody. Run this as root, or remove it: rm -rf ${data}\n`;
  mkdirSync(data, { mode: 0o755 });
  t.same(await bootstrap(root, ['call'], {}), { code: 1, stdout: '', stderr: advice(data) });
  chmodSync(data, 0o777);
  mkdirSync(join(data, 'redis'), { mode: 0o700 });
  t.same(await bootstrap(root, ['call'], {}), { code: 1, stdout: '', stderr: advice(join(data, 'redis')) });
  rmSync(data, { recursive: true });
  const { code, stderr } = await bootstrap(root, ['call'], {});
  t.equal(code, 1);
  t.match(stderr, /^\S+ belongs to root, and this is nobody, who may not make \.data in it: run this as root, .*\n$/);
});

t.test('where there is no apt-get, that is said together with the names of the packages', async (t) => {
  const { missingMessage, RUN_PROGRAMS } = await load<{
    missingMessage(missing: unknown[], facts: { debianLike: boolean; apt: boolean }): string;
    RUN_PROGRAMS: { program: string }[];
  }>('programs.mjs');
  const missing = RUN_PROGRAMS.filter(({ program }) => program === 'espeak-ng');
  const text = missingMessage(missing, { debianLike: true, apt: false });
  t.match(text, /apt-get is not on PATH.* the packages are: espeak-ng$/);
});

t.test('an unknown command is answered with those that there are', async (t) => {
  const { code, stderr } = await bootstrap(bareClone(t), ['dance'], {});
  t.equal(code, 2);
  t.match(stderr, 'start|test|call|bench|rates|fuzz|sip-server|media-server');
});

t.test('the npm packages are installed when they are not what the lock file says', async (t) => {
  const { whyInstall } = await load<{ whyInstall(root: string): string | undefined }>('npm-packages.mjs');
  const root = bareClone(t);
  const lock = (version: string) =>
    JSON.stringify({
      packages: {
        '': { name: 'ringwire' },
        common: { version: '0.1.0' },
        'node_modules/@ringwire/common': { link: true },
        'node_modules/pino': { version },
        'node_modules/for-another-system': { version: '1.0.0', optional: true },
      },
    });
  const installed = {
    '': {},
    'node_modules/@ringwire/common': { link: true },
    'node_modules/pino': { version: '10.0.0' },
  };
  writeFileSync(join(root, 'package-lock.json'), lock('10.0.0'));
  t.equal(whyInstall(root), 'first time in this clone');
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
  t.equal(whyInstall(root), undefined, 'whoever installed them');
  writeFileSync(join(root, 'package-lock.json'), lock('10.0.1'));
  t.equal(whyInstall(root), 'package-lock.json has changed');
});

t.test('only one set-up of a clone is at work at a time, and a dead one does not count', async (t) => {
  const lock = new URL('../bootstrap/setup-lock.mjs', import.meta.url).href;
  const progress = new URL('../bootstrap/progress.mjs', import.meta.url).href;
  const file = join(t.testdir(), 'setup.lock');
  const script = `import { takeSetupLock } from ${JSON.stringify(lock)};
    import { createProgress } from ${JSON.stringify(progress)};
    await takeSetupLock(${JSON.stringify(file)}, createProgress({ out: process.stderr, quiet: true }));
    process.send('taken'); process.on('message', () => process.exit(0));`;
  const start = () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const order: string[] = [];
  const first = start();
  await once(first, 'message');
  const second = start();
  t.teardown(() => second.kill('SIGKILL'));
  second.once('message', () => order.push('second has it'));
  const ended = once(first, 'exit').then(() => order.push('first has ended'));
  await once(second, 'spawn');
  first.send('end');
  await Promise.all([ended, once(second, 'message')]);
  t.same(order, ['first has ended', 'second has it']);
  second.kill('SIGKILL');
  await once(second, 'exit');
  t.ok(existsSync(file), 'a killed set-up leaves its lock');
  const third = start();
  t.teardown(() => third.kill('SIGKILL'));
  await once(third, 'message');
  third.send('end');
  await once(third, 'exit');
  t.notOk(existsSync(file));
});
