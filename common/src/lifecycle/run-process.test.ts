import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const script = fileURLToPath(new URL('./process.fixture.js', import.meta.url));

/** A child process with what it says, on IPC, stdout and stderr. */
function start(t: Test, kind: string, env: Record<string, string> = {}) {
  const child = fork(script, [kind], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  t.teardown(() => void child.kill('SIGKILL'));
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output.text += String(chunk);
    });
  }
  // Not 'close': a child whose channel the parent has closed does not emit it.
  const ends = [child.stdout, child.stderr].map((stream) => stream && once(stream, 'end'));
  const exited = Promise.all([once(child, 'exit'), ...ends]).then(([[status]]) => status as number);
  return { child, output, exited };
}
const message = async (child: ChildProcess): Promise<unknown> => (await once(child, 'message'))[0];

t.test('a process tells its parent when it is ready, with its facts', async (t) => {
  const { child, exited } = start(t, 'quick');
  t.strictSame(await message(child), { type: 'ready', port: 1234 });
  child.kill('SIGINT');
  t.equal(await exited, 0);
});

t.test('SIGTERM lets live work finish, then closes and exits 0', async (t) => {
  const { child, exited, output } = start(t, 'busy');
  await message(child);
  child.kill('SIGTERM');
  t.equal(await message(child), 'draining');
  t.equal(child.exitCode, null);
  child.send('finish');
  t.equal(await exited, 0);
  t.match(output.text, /"closed"[\s\S]*"stopped"/);
});

t.test('draining ends after its time, and at once on a second signal', async (t) => {
  const late = start(t, 'stuck', { DRAIN_TIMEOUT_MS: '50' });
  await message(late.child);
  late.child.kill('SIGTERM');
  t.equal(await late.exited, 0);
  t.match(late.output.text, 'live work was cut off');
  const interrupted = start(t, 'stuck', { DRAIN_TIMEOUT_MS: '600000' });
  await message(interrupted.child);
  interrupted.child.kill('SIGTERM');
  t.equal(await message(interrupted.child), 'draining');
  interrupted.child.kill('SIGINT');
  t.equal(await interrupted.exited, 0);
});

t.test('SIGINT closes without draining, as does the loss of the parent', async (t) => {
  const one = start(t, 'stuck');
  await message(one.child);
  one.child.kill('SIGINT');
  t.equal(await one.exited, 0);
  t.notMatch(one.output.text, 'draining"');
  const two = start(t, 'stuck');
  await message(two.child);
  two.child.disconnect();
  t.equal(await two.exited, 0);
  t.match(two.output.text, 'parent is gone');
});

t.test('a wrong configuration is printed for people, all of it, and exits 1', async (t) => {
  const { exited, output } = start(t, 'misconfigured', { B: 'x' });
  t.equal(await exited, 1);
  t.match(
    output.text,
    /^fixture: configuration is invalid:\n {2}A is \(not set\); expected .*\n {2}B is "x"; expected a whole number\n/,
  );
  const level = start(t, 'quick', { LOG_LEVEL: 'loud' });
  t.equal(await level.exited, 1);
  t.match(level.output.text, 'LOG_LEVEL is "loud"; expected one of fatal');
});

t.test('a start that fails is logged and exits 1', async (t) => {
  const { exited, output } = start(t, 'failing');
  t.equal(await exited, 1);
  t.match(output.text, 'cannot start');
});

t.test(
  'an unhandled rejection is logged and the process goes on; an uncaught exception closes it with 1',
  async (t) => {
    const { child, exited, output } = start(t, 'stuck');
    await message(child);
    child.send('reject');
    child.send('ping');
    t.equal(await message(child), 'pong');
    child.send('throw');
    t.equal(await exited, 1);
    t.match(output.text, /nobody cares[\s\S]*uncaught exception[\s\S]*"closed"/);
  },
);

t.test('a process may end itself with a status', async (t) => {
  const { child, exited } = start(t, 'stuck');
  await message(child);
  child.send('stop');
  t.equal(await exited, 3);
});
