import { listQueues } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { callersOf } from '../testing/callers.js';
import { ACCOUNT_SID, startPlatform } from '../testing/platform-rig.js';

const name = "sales & Ann's";

t.test('queue: callers are served by priority and arrival, and hear their wait hook until then', async (t) => {
  const rig = await startPlatform(t);
  rig.app.checkPayloads(t);
  const call = callersOf(rig);
  const music = [{ verb: 'play', url: 'tone_stream://%(400,0,2000)' }];
  rig.app.on('/wait', music).on('/queue-events', []);
  rig.app.on('/served', [{ verb: 'dequeue', name, actionHook: '/served' }]);
  rig.app.on('/done', [{ verb: 'play', url: 'tone_stream://%(60000,0,1700)' }]);
  const ann = await call(500, [{ verb: 'enqueue', name, waitHook: '/wait', actionHook: '/done' }]);
  t.match((await rig.app.next('/queue-events')).json, { event: 'join', queue: name, length: 1, call_sid: ann.callSid });
  const queueSid = `queue:${ACCOUNT_SID}:${name}`;
  t.match((await rig.app.next('/wait')).json, {
    queue_sid: queueSid,
    queue_time: 0,
    queue_size: 1,
    queue_position: 0,
    call_sid: ann.callSid,
    call_id: /.+/,
  });
  const ben = await call(900, [{ verb: 'enqueue', name, priority: 5, waitHook: '/wait', actionHook: '/done' }]);
  await rig.app.next('/queue-events');
  await ann.hears(2000);
  await ben.hears(2000);
  t.strictSame(await listQueues(rig.redis, ACCOUNT_SID), [{ name, calls: [ben.callSid, ann.callSid] }]);
  await until('the first one hears that somebody is before him', () =>
    rig.app.seen('/wait').some(({ json }) => json.call_sid === ann.callSid && json.queue_position === 1),
  );
  const agent = await call(1300, [{ verb: 'dequeue', name, beep: true, actionHook: '/served' }]);
  await agent.hears(900);
  await ben.hears(1300);
  t.notOk(ben.hearsNow(2000));
  t.match((await rig.app.next('/queue-events')).json, {
    event: 'leave',
    call_sid: ben.callSid,
    leave_reason: 'dequeued',
    dequeuer: agent.callSid,
    length: 1,
    leave_time: Number,
  });
  await ben.call.hangup();
  t.match((await rig.app.next('/done')).json, { call_sid: ben.callSid, queue_sid: queueSid, queue_result: 'bridged' });
  t.match((await rig.app.next('/served')).json, { call_sid: agent.callSid, dequeue_result: 'complete' });
  await agent.hears(500);
  await ann.hears(1300);
  await agent.call.hangup();
  t.match((await rig.app.next('/done')).json, { call_sid: ann.callSid, queue_result: 'bridged' });
  t.match((await rig.app.next('/served')).json, { dequeue_result: 'hangup' });
  await ann.hears(1700);
  await ann.call.hangup();
  await rig.server.drain();
  t.strictSame(await rig.redis.keys('ringwire:queue*'), [], 'no key is left in Redis');
});

t.test('queue: who waits for callers gets each one alone, and only the caller that is wanted', async (t) => {
  const rig = await startPlatform(t);
  const call = callersOf(rig);
  rig.app.on('/served', [{ verb: 'play', url: 'tone_stream://%(60000,0,1700)' }]).on('/queue-events', []);
  const waiting = { verb: 'dequeue', name, actionHook: '/served' };
  const patient = await call(500, [waiting]);
  const picky = await call(600, [{ ...waiting, callSid: 'caller-4' }]);
  const one = await call(900, [{ verb: 'enqueue', name }]);
  await patient.hears(900);
  const other = await call(1300, [{ verb: 'enqueue', name }]);
  await picky.hears(1300);
  t.notOk(picky.hearsNow(900));
  t.notOk(patient.hearsNow(1300));
  const late = await call(700, [{ ...waiting, timeout: 0.2 }]);
  await late.hears(1700);
  t.match((await rig.app.next('/served')).json, { call_sid: late.callSid, dequeue_result: 'timeout' });
  const direct = await call(1900, [], { headers: { 'X-Jambonz-Direct-User': `queue-${name}` } });
  const third = await call(1100, [{ verb: 'enqueue', name }]);
  await direct.hears(1100);
  for (const who of [patient, picky, one, other, late, direct, third]) await who.call.hangup();
});

t.test('queue: a caller leaves by his wait hook, or hangs up', async (t) => {
  const rig = await startPlatform(t);
  rig.app.checkPayloads(t);
  const call = callersOf(rig);
  rig.app.on('/wait', [{ verb: 'pause', length: 0.1 }, { verb: 'leave' }, { verb: 'pause', length: 60 }]);
  rig.app.on('/done', [{ verb: 'hangup' }]).on('/queue-events', []);
  const ann = await call(500, [{ verb: 'enqueue', name, waitHook: '/wait', actionHook: '/done' }]);
  t.match((await rig.app.next('/done')).json, { call_sid: ann.callSid, queue_result: 'leave' });
  await rig.app.next('/queue-events');
  t.match((await rig.app.next('/queue-events')).json, { event: 'leave', leave_reason: 'abandoned', length: 0 });
  await ann.call.finished;
  const ben = await call(500, [{ verb: 'enqueue', name, actionHook: '/done' }]);
  await rig.app.next('/queue-events');
  await ben.call.hangup();
  t.match((await rig.app.next('/done')).json, { call_sid: ben.callSid, queue_result: 'hangup' });
  t.match((await rig.app.next('/queue-events')).json, { event: 'leave', leave_reason: 'abandoned' });
});
