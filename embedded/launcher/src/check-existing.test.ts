import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { findFreePort, findProgram, startMariaDb, startRedis } from '@ringwire/services';
import t, { type Test } from 'tap';
import { checkExistingServices } from './check-existing.js';
import { readExistingServices } from './existing-services.js';
import type { LauncherProgress } from './parts.js';
import { startPlatform } from './start-platform.js';

const HOST = '127.0.0.1';
const lacks = (program: string): string | false =>
  findProgram(program) === undefined ? `${program} is not installed` : false;

/** A TCP server that says `hello` and then what `reply` makes of each line that comes. */
async function server(test: Test, hello: string, reply: (text: string) => string): Promise<number> {
  const listening = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(hello);
    socket.on('data', (chunk) => socket.write(reply(chunk.toString())));
  }).listen(0, HOST);
  await once(listening, 'listening');
  test.teardown(() => listening.close());
  return (listening.address() as AddressInfo).port;
}

const drachtio = (test: Test): Promise<number> =>
  server(test, '', (text) => {
    const answer = text.endsWith('|right') ? 'OK|udp/127.0.0.1:5070|v0.9.10' : 'NO|incorrect secret';
    const body = `1|response|ringwire-check|${answer}`;
    return `${body.length}#${body}`;
  });

const check = async (env: Record<string, string>): Promise<LauncherProgress[]> => {
  const seen: LauncherProgress[] = [];
  await checkExistingServices(readExistingServices(env), { onProgress: (p) => seen.push(p), answerMs: 5_000 });
  return seen;
};

t.test('services that let us in are shown with their address and variable', async (t) => {
  const relay = createSocket('udp4');
  relay.on('message', (_, from) => relay.send('ringwire d6:result4:ponge', from.port, from.address));
  relay.bind(0, HOST);
  await once(relay, 'listening');
  t.teardown(() => relay.close());
  const { port } = relay.address();
  const media = await server(
    t,
    'Content-Type: auth/request\n\n',
    () => 'Content-Type: command/reply\nReply-Text: +OK accepted\n\n',
  );
  const seen = await check({
    RTPENGINE_HOST: HOST,
    RTPENGINE_PORT: String(port),
    DRACHTIO_EDGE_HOST: HOST,
    DRACHTIO_EDGE_PORT: String(await drachtio(t)),
    DRACHTIO_EDGE_SECRET: 'right',
    FREESWITCH_HOST: HOST,
    FREESWITCH_PORT: String(media),
  });
  const ready = seen.filter((progress) => progress.type === 'ready');
  t.equal(ready.length, 3);
  t.match(
    ready.find(({ part }) => part === 'rtpengine'),
    { detail: `existing one at ${HOST}:${port} (RTPENGINE_HOST)` },
  );
});

t.test('every service that is not there is named with the variables to correct, and nothing is begun', async (t) => {
  const closed = String(await findFreePort({ kind: 'both' }));
  const env: Record<string, string> = {};
  for (const prefix of ['MYSQL', 'REDIS', 'RTPENGINE', 'DRACHTIO_EDGE', 'DRACHTIO_CORE', 'FREESWITCH']) {
    env[`${prefix}_HOST`] = HOST;
    env[`${prefix}_PORT`] = closed;
  }
  const dataDir = join(t.testdir(), 'data');
  const error = await startPlatform({ dataDir, env }).then(
    () => undefined,
    (reason: Error) => reason,
  );
  t.match(error, { code: 'launcher/existing-service' });
  for (const prefix of ['MYSQL', 'REDIS', 'RTPENGINE', 'DRACHTIO_EDGE', 'DRACHTIO_CORE', 'FREESWITCH']) {
    const line = `at ${HOST}:${closed} (${prefix}_HOST) refused the connection, so nothing listens there: start it or correct ${prefix}_HOST and ${prefix}_PORT`;
    t.ok(error?.message.includes(line), `${prefix}: ${error?.message}`);
  }
  t.notMatch(error?.message, /[{}]/);
  t.notOk(existsSync(join(dataDir, 'pids.json')));
  t.notOk(existsSync(join(dataDir, 'instance.lock')), 'the data directory is free again');
});

t.test('a wrong secret or password names the variable that has it', async (t) => {
  const media = await server(
    t,
    'Content-Type: auth/request\n\n',
    () => 'Content-Type: command/reply\nReply-Text: -ERR invalid\n\n',
  );
  const env = {
    DRACHTIO_CORE_HOST: HOST,
    DRACHTIO_CORE_PORT: String(await drachtio(t)),
    DRACHTIO_CORE_SECRET: 'wrong',
    FREESWITCH_HOST: HOST,
    FREESWITCH_PORT: String(media),
  };
  await t.rejects(check(env), { message: /refused the login \(incorrect secret\): correct DRACHTIO_CORE_SECRET\n/ });
  await t.rejects(check(env), { message: /refused the login \(-ERR invalid\): correct FREESWITCH_PASSWORD$/ });
});

t.test('something else at the address, and something that is silent, are told apart', async (t) => {
  const web = String(await server(t, 'HTTP/1.1 400 Bad Request\r\n\r\n', () => ''));
  await t.rejects(check({ FREESWITCH_HOST: HOST, FREESWITCH_PORT: web }), { message: /is something else/ });
  const silent = String(await server(t, '', () => ''));
  const services = readExistingServices({ DRACHTIO_EDGE_HOST: HOST, DRACHTIO_EDGE_PORT: silent });
  await t.rejects(checkExistingServices(services, { answerMs: 50 }), {
    message: /gave no answer within 0.05 s: correct DRACHTIO_EDGE_HOST and DRACHTIO_EDGE_PORT/,
  });
});

t.test('the variables of one process are refused where those of edge and core are meant', (t) => {
  const meant = { message: /^DRACHTIO_HOST, DRACHTIO_SECRET are set.*DRACHTIO_EDGE_HOST.*DRACHTIO_CORE_HOST/ };
  t.throws(() => readExistingServices({ DRACHTIO_HOST: HOST, DRACHTIO_SECRET: 's' }), meant);
  t.throws(() => readExistingServices({ DRACHTIO_PORT: '9022' }), { message: /^DRACHTIO_PORT is set/ });
  t.match(readExistingServices({ DRACHTIO_HOST: HOST, DRACHTIO_EDGE_HOST: HOST }), { edge: { host: HOST } });
  t.end();
});

t.test('a real Redis and a real MariaDB', { skip: lacks('redis-server') || lacks('mariadbd') }, async (t) => {
  const dataDir = t.testdir();
  const redis = await startRedis({ dataDir });
  t.teardown(() => redis.stop());
  const mariadb = await startMariaDb({ dataDir });
  t.teardown(() => mariadb.stop());
  const env = {
    REDIS_HOST: HOST,
    REDIS_PORT: String(redis.port),
    MYSQL_HOST: HOST,
    MYSQL_PORT: String(mariadb.port),
    MYSQL_USER: mariadb.user,
    MYSQL_PASSWORD: mariadb.password,
    MYSQL_DATABASE: mariadb.database,
  };
  t.equal((await check(env)).filter(({ type }) => type === 'ready').length, 2);
  await t.rejects(check({ ...env, MYSQL_PASSWORD: 'wrong' }), {
    message: /^mysql: .* refused the login \(.*denied.*\): correct MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE$/,
  });
  await t.rejects(check({ ...env, REDIS_USERNAME: 'nobody', REDIS_PASSWORD: 'wrong' }), {
    message: /^redis: .* refused the login \(WRONGPASS.*\): correct REDIS_USERNAME, REDIS_PASSWORD$/,
  });
});
