import t from 'tap';
import { type EventHeaders, serverUnderTest, type TestCall, TestCaller } from './test-peer.js';

function eventsOf({ esl, uuid }: TestCall, name: string): EventHeaders[] {
  return esl.events.filter((event) => event['Event-Name'] === name && event['Unique-ID'] === uuid);
}

t.test('applications nest: a later one is heard first and ends first, a break goes through all', async (t) => {
  const caller = await TestCaller.create(t, await serverUnderTest(t));
  const story = (call: TestCall): string[] =>
    call.esl.events.flatMap((event) => {
      if (event['Unique-ID'] !== call.uuid) return [];
      if (event['Event-Name'] === 'PLAYBACK_START') return [`start ${event['Playback-File-Path']}`];
      if (event['Event-Name'] === 'PLAYBACK_STOP')
        return [`${event['Playback-Status']} ${event['Playback-File-Path']}`];
      if (event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE') return [`end ${event.Application}`];
      return [];
    });
  const began = (call: TestCall, count: number) =>
    call.esl.until(() => eventsOf(call, 'CHANNEL_EXECUTE').filter((e) => e.Application !== 'socket').length >= count);
  const [a, b] = ['silence_stream://500', 'silence_stream://900'];
  const since = (call: TestCall): string[] => story(call).filter((entry) => !/ (answer|socket)$/.test(entry));
  await Promise.all([
    (async () => {
      const call = await caller.call();
      const outer = call.esl.execute(call.uuid, 'playback', a);
      await call.esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 1);
      const inner = await call.esl.execute(call.uuid, 'playback', b);
      t.equal(inner.variable_playback_ms, '900');
      t.equal((await outer).variable_playback_ms, '500', 'the earlier one goes on where it was');
      t.same(since(call), [`start ${a}`, `start ${b}`, `done ${b}`, 'end playback', `done ${a}`, 'end playback']);
    })(),
    (async () => {
      const call = await caller.call();
      const outer = call.esl.execute(call.uuid, 'sleep', '200');
      await began(call, 1);
      void call.esl.execute(call.uuid, 'playback', a);
      t.equal((await outer)['Application-Response'], 'FILE PLAYED', 'the response of the inner one stays');
      t.same(since(call), [`start ${a}`, `done ${a}`, 'end playback', 'end sleep'], 'one that is over waits for it');
    })(),
    (async () => {
      const call = await caller.call();
      const outer = call.esl.execute(call.uuid, 'playback', 'silence_stream://9000');
      await call.esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 1);
      const middle = call.esl.execute(call.uuid, 'sleep', '9000');
      await began(call, 2);
      void call.esl.execute(call.uuid, 'gentones', '%(9000,0,400)');
      await began(call, 3);
      await call.esl.api(`uuid_break ${call.uuid}`);
      await Promise.all([outer, middle]);
      const ends = ['end gentones', 'end sleep', 'break silence_stream://9000', 'end playback'];
      t.same(
        since(call).filter((entry) => !entry.startsWith('start')),
        ends,
      );
    })(),
    (async () => {
      const call = await caller.call();
      const lock = `sendmsg ${call.uuid}\ncall-command: execute\nexecute-app-name: playback\nevent-lock: true`;
      await call.esl.command(`${lock}\nexecute-app-arg: ${a}`);
      await call.esl.execute(call.uuid, 'playback', b);
      t.same(
        since(call),
        [`start ${a}`, `done ${a}`, 'end playback', `start ${b}`, `done ${b}`, 'end playback'],
        'but not with event-lock',
      );
    })(),
    (async () => {
      const call = await caller.call();
      await call.esl.execute(call.uuid, 'set', 'playback_delimiter=!');
      const list = call.esl.execute(call.uuid, 'playback', `silence_stream://9000!${a}`);
      await call.esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 1);
      await call.esl.api(`uuid_break ${call.uuid}`);
      t.equal((await list)['Application-Response'], 'FILE PLAYED');
      const wanted = [
        'end set',
        'start silence_stream://9000',
        'break silence_stream://9000',
        `start ${a}`,
        `done ${a}`,
      ];
      t.same(since(call), [...wanted, 'end playback'], 'of a list a break ends one file');
    })(),
  ]);
});
