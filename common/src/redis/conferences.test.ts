import t from 'tap';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { conferenceDirectory, listConferences } from './conferences.js';
import { closeRedis, openRedis } from './connection.js';
import { conferenceChannel, conferencesKey, featureServerKey } from './keys.js';
import { Subscriptions } from './subscriptions.js';

const member = (callSid: string) => ({
  callSid,
  memberId: 1,
  isModerator: false,
  isMuted: false,
  isOnHold: false,
  joinedAt: 1,
});

t.test('directory of conferences', async (t) => {
  const server = await startTestRedis();
  t.teardown(() => server.stop());
  const logger = silentLogger();
  const redis = openRedis({ host: '127.0.0.1', port: server.port }, { logger, name: 'test' });
  t.teardown(() => closeRedis(redis));
  const open = (featureServer: string) => {
    const directory = conferenceDirectory({ redis, logger, featureServer, sipAddress: () => `${featureServer}:5070` });
    t.teardown(() => directory.close());
    return directory;
  };
  const one = open('fs-1');
  const two = open('fs-2');
  for (const id of ['fs-1', 'fs-2']) await redis.set(featureServerKey(id), '{}');

  await t.test('a conference is where it was started first, also for two who start it at once', async (t) => {
    const [first, second] = await Promise.all([one.claim('account', 'room'), two.claim('account', 'room')]);
    t.equal(first.featureServer, second.featureServer);
    t.strictSame(await two.find('account', 'room'), first);
    t.equal(await one.find('other account', 'room'), undefined);
  });

  await t.test('accounts list their conferences with members and those who wait', async (t) => {
    await one.claim('lister', 'b');
    one.putMember('lister', 'b', member('call-1'));
    const stop = two.wait('lister', 'a', 'call-2');
    await redis.ping();
    t.match(await listConferences(redis, 'lister'), [
      { name: 'a', members: [], waiting: ['call-2'] },
      { name: 'b', host: { featureServer: 'fs-1', sipAddress: 'fs-1:5070' }, members: [{ callSid: 'call-1' }] },
    ]);
    stop();
    one.removeMember('lister', 'b', 'call-1');
    one.release('lister', 'b');
    t.strictSame(await listConferences(redis, 'lister'), []);
  });

  await t.test('a name is forgotten when nobody waits any more, or has renewed it', async (t) => {
    one.wait('waits', 'left', 'call-1')();
    const stop = one.wait('waits', 'kept', 'call-2');
    // As a feature server that died has left it.
    await redis.zadd(conferencesKey('waits'), '1', 'dead');
    t.match(await listConferences(redis, 'waits'), [{ name: 'kept' }]);
    t.strictSame(await redis.zrange(conferencesKey('waits'), '0', '-1'), ['dead', 'kept']);
    await one.claim('waits', 'other');
    t.strictSame((await redis.zrange(conferencesKey('waits'), '0', '-1')).sort(), ['kept', 'other']);
    stop();
    one.release('waits', 'other');
    await redis.ping();
    t.equal(await redis.exists(conferencesKey('waits')), 0);
  });

  await t.test('the conference of a feature server that died is started anew', async (t) => {
    const dead = open('fs-dead');
    await redis.set(featureServerKey('fs-dead'), '{}');
    await dead.claim('account', 'orphaned');
    await redis.del(featureServerKey('fs-dead'));
    t.equal(await one.find('account', 'orphaned'), undefined);
    t.equal((await two.claim('account', 'orphaned')).featureServer, 'fs-2');
  });

  await t.test('nothing of a feature server that died is listed any more', async (t) => {
    const dead = open('fs-killed');
    await redis.set(featureServerKey('fs-killed'), '{}');
    await dead.claim('killed', 'held');
    dead.putMember('killed', 'held', member('call-1'));
    dead.wait('killed', 'held', 'call-2');
    dead.wait('killed', 'awaited', 'call-3');
    const stop = one.wait('killed', 'awaited', 'call-4');
    await redis.ping();
    t.match(await listConferences(redis, 'killed'), [{ waiting: ['call-3', 'call-4'] }, { members: [{}] }]);
    await redis.del(featureServerKey('fs-killed'));
    t.strictSame(await listConferences(redis, 'killed'), [{ name: 'awaited', members: [], waiting: ['call-4'] }]);
    stop();
  });

  await t.test('those who wait hear of the start', async (t) => {
    const subscriptions = new Subscriptions(redis, logger);
    t.teardown(() => subscriptions.close());
    let heard = (): void => {};
    const told = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const subscription = subscriptions.on(conferenceChannel('account', 'awaited'), (text) => text && heard());
    await subscription.ready;
    await one.claim('account', 'awaited');
    await told;
    subscription.stop();
    t.equal(subscriptions.size, 0);
  });
});
