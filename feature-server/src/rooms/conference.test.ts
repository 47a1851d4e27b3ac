import { listConferences } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import { AudioServer } from '@ringwire/media-server/test-audio-server.js';
import { toneShare } from '@ringwire/rtp';
import t from 'tap';
import { type Caller, callersOf } from '../testing/callers.js';
import { callAsEdge, updateCall } from '../testing/edge-agent.js';
import { ACCOUNT_SID, startPlatform } from '../testing/platform-rig.js';

t.test(
  'conference: each hears the others and not himself, its events come in order, and who is to end it ends it',
  async (t) => {
    const rig = await startPlatform(t);
    rig.app.checkPayloads(t);
    const call = callersOf(rig);
    rig.app.on('/left', [{ verb: 'hangup' }]).on('/events', []);
    const name = "daily: Ann's + #{room}".replace('#', '$');
    const statusEvents = ['start', 'join', 'leave', 'end'];
    const ann = await call(500, [
      { verb: 'conference', name, statusHook: '/events', statusEvents, beep: true, actionHook: '/left' },
    ]);
    await rig.app.next('/events');
    t.match((await rig.app.next('/events')).json, {
      event: 'join',
      call_sid: ann.callSid,
      conference_sid: `conf:${ACCOUNT_SID}:${name}`,
      friendly_name: name,
      members: 1,
    });
    const ben = await call(900, [{ verb: 'conference', name, memberTag: 'guest' }]);
    await rig.app.next('/events');
    const cat = await call(1300, [{ verb: 'conference', name, endConferenceOnExit: true }]);
    await rig.app.next('/events');
    for (const [who, others] of [
      [ann, [900, 1300]],
      [ben, [500, 1300]],
      [cat, [500, 900]],
    ] as const)
      for (const hz of others) await who.hears(hz);
    t.notOk(ann.hearsNow(500), 'nobody hears himself');
    const [listed] = await listConferences(rig.redis, ACCOUNT_SID);
    t.match(listed, { name, host: { featureServer: 'fs-1' }, members: { length: 3 } });
    t.match(
      listed?.members.find(({ callSid }) => callSid === ben.callSid),
      { memberTag: 'guest' },
    );
    await ben.call.hangup();
    t.match((await rig.app.next('/events')).json, { event: 'leave', call_sid: ben.callSid, members: 2 });
    await cat.call.hangup();
    t.equal((await ann.call.finished).endedBy, 'them');
    t.match((await rig.app.next('/left')).json, { call_sid: ann.callSid, call_status: 'in-progress' });
    t.match((await rig.app.next('/events')).json, { event: 'leave', call_sid: cat.callSid, members: 1 });
    t.match((await rig.app.next('/events')).json, { event: 'leave', call_sid: ann.callSid, members: 0 });
    t.match((await rig.app.next('/events')).json, { event: 'end', members: 0 });
    t.strictSame(
      rig.app.seen('/events').map(({ json }) => json.event),
      ['start', 'join', 'join', 'join', 'leave', 'leave', 'leave', 'end'],
    );
    await rig.server.drain();
    t.strictSame(await rig.redis.keys('ringwire:conference*'), [], 'no key is left in Redis');
  },
);

t.test('conference: who may not start it hears the wait hook until somebody else does', async (t) => {
  const rig = await startPlatform(t);
  const call = callersOf(rig);
  rig.app.on('/wait', [{ verb: 'play', url: 'tone_stream://%(400,0,2000)' }, { verb: 'answer' }]);
  rig.app.on('/enter', [{ verb: 'play', url: 'tone_stream://%(60000,0,1700)' }]);
  const guest = await call(500, [
    { verb: 'conference', name: 'room', startConferenceOnEnter: false, waitHook: '/wait', enterHook: '/enter' },
  ]);
  await guest.hears(2000);
  t.match(await listConferences(rig.redis, ACCOUNT_SID), [{ name: 'room', members: [], waiting: [guest.callSid] }]);
  const host = await call(900, [{ verb: 'conference', name: 'room', startConferenceOnEnter: true }]);
  await host.hears(500);
  await guest.hears(900);
  await guest.hears(1700);
  t.notOk(guest.hearsNow(2000), 'the wait hook is heard no more');
  t.notOk(host.hearsNow(1700), 'the enter hook is for him who enters');
  await guest.call.hangup();
  await host.call.hangup();
  await rig.server.drain();
  t.strictSame(await rig.redis.keys('ringwire:conference*'), []);
});

t.test(
  'conference: a coach is heard by those with his tag alone, commands change who hears whom, and a full one takes nobody',
  async (t) => {
    const rig = await startPlatform(t);
    const call = callersOf(rig);
    const customer = await call(500, [
      { verb: 'conference', name: 'room', maxParticipants: 4, record: { path: 'room.wav' } },
    ]);
    await until('it is said that nothing is recorded', () =>
      rig.sink.lines.some((line) => /warn verb conference: not recorded: .*not a URL/.test(line)),
    );
    const agent = await call(900, [{ verb: 'conference', name: 'room', memberTag: 'agent' }]);
    const coach = await call(1300, [{ verb: 'conference', name: 'room', speakOnlyTo: 'agent' }]);
    const quiet = await call(1700, [{ verb: 'conference', name: 'room', joinMuted: true }]);
    await agent.hears(1300);
    for (const who of [customer, coach, quiet]) await who.hears(900);
    await quiet.hears(500);
    t.notOk(customer.hearsNow(1300), 'the customer does not hear the coach');
    t.notOk(quiet.hearsNow(1300), 'nor does who came later');
    for (const who of [customer, agent, coach]) t.notOk(who.hearsNow(1700));
    const tell = async (who: Caller, body: Record<string, unknown>): Promise<void> => {
      t.match(await updateCall(rig, who.callSid, body), { status: 202 }, JSON.stringify(body));
    };
    const silent = (who: Caller, hz: number): Promise<unknown> =>
      until(`${who.callSid} hears ${hz} Hz no more`, () => !who.hearsNow(hz));
    rig.app.on('/hold', [{ verb: 'play', url: 'tone_stream://%(60000,0,2000)' }]);
    await tell(agent, { conferenceParticipantAction: { action: 'untag' } });
    await silent(agent, 1300);
    await tell(coach, { conferenceParticipantAction: { action: 'uncoach' } });
    for (const who of [customer, agent, quiet]) await who.hears(1300);
    const held = { conferenceParticipantAction: { action: 'hold', wait_hook: '/hold' } };
    await Promise.all([tell(agent, held), tell(agent, held)]);
    await agent.hears(2000);
    for (const who of [customer, coach]) await silent(who, 900);
    t.notOk(agent.hearsNow(500), 'who is on hold does not hear the others');
    await tell(agent, { conf_hold_status: 'unhold' });
    await silent(agent, 2000);
    await agent.hears(500);
    await customer.hears(900);
    await tell(customer, { conf_mute_status: 'mute' });
    for (const who of [agent, coach]) await silent(who, 500);
    await tell(customer, { mute_status: 'unmute' });
    await agent.hears(500);
    await tell(quiet, { conferenceParticipantAction: { action: 'kick' } });
    await quiet.call.finished;
    const extra = await call(1900, [{ verb: 'conference', name: 'room' }]);
    await extra.hears(500);
    rig.app.on('/full', [{ verb: 'play', url: 'tone_stream://%(60000,0,2000)' }]);
    const late = await call(2100, [{ verb: 'conference', name: 'room', actionHook: '/full' }]);
    await late.hears(2000);
    t.ok(rig.sink.lines.some((line) => line.includes('conference room has its 4 members already')));
    for (const who of [customer, agent, coach, extra, late]) await who.call.hangup();
    await rig.server.drain();
    await until('all media is given back', async () => (await rig.media.held()).length === 0);
  },
);

t.test('conference: who listens to one member, both ways, has the audio of the whole room', async (t) => {
  const rig = await startPlatform(t);
  const call = callersOf(rig);
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  const listen = { enable: true, url: audio.url, mixType: 'mixed' };
  const ann = await call(500, [
    { verb: 'config', listen },
    { verb: 'conference', name: 'room' },
  ]);
  const session = await connected;
  const ben = await call(900, [{ verb: 'conference', name: 'room' }]);
  await ann.hears(900);
  const share = (hz: number): number => toneShare(session.pcm.subarray(-1_600), hz, 8_000);
  await session.until(() => session.length > 1_600 && share(500) > 0.2 && share(900) > 0.2);
  await Promise.all([ann.call.hangup(), ben.call.hangup()]);
  await rig.server.drain();
});

t.test('conference: keys of who shares them reach the others, by RTP and by SIP INFO', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'conference', name: 'room', distributeDtmf: true }]);
  const joined = (count: number): Promise<unknown> =>
    until(`${count} are in the room`, async () => (await rig.media.memberCount()) === count);
  const ann = await rig.call({ headers: { 'X-Call-Sid': 'ann' } });
  await ann.answered();
  await joined(1);
  const ben = await rig.call({ headers: { 'X-Call-Sid': 'ben' } });
  await ben.answered();
  await joined(2);
  const { dialog } = await callAsEdge(t, rig, { callSid: 'cat' });
  await joined(3);
  await dialog.info({ body: 'Signal=7\r\nDuration=160\r\n', contentType: 'application/dtmf-relay' });
  await until('both hear the key of INFO', () => ann.digits === '7' && ben.digits === '7');
  await ann.sendDtmf('5');
  await until('the other hears the key of RTP', () => ben.digits === '75');
  t.equal(ann.digits, '7', 'nobody hears his own');
  await dialog.bye();
  await Promise.all([ann.hangup(), ben.hangup()]);
  await rig.server.drain();
});
