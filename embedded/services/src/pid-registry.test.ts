import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PidRegistry } from './pid-registry.js';
import { identify } from './process-identity.js';

async function sleeper(test: Test): Promise<ChildProcess & { pid: number }> {
  const child = spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  test.teardown(() => child.kill('SIGKILL'));
  return child as ChildProcess & { pid: number };
}

t.test('leftovers of an earlier launcher are ended', async (t) => {
  const file = join(t.testdir(), 'pids.json');
  const child = await sleeper(t);
  new PidRegistry(file).add('sleeper', child.pid, '/bin/sleep');
  t.same(await new PidRegistry(file).endLeftovers(), ['sleeper']);
  t.equal(identify(child.pid), undefined);
  t.notOk(existsSync(file));
});

t.test('a process that got the pid of a leftover later is left alone', async (t) => {
  const file = join(t.testdir(), 'pids.json');
  const child = await sleeper(t);
  new PidRegistry(file).add('sleeper', child.pid, '/bin/sleep');
  const entries = JSON.parse(readFileSync(file, 'utf8')) as { startTicks: number; program: string }[];
  for (const change of [{ startTicks: 1 }, { program: 'mariadbd' }, { bootId: 'another' }]) {
    writeFileSync(file, JSON.stringify([{ ...entries[0], ...change }]));
    t.same(await new PidRegistry(file).endLeftovers(), []);
    t.ok(identify(child.pid), `not killed when only the pid matches and ${Object.keys(change)[0]} differs`);
  }
});

t.test('a registry file that holds garbage is ignored', async (t) => {
  const folder = t.testdir({ 'pids.json': '[{"pid":-1},{"pid":1,"name":"init"},7,' });
  t.same(await new PidRegistry(join(folder, 'pids.json')).endLeftovers(), []);
});

t.test('a process that has ended is no longer named in the file', async (t) => {
  const file = join(t.testdir(), 'pids.json');
  const child = await sleeper(t);
  const registry = new PidRegistry(file);
  registry.add('sleeper', child.pid, '/bin/sleep');
  registry.remove('sleeper', child.pid + 1);
  t.ok(existsSync(file), 'removing another pid of that name changes nothing');
  registry.remove('sleeper', child.pid);
  t.notOk(existsSync(file));
});
