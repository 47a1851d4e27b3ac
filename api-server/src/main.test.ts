import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createEventSink, migrate, openDatabase, openRedis } from '@ringwire/common';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED, seedProvisioning } from '@ringwire/common/testing/provisioned.js';
import { startTestMariaDb, startTestRedis } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { apiClient } from './testing/client.js';

const main = fileURLToPath(new URL('./main.js', import.meta.url));
const logger = silentLogger();

t.test(
  'the process runs from its environment, writes records, and SIGTERM ends it with open streams within its time',
  async (t) => {
    const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
    t.teardown(() => Promise.all([mariaDb.stop(), redisServer.stop()]));
    const db = openDatabase(mariaDb, { logger });
    t.teardown(() => db.close());
    const redis = openRedis(redisServer, { logger, name: 'test' });
    t.teardown(() => redis.disconnect());
    await migrate(db, { logger });
    await seedProvisioning(db);
    const child = fork(main, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        ...process.env,
        MYSQL_HOST: mariaDb.host,
        MYSQL_PORT: `${mariaDb.port}`,
        MYSQL_USER: mariaDb.user,
        MYSQL_PASSWORD: mariaDb.password,
        MYSQL_DATABASE: mariaDb.database,
        REDIS_HOST: redisServer.host,
        REDIS_PORT: `${redisServer.port}`,
        HTTP_PORT: '0',
        ENCRYPTION_SECRET: 'key material',
      },
    });
    t.teardown(() => void child.kill('SIGKILL'));
    const [ready] = (await once(child, 'message')) as [{ type: string; url: string; port: number }];
    t.match(ready, { type: 'ready', port: Number });
    const account = apiClient(ready.url, SEED.accountToken);
    t.match(await account('GET', '/v1/Applications'), { status: 200, body: [{ name: 'hello' }] });
    const sink = createEventSink({ redis, source: 'test', logger });
    const entry = { kind: 'call', level: 'info', text: 'INVITE' } as const;
    sink.emit('call.timeline', entry, { callSid: 'c', accountSid: SEED.accountSid });
    await sink.close();
    await until('the worker wrote it', async () => (await db.query('SELECT 1 FROM call_timeline')).length === 1);
    const stream = await fetch(`${ready.url}/v1/Accounts/${SEED.accountSid}/Calls/c/Timeline`, {
      headers: { authorization: `Bearer ${SEED.accountToken}`, accept: 'text/event-stream' },
    });
    t.equal(stream.status, 200);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    t.match(await stream.text(), 'INVITE');
    t.strictSame(await exited, [0, null]);
  },
);

t.test('without its environment the process says everything that is missing and exits 1', async (t) => {
  const child = fork(main, { env: { PATH: process.env.PATH }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const [[status]] = await Promise.all([once(child, 'exit'), child.stderr && once(child.stderr, 'end')]);
  t.equal(status, 1);
  for (const name of [
    'MYSQL_HOST',
    'MYSQL_USER',
    'MYSQL_PASSWORD',
    'MYSQL_DATABASE',
    'REDIS_HOST',
    'ENCRYPTION_SECRET',
  ]) {
    t.match(said, `${name} is (not set)`);
  }
});
