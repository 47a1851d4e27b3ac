/** What commands have everybody in a conference hear. */
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { callersOf } from '../testing/callers.js';
import { updateCall } from '../testing/edge-agent.js';
import { startPlatform } from '../testing/platform-rig.js';
import { RoomSound } from './room-sound.js';

t.setTimeout(120_000);

t.test('room_play and room_say are heard by all, one after the other, and their start and end are told', async (t) => {
  const rig = await startPlatform(t);
  const call = callersOf(rig);
  rig.app.on('/events', []);
  const statusEvents = ['say-start', 'say-done', 'play-start', 'play-done'];
  const ann = await call(500, [
    { verb: 'conference', name: 'news', startConferenceOnEnter: true, statusHook: '/events', statusEvents },
  ]);
  const ben = await call(700, [{ verb: 'conference', name: 'news' }]);
  await Promise.all([ann.hears(700), ben.hears(500)]);
  const tone = (hz: number, ms: number): string => `tone_stream://%(${ms},0,${hz})`;
  t.match(await updateCall(rig, ben.callSid, { room_play: { url: tone(1_100, 60_000), id: 'long' } }), { status: 202 });
  t.match(await updateCall(rig, ann.callSid, { room_say: { text: tone(1_300, 800), id: 'short' } }), { status: 202 });
  await Promise.all([ann.hears(1_100), ben.hears(1_100)]);
  // It waits for its turn: who replaces ends what plays, and drops what waits, which is never told to have begun.
  t.match(
    await updateCall(rig, ann.callSid, { room_play: { url: [tone(1_500, 900), tone(1_700, 900)], replace: true } }),
    { status: 202 },
  );
  await Promise.all([ann.hears(1_500), ben.hears(1_500)]);
  await Promise.all([ann.hears(1_700), ben.hears(1_700)]);
  const told = async (): Promise<unknown[]> => {
    const { json } = await rig.app.next('/events');
    return [json.event, json.id];
  };
  t.same(await told(), ['play-start', 'long']);
  t.same(await told(), ['play-done', 'long']);
  t.same(await told(), ['play-start', undefined]);
  t.same(await told(), ['play-done', undefined]);
  t.match(await updateCall(rig, ben.callSid, { room_say: { text: 'Hello all.', id: 'words' } }), { status: 202 });
  t.same(await told(), ['say-start', 'words']);
  t.same(await told(), ['say-done', 'words']);
  await rig.app.on('/none.wav', (response) => response.writeHead(404).end());
  t.match(await updateCall(rig, ben.callSid, { room_play: { url: '/none.wav' } }), { status: 202 });
  t.same(await told(), ['play-start', undefined]);
  t.same(await told(), ['play-done', undefined]);
  await ben.call.hangup();
  await ann.call.hangup();
});

t.test('what a member has all hear ends when he is shown out, and the next is heard', async (t) => {
  const rig = await startPlatform(t);
  const call = callersOf(rig);
  const ann = await call(500, [{ verb: 'conference', name: 'news', startConferenceOnEnter: true }]);
  const ben = await call(700, [{ verb: 'conference', name: 'news' }]);
  await Promise.all([ann.hears(700), ben.hears(500)]);
  const play = (hz: number) => ({ room_play: { url: `tone_stream://%(60000,0,${hz})` } });
  t.match(await updateCall(rig, ann.callSid, play(1_100)), { status: 202 });
  await ben.hears(1_100);
  t.match(await updateCall(rig, ann.callSid, { conferenceParticipantAction: { action: 'kick' } }), { status: 202 });
  t.match(await updateCall(rig, ben.callSid, play(1_300)), { status: 202 });
  await ben.hears(1_300);
  await until('nothing else is heard', () => !ben.hearsNow(1_100));
  await ben.call.hangup();
  await ann.call.hangup();
});

t.test('room_say of a call that is in no conference is refused', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await rig.call();
  await call.answered();
  t.match(await updateCall(rig, 'call-1', { room_say: { text: 'Hello.' } }), { status: 422 });
});

t.test('what is ordered while too much waits is refused; what fails does not hold up the next', async (t) => {
  const sound = new RoomSound();
  const over = new AbortController();
  const played: number[] = [];
  let end: () => void = () => {};
  const first = sound.order(
    { replaces: false, play: () => new Promise<void>((_, reject) => (end = () => reject(new Error('gone')))) },
    over.signal,
  );
  const order = (n: number) => sound.order({ replaces: false, play: async () => void played.push(n) }, over.signal);
  const others = Array.from({ length: 19 }, (_, n) => order(n));
  t.equal(order(99), undefined);
  await new Promise((resolve) => setImmediate(resolve));
  end();
  await t.rejects(first as Promise<void>, { message: 'gone' });
  await Promise.all(others);
  t.equal(played.length, 19);
  t.ok(order(20), 'there is room again');
});

t.test('who replaces is heard however much waits: it is what he drops', async (t) => {
  const sound = new RoomSound();
  const over = new AbortController();
  const played: string[] = [];
  const order = (name: string, replaces: boolean) => {
    const play = (signal: AbortSignal): Promise<void> => {
      played.push(name);
      return name === 'music' ? new Promise((end) => signal.addEventListener('abort', () => end())) : Promise.resolve();
    };
    return sound.order({ replaces, play }, over.signal);
  };
  const before = Array.from({ length: 20 }, (_, n) => order(n === 0 ? 'music' : 'jingle', false));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(order('jingle', false), undefined, 'there is no room');
  const news = order('news', true);
  t.ok(news);
  await Promise.all([...before, news]);
  t.strictSame(played, ['music', 'news']);
});
