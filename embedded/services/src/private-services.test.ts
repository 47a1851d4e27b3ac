import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import t from 'tap';
import { findProgram } from './find-program.js';
import { findFreePort, isPortFree } from './free-port.js';
import { startMariaDb } from './mariadb.js';
import { startRedis } from './redis.js';
import { startRtpengine } from './rtpengine.js';

const lacks = (program: string): string | false =>
  findProgram(program) === undefined ? `${program} is not installed` : false;

t.test('MariaDB keeps its data when it is killed and when it is stopped', { skip: lacks('mariadbd') }, async (t) => {
  const dataDir = t.testdir();
  const first = await startMariaDb({ dataDir });
  t.teardown(() => first.stop());
  const { host, port, user, password, database } = first;
  const ask = async (sql: string): Promise<unknown> => {
    const connection = await mysql.createConnection({ host, port, user, password, database });
    try {
      return (await connection.query(sql))[0];
    } finally {
      await connection.end();
    }
  };
  await ask('CREATE TABLE kept (word VARCHAR(20))');
  await ask("INSERT INTO kept VALUES ('ringwire')");
  const again = once(first.child, 'ready');
  process.kill(first.child.pid!, 'SIGKILL');
  await again;
  t.same(await ask('SELECT word FROM kept'), [{ word: 'ringwire' }], 'on the same port after a kill');
  await first.stop();
  const second = await startMariaDb({ dataDir, port });
  t.teardown(() => second.stop());
  t.equal(second.password, password);
  t.same(await ask('SELECT word FROM kept'), [{ word: 'ringwire' }], 'after a stop and a start');
  await t.rejects(mysql.createConnection({ host, port, user: 'root' }), { code: /ER_(ACCESS_DENIED|HOST)/ });
  t.equal(statSync(join(dataDir, 'secrets.json')).mode & 0o777, 0o600);
});

t.test('Redis and rtpengine answer as soon as they are started', async (t) => {
  const dataDir = t.testdir();
  t.test('redis', { skip: lacks('redis-server') }, async (t) => {
    const redis = await startRedis({ dataDir });
    t.teardown(() => redis.stop());
    t.notOk(await isPortFree(redis.port));
  });
  t.test('rtpengine', { skip: lacks('rtpengine') }, async (t) => {
    const rtpengine = await startRtpengine({ dataDir });
    t.teardown(() => rtpengine.stop());
    t.notOk(await isPortFree(rtpengine.port, 'udp'));
  });
});

t.test('a port is chosen that is free, the preferred one where it is', async (t) => {
  const free = await findFreePort({ kind: 'both' });
  t.ok(await isPortFree(free, 'both'));
  t.equal(await findFreePort({ prefer: free }), free);
  const server = createServer().listen({ host: '127.0.0.1', port: free });
  await once(server, 'listening');
  t.teardown(() => server.close());
  t.not(await findFreePort({ prefer: free }), free);
  t.not(await findFreePort({ prefer: free, except: new Set([free]) }), free);
});
