import t from 'tap';
import { EslClient, startServer, type TestCall, TestCaller } from './test-peer.js';

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

t.test('states: the beginning of a call, as FreeSWITCH tells it to who listens to all calls', async (t) => {
  const server = await startServer(t);
  const watcher = await EslClient.connect(t, server);
  await watcher.command('event plain ALL');
  const { uuid } = await (await TestCaller.create(t, server)).call();
  const call = { esl: watcher, uuid } as TestCall;
  await had(call, 0, 'CHANNEL_PARK');
  t.same(happened(call, 0), [
    'STATE NEW',
    'STATE INIT',
    'CREATE INIT',
    'CALLSTATE ROUTING/RINGING',
    'STATE ROUTING',
    'STATE EXECUTE',
    'EXECUTE EXECUTE answer',
    'PROGRESS_MEDIA EXECUTE',
    'CALLSTATE EXECUTE/EARLY',
    'ANSWER EXECUTE',
    'CALLSTATE EXECUTE/ACTIVE',
    'EXECUTE_COMPLETE EXECUTE answer',
    'EXECUTE EXECUTE socket',
    'PARK EXECUTE',
  ]);
  const codecs = watcher.events.map((event) => [event['Event-Name'], event['Channel-Read-Codec-Name']]);
  t.same(
    codecs.find(([name]) => name === 'CHANNEL_CREATE'),
    ['CHANNEL_CREATE', undefined],
  );
  t.same(
    codecs.find(([name]) => name === 'CHANNEL_ANSWER'),
    ['CHANNEL_ANSWER', 'PCMU'],
  );
});

t.test('states: the end of a call tells when what happened, how long it took and what was executed last', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const a = await caller.call();
  const b = await caller.call();
  a.media.press('57');
  await a.esl.until(() => a.esl.events.filter((event) => event['Event-Name'] === 'DTMF').length === 2);
  await a.esl.execute(a.uuid, 'playback', 'silence_stream://60');
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  await had(a, 0, 'CHANNEL_BRIDGE');
  await b.dialog.bye();
  await had(a, 0, 'CHANNEL_HANGUP_COMPLETE');
  const end = a.esl.events.find((event) => event['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE')!;
  const told = (name: string): string => end[`variable_${name}`] ?? '';
  for (const name of ['start', 'profile_start', 'answer', 'progress_media', 'bridge', 'end']) {
    const epoch = Number(told(`${name}_epoch`));
    t.ok(Math.abs(epoch - Date.now() / 1000) < 30, `${name}_epoch ${epoch}`);
    t.equal(Math.floor(Number(told(`${name}_uepoch`)) / 1e6), epoch, `${name}_uepoch`);
    t.equal(new Date(told(`${name}_stamp`)).getTime(), epoch * 1000, `${name}_stamp ${told(`${name}_stamp`)}`);
  }
  for (const [name, from, to] of [
    ['bill', 'answer', 'end'],
    ['wait', 'start', 'bridge'],
    ['answer', 'start', 'answer'],
    ['flow_bill', 'start', 'end'],
  ] as const) {
    t.equal(Number(told(`${name}sec`)), Number(told(`${to}_epoch`)) - Number(told(`${from}_epoch`)), `${name}sec`);
    t.equal(Number(told(`${name}usec`)), Number(told(`${to}_uepoch`)) - Number(told(`${from}_uepoch`)), `${name}usec`);
    t.equal(Number(told(`${name}msec`)) * 1000, Number(told(`${name}usec`)), `${name}msec`);
  }
  t.equal(Number(told('mduration')), Number(told('flow_billmsec')));
  t.match(end, {
    variable_progress_epoch: '0',
    variable_last_hold_epoch: '0',
    variable_hold_accum_ms: '0',
    variable_last_app: 'playback',
    variable_last_arg: 'silence_stream://60',
    variable_caller_id: /^"[^"]*" <[^>]*>$/,
    variable_digits_dialed: '57',
    variable_last_bridge_role: 'originator',
    variable_bridge_hangup_cause: 'NORMAL_CLEARING',
    variable_sip_from_host: '127.0.0.1',
    variable_sip_to_host: '127.0.0.1',
    variable_sip_contact_host: '127.0.0.1',
    variable_sip_contact_port: /^\d+$/,
    variable_sip_network_port: /^\d+$/,
    variable_sip_to_tag: /./,
    variable_ep_codec_string: 'PCMU@8000h@20i',
    variable_original_read_codec: 'PCMU',
  });
  t.notOk(told('progress_stamp'), 'what has not been has no time');
});

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
