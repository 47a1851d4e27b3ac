import t from 'tap';
import { startServer, type TestCall, TestCaller } from './test-peer.js';

/** What happened to a call since `from` events, in short: event, state, application. */
function happened({ esl, uuid }: TestCall, from: number): string[] {
  return esl.events
    .slice(from)
    .filter((event) => event['Unique-ID'] === uuid)
    .map((event) => {
      const { Application: application = '', 'Channel-State': state = '' } = event;
      const name = event['Event-Name']!.replace('CHANNEL_', '');
      const about = name === 'CALLSTATE' ? `/${event['Channel-Call-State']}` : '';
      return [name, `${state.replace('CS_', '')}${about}`, application].filter(Boolean).join(' ');
    });
}

/** Resolves when the call has had that event since then. */
async function had({ esl, uuid }: TestCall, from: number, name: string): Promise<void> {
  await esl.until(() => esl.events.slice(from).some((e) => e['Event-Name'] === name && e['Unique-ID'] === uuid));
}

const INTO_BRIDGE = ['STATE HIBERNATE', 'STATE RESET', 'STATE SOFT_EXECUTE', 'EXECUTE SOFT_EXECUTE uuid_bridge'];
const TRANSFER = ['CALLSTATE ROUTING/RINGING', 'STATE ROUTING', 'CALLSTATE EXECUTE/ACTIVE', 'STATE EXECUTE'];
const PARKED = ['EXECUTE EXECUTE park', 'PARK EXECUTE'];

t.test('states: into a bridge and out of it to the park, as FreeSWITCH tells them', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const a = await caller.call();
  const b = await caller.call();
  let [fromA, fromB] = [a.esl.events.length, b.esl.events.length];
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  await Promise.all([had(a, fromA, 'CALL_UPDATE'), had(b, fromB, 'CALL_UPDATE')]);
  const out = ['UNPARK EXECUTE', 'EXECUTE_COMPLETE EXECUTE socket', ...INTO_BRIDGE];
  t.same(happened(a, fromA), [...out, 'BRIDGE SOFT_EXECUTE', 'CALL_UPDATE SOFT_EXECUTE']);
  t.same(happened(b, fromB), [...out, 'STATE EXCHANGE_MEDIA', 'CALL_UPDATE EXCHANGE_MEDIA']);
  const update = a.esl.events.find((event) => event['Event-Name'] === 'CALL_UPDATE');
  t.match(update, { Direction: 'SEND', 'Bridged-To': b.uuid });
  [fromA, fromB] = [a.esl.events.length, b.esl.events.length];
  await a.esl.api(`uuid_transfer ${a.uuid} -both park inline`);
  await Promise.all([had(a, fromA, 'CHANNEL_PARK'), had(b, fromB, 'CHANNEL_PARK')]);
  t.same(happened(a, fromA), ['UNBRIDGE SOFT_EXECUTE', ...TRANSFER, ...PARKED]);
  t.same(happened(b, fromB), [...TRANSFER, ...PARKED]);
});

t.test('states: a list of a transfer is executed in order, what played before ends first', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const a = await caller.call();
  const playing = a.esl.execute(a.uuid, 'playback', 'silence_stream://-1');
  await had(a, 0, 'PLAYBACK_START');
  const from = a.esl.events.length;
  await a.esl.api(`uuid_transfer ${a.uuid} 'set:x=1,playback:silence_stream://60,park' inline`);
  await playing;
  await had(a, from, 'CHANNEL_PARK');
  t.same(happened(a, from), [
    'PLAYBACK_STOP EXECUTE',
    'EXECUTE_COMPLETE EXECUTE playback',
    'UNPARK EXECUTE',
    'EXECUTE_COMPLETE EXECUTE socket',
    ...TRANSFER,
    'EXECUTE EXECUTE set',
    'EXECUTE_COMPLETE EXECUTE set',
    'EXECUTE EXECUTE playback',
    'PLAYBACK_START EXECUTE',
    'PLAYBACK_STOP EXECUTE',
    'EXECUTE_COMPLETE EXECUTE playback',
    ...PARKED,
  ]);
});

t.test(
  'states: uuid_park, a park of its own, hangs up the other side of a bridge unless park_after_bridge',
  async (t) => {
    const caller = await TestCaller.create(t, await startServer(t));
    for (const stays of [false, true]) {
      const a = await caller.call();
      const b = await caller.call();
      if (stays) await b.esl.api(`uuid_setvar ${b.uuid} park_after_bridge true`);
      await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
      const [fromA, fromB] = [a.esl.events.length, b.esl.events.length];
      await a.esl.api(`uuid_park ${a.uuid}`);
      await had(a, fromA, 'CHANNEL_PARK');
      t.same(happened(a, fromA).slice(-3), ['UNBRIDGE SOFT_EXECUTE', 'STATE PARK', 'PARK PARK']);
      await had(b, fromB, stays ? 'CHANNEL_PARK' : 'CHANNEL_HANGUP');
      if (stays) t.same(happened(b, fromB).slice(-2), ['STATE PARK', 'PARK PARK']);
    }
  },
);

t.test('states: a call that ends leaves the park first', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const a = await caller.call();
  const from = a.esl.events.length;
  await a.esl.api(`uuid_kill ${a.uuid}`);
  await had(a, from, 'CHANNEL_DESTROY');
  t.same(happened(a, from).slice(0, 9), [
    'HANGUP EXECUTE',
    'UNPARK EXECUTE',
    'EXECUTE_COMPLETE EXECUTE socket',
    'STATE HANGUP',
    'CALLSTATE HANGUP/HANGUP',
    'STATE REPORTING',
    'HANGUP_COMPLETE REPORTING',
    'DESTROY REPORTING',
    'STATE DESTROY',
  ]);
});
