import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readOptions } from './options.js';
import { EslClient, QUIET, refused, startServer, TestCaller } from './test-peer.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

t.test('wrong flags are all named at once', (t) => {
  const wrong = ['--sip', 'nowhere', '--rtp-ports', '9-1', '--workers', '0', '--http-port', '70000'];
  try {
    readOptions(wrong);
    t.fail('accepted');
  } catch (error) {
    for (const flag of ['--sip', '--rtp-ports', '--workers', '--http-port']) t.match(String(error), flag);
  }
  t.throws(() => readOptions(['--no-such-flag']), { code: 'media-server/usage' });
  t.match(readOptions([]), {
    sip: { host: '127.0.0.1', port: 5080 },
    esl: { port: 8021 },
    password: 'ClueCon',
    workers: 1,
  });
  t.end();
});

t.test('the process says when it is ready, serves health and metrics, and ends on SIGTERM', async (t) => {
  const flags = ['--sip', '127.0.0.1:0', '--esl', '127.0.0.1:0', '--password', 'x1', ...QUIET];
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [ready] = (await once(child, 'message')) as [{ type: string; sip: string; esl: string; httpPort: number }];
  t.equal(ready.type, 'ready');
  const client = new EslClient(connect(Number(ready.esl.split(':')[1]), '127.0.0.1'));
  await client.until(() => client.replies.length > 0);
  t.equal((await client.command('auth x1')).text, '+OK accepted');
  const health = await fetch(`http://127.0.0.1:${ready.httpPort}/health`);
  t.match(await health.json(), { status: 'ok', sessions: 0 });
  const metrics = await (await fetch(`http://127.0.0.1:${ready.httpPort}/metrics`)).text();
  t.match(metrics, /media_server_sessions\{.*\} 0/);
  t.match(metrics, /media_server_esl_bad_commands_total/);
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  t.equal(code, 0);
});

t.test('wrong flags end the process with a message', async (t) => {
  const child = spawn(process.execPath, [MAIN, '--sip', 'x'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [text] = (await once(child.stderr, 'data')) as [Buffer];
  const [code] = (await once(child, 'exit')) as [number];
  t.match(text.toString(), /--sip: expected HOST:PORT/);
  t.equal(code, 1);
});

t.test('closing hangs up the calls with BYE', async (t) => {
  const server = await startServer(t);
  const { dialog } = await (await TestCaller.create(t, server)).call();
  const ended = new Promise<string>((resolve) => dialog.once('ended', ({ by }) => resolve(by)));
  await server.close();
  t.equal(await ended, 'remote');
});

t.test('fifty calls at once, ended from either side, leave no port, channel or client', async (t) => {
  const server = await startServer(t, ['--rtp-ports', '17300-17399', '--rtp-quarantine-ms', '0', '--workers', '2']);
  const caller = await TestCaller.create(t, server);
  for (let round = 0; round < 2; round++) {
    const calls = await Promise.all(Array.from({ length: 50 }, () => caller.call()));
    t.equal(new Set(calls.map(({ uuid }) => uuid)).size, 50);
    t.equal(server.pool.legCount, 50, 'every port of the range is in use');
    await t.resolves(
      Promise.all(
        calls.map(async ({ dialog, esl, uuid }, i) => {
          if (i % 2) await dialog.bye();
          else esl.socket.write(`sendmsg ${uuid}\ncall-command: hangup\nhangup-cause: NORMAL_CLEARING\n\n`);
          await esl.until(() => esl.isClosed);
        }),
      ),
    );
    t.equal(server.pool.legCount + server.channels.size, 0);
  }
});

t.test('the port of a call that has ended rests before the next call may have it', async (t) => {
  const server = await startServer(t, ['--rtp-ports', '17400-17401', '--rtp-quarantine-ms', '60000']);
  const caller = await TestCaller.create(t, server);
  const { dialog, esl } = await caller.call();
  await dialog.bye();
  await esl.until(() => esl.isClosed);
  t.equal(server.pool.legCount, 0);
  await refused(t, 503, caller.call());
});

t.test('a media thread that dies ends its calls and is replaced', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { dialog, esl, uuid } = await caller.call();
  const playing = esl.execute(uuid, 'playback', 'silence_stream://-1');
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  const ended = new Promise<void>((resolve) => dialog.once('ended', () => resolve()));
  // A list that is none makes the thread throw.
  server.channels.get(uuid)?.leg.play(null as unknown as []);
  await ended;
  await playing;
  const hangup = await esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP');
  t.equal(hangup['Hangup-Cause'], 'NORMAL_TEMPORARY_FAILURE');
  t.equal(server.counters.workerRestarts, 1);
  const next = await caller.call();
  const done = await next.esl.execute(next.uuid, 'playback', 'silence_stream://40');
  t.equal(done['Application-Response'], 'FILE PLAYED');
});
