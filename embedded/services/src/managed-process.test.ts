import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ProcessStartError } from './errors.js';
import { ManagedProcess, type ManagedProcessOptions, nodeProcess } from './managed-process.js';
import { identify } from './process-identity.js';
import { logLine, readyMessage } from './readiness.js';

/** A program in Node, given as text, as a managed process that is stopped when the test ends. */
function program(test: Test, text: string, options: Partial<ManagedProcessOptions> = {}): ManagedProcess {
  const folder = mkdtempSync(join(tmpdir(), 'ringwire-process-'));
  const script = join(folder, 'program.mjs');
  writeFileSync(script, text);
  const managed = nodeProcess({ name: 'program', script, logDir: folder, ...options }, options.ready ?? readyMessage());
  test.teardown(async () => {
    await managed.stop({ graceMs: 500 });
    rmSync(folder, { recursive: true, force: true });
  });
  return managed;
}

async function untilGone(pid: number): Promise<void> {
  while (identify(pid) !== undefined) await delay(10);
}

const IDLE = `setInterval(() => {}, 1000); process.send({ type: 'ready', port: 7 });`;

t.test('the facts of the ready message are what start resolves with', async (t) => {
  const facts = await program(t, IDLE).start();
  t.match(facts, { type: 'ready', port: 7 });
});

t.test('a line of the log can be what makes a process ready, and its output goes to the log file', async (t) => {
  const managed = program(t, `console.log('listening on 5060'); setInterval(() => {}, 1000);`, {
    ready: logLine(/listening on \d+/),
  });
  await managed.start();
  t.match(readFileSync(managed.logFile, 'utf8'), 'listening on 5060');
});

t.test('a process that ends before it is ready fails the start with the last lines of its log', async (t) => {
  const managed = program(t, `console.error('address in use'); process.exit(3);`);
  await t.rejects(managed.start(), { code: 'services/start-failed', message: /exit code 3.*\n.*address in use/ });
  t.equal(managed.restarts, 0);
});

t.test('of a structured log, the last error is told in words, with the log file', async (t) => {
  const lines = [
    { level: 'info', msg: 'starting' },
    { level: 50, msg: 'cannot listen', err: { message: 'EADDRINUSE 127.0.0.1:5060', stack: 'Error: x\n at y' } },
    { level: 'info', msg: 'closing' },
  ];
  const text = lines.map((line) => `console.log(${JSON.stringify(JSON.stringify(line))});`).join('\n');
  const managed = program(t, `${text} process.exit(1);`);
  const why = `program ended with exit code 1 before it was ready (log: ${managed.logFile}):\n`;
  await t.rejects(managed.start(), { message: `${why}cannot listen: EADDRINUSE 127.0.0.1:5060` });
});

t.test('a program that does not exist fails the start', async (t) => {
  const logDir = t.testdir();
  const managed = new ManagedProcess({ name: 'x', command: '/nonexistent', args: [], logDir, ready: readyMessage() });
  await t.rejects(managed.start(), ProcessStartError);
});

t.test('a process that is never ready is ended when its time is over', async (t) => {
  const managed = program(t, `setInterval(() => {}, 1000);`, { readyTimeoutMs: 200 });
  await t.rejects(managed.start(), { message: /not ready after 200 ms/ });
  t.equal(managed.pid, undefined);
});

t.test('a process that dies is started again and says so', async (t) => {
  const managed = program(t, IDLE);
  await managed.start();
  const first = managed.pid!;
  const died = once(managed, 'died');
  const ready = once(managed, 'ready');
  process.kill(first, 'SIGKILL');
  t.match(await died, [{ signal: 'SIGKILL', restartInMs: Number }]);
  await ready;
  t.not(managed.pid, first);
  t.equal(managed.restarts, 1);
  t.equal(managed.state, 'running');
});

t.test('a process that keeps dying is started again with growing pauses', async (t) => {
  const folder = t.testdir({ count: '0' });
  const text = `import { readFileSync, writeFileSync } from 'node:fs';
    const file = ${JSON.stringify(join(folder, 'count'))};
    const count = Number(readFileSync(file, 'utf8')) + 1;
    writeFileSync(file, String(count));
    if (count > 1 && count < 4) process.exit(1);
    setInterval(() => {}, 1000); process.send({ type: 'ready', count });`;
  const managed = program(t, text);
  await managed.start();
  const pauses: (number | null)[] = [];
  managed.on('died', ({ restartInMs }) => pauses.push(restartInMs));
  const ready = once(managed, 'ready');
  process.kill(managed.pid!, 'SIGKILL');
  t.match(await ready, [{ count: 4 }]);
  t.same(pauses, [50, 100, 200]);
});

t.test('stop ends a process that ignores SIGTERM, and it stays ended', async (t) => {
  const managed = program(t, `process.on('SIGTERM', () => {}); ${IDLE}`);
  await managed.start();
  const pid = managed.pid!;
  await managed.stop({ graceMs: 100 });
  t.equal(identify(pid), undefined);
  t.equal(managed.state, 'stopped');
  await managed.stop();
});

t.test('what a process started itself ends with it', async (t) => {
  const text = `import { spawn } from 'node:child_process';
    const helper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    setInterval(() => {}, 1000); process.send({ type: 'ready', helper: helper.pid });`;
  const managed = program(t, text, { restart: false });
  const { helper } = await managed.start();
  process.kill(managed.pid!, 'SIGKILL');
  await untilGone(Number(helper));
  t.pass('the helper is gone');
});

t.test('when the launcher is killed with SIGKILL its children end by themselves', async (t) => {
  const folder = t.testdir({ 'child.mjs': `setInterval(() => {}, 1000); process.send({ type: 'ready' });` });
  const module = new URL('./index.js', import.meta.url).href;
  const launcher = program(
    t,
    `import { nodeProcess, readyMessage, ManagedProcess } from ${JSON.stringify(module)};
     const folder = ${JSON.stringify(folder)};
     const node = nodeProcess({ name: 'node', script: folder + '/child.mjs', logDir: folder }, readyMessage());
     await node.start();
     const other = new ManagedProcess({ name: 'other', command: '/bin/sleep', args: ['600'], logDir: folder, ready: async () => ({}) });
     await other.start();
     process.send({ type: 'ready', pids: [node.pid, other.pid] });`,
    { restart: false },
  );
  const { pids } = await launcher.start();
  t.equal((pids as number[]).length, 2);
  process.kill(launcher.pid!, 'SIGKILL');
  await Promise.all((pids as number[]).map(untilGone));
  t.pass('both children are gone');
});
