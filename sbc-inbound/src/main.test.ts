import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ReadyMessage } from '@ringwire/common';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Dialog } from '@ringwire/sip';
import t from 'tap';
import { ended, NUMBER, refusal, startCaller, type TestCaller } from './testing/caller.js';
import { type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let fs: TestFeatureServer;
let caller: TestCaller;
let httpPort: number;

t.before(async () => {
  stores = await startStores(t);
  httpPort = await findFreePort();
  server = await startServerProcess(t, () => ['--http-handler', `INVITE=http://127.0.0.1:${httpPort}/route`]);
  fs = await startFeatureServer(t, stores, 'fs-one');
  caller = await startCaller(t);
});

/** Runs the real entry point; resolves when it says that it is ready. */
async function startProcess(): Promise<ChildProcess> {
  const env = {
    ...process.env,
    ...stores.env,
    HTTP_PORT: `${httpPort}`,
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: `${server.controlPort}`,
    LOG_LEVEL: 'fatal',
  };
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), {
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [message] = (await once(child, 'message')) as [ReadyMessage];
  t.equal(message.type, 'ready');
  return child;
}

/** Calls until the process knows of the feature server. */
const connect = (): Promise<Dialog> =>
  until('a call is answered', () => caller.call(server.sipPort, NUMBER).answered.catch(() => undefined));

t.test('the process takes calls that the edge routes to it, and SIGTERM lets them finish', async (t) => {
  const child = await startProcess();
  const dialog = await connect();
  const health = await fetch(`http://127.0.0.1:${httpPort}/health`);
  t.match(await health.json(), { status: 'ok', calls: 1, featureServers: 1 });
  t.match(await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text(), /ringwire_calls_active\{.*\} 1/);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await until('new calls are refused', async () => (await refusal(caller.call(server.sipPort, NUMBER))).status === 503);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  t.same(await exit, [0, null]);
  t.match((await stores.event('call.ended', dialog.callId)).data, { terminationReason: 'caller hungup' });
});

t.test('the process is killed: the edge releases the caller, and the next process takes the next call', async (t) => {
  const child = await startProcess();
  const dialog = await connect();
  const end = ended(dialog);
  child.kill('SIGKILL');
  t.equal((await end).by, 'remote');
  const next = await startProcess();
  await (await connect()).bye();
  const exit = once(next, 'exit');
  next.kill('SIGINT');
  t.same(await exit, [0, null]);
  await fs.leave();
});

t.test('a configuration that cannot work is named and ends the process with 1', async (t) => {
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), {
    env: { PATH: process.env.PATH, MAX_CALLS: 'many' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  t.same(await once(child, 'close'), [1, null]);
  t.match(said, 'MAX_CALLS is "many"');
  t.match(said, 'MYSQL_HOST is (not set)');
});
