import t from 'tap';
import { EslClient, startServer, TestCaller } from '../test-peer.js';

/** Numbers that look random and are the same every time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const COMMANDS =
  'list count xml_list json_list get set getvar setvar lock unlock pin nopin play stop pause_play file-vol moh record norecord pause resume chkrecord recording relate tag untag gettag enter_sound exit_sound mute unmute tmute deaf undeaf hold unhold dtmf energy agc volume_in volume_out floor get-uuid say dial help'.split(
    ' ',
  );
const WORDS = [
  ...['1', '2', 'all', 'last', 'non_moderator', '-1', '0', '99999999999', 'NaN', '1e9', 'up', 'down', 'on', 'off', ''],
  ...[
    'async',
    'start',
    'stop',
    'check',
    'nospeak',
    'clear',
    'nomatch',
    'delim',
    'a=b',
    '=',
    '__proto__',
    'constructor',
  ],
  ...[
    '/no/such/file',
    '/dev/null',
    'tone_stream://%(10,0,400)',
    'silence_stream://10',
    '"',
    "'",
    '%00',
    '\u{1F600}',
    'é',
  ],
  ...['x'.repeat(3000), '1,2,3,1,2', '1'.repeat(400), '{', '}', '<a b="c">', '../../etc', 'max_members', 'file', 'mod'],
];

t.test('no words of the api end a conference, its thread or the server', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const client = await EslClient.connect(t, server);
  const calls = [await caller.call(), await caller.call()];
  for (const name of ['room', '__proto__']) {
    for (const call of calls) {
      void call.esl.execute(call.uuid, 'conference', name);
      await call.esl.event((event) => event.Action === 'add-member' && event['Conference-Name'] === name);
    }
    const next = numbers(7);
    const pick = (from: readonly string[]): string => from[Math.floor(next() * from.length)]!;
    for (let i = 0; i < 1500; i++) {
      const words = Array.from({ length: Math.floor(next() * 5) }, () => pick(WORDS));
      const answer = await client.api(`conference ${name} ${pick(COMMANDS)} ${words.join(' ')}`);
      if (answer === '') t.fail(`no answer to ${words.join(' ')}`);
    }
    t.equal(await client.api(`conference ${name} get count`), '2');
    t.equal(server.counters.workerRestarts, 0);
  }
  for (const call of calls) await call.dialog.bye();
  for (const call of calls) {
    await call.esl.event(
      (event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && event.Application === 'conference',
    );
  }
  t.equal(server.conferences.all().length, 0);
  t.equal(await client.api('conference room list count'), '-ERR Conference room not found\n');
});

t.test('hostile names neither join nor spoil lists', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const call = await caller.call();
  for (const name of ['', '@', '+1', 'x'.repeat(300)]) await call.esl.execute(call.uuid, 'conference', name);
  t.equal(server.conferences.all().length, 0);
  void call.esl.execute(call.uuid, 'conference', '<b>&"room"');
  await call.esl.event((event) => event.Action === 'add-member');
  t.match(await call.esl.api('conference xml_list'), /name="&#60;b&#62;&#38;&#34;room&#34;"/);
  await call.dialog.bye();
});
