import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { CommandDesk } from './command-desk.js';

t.test('a command: the newest taker does it, and the one before when that one is done', async (t) => {
  const desk = new CommandDesk();
  const took: string[] = [];
  desk.on('mute:status', () => {
    took.push('session');
    return { ok: true };
  });
  const done = desk.on('mute:status', () => {
    took.push('dial');
    return { ok: true };
  });
  await desk.execute({ command: 'mute:status', isMuted: true });
  done();
  await desk.execute({ command: 'mute:status', isMuted: true });
  t.strictSame(took, ['dial', 'session']);
});

t.test('a command that nothing of the call takes is refused with what is missing', async (t) => {
  const desk = new CommandDesk();
  const reason = 'no listen is running';
  t.strictSame(await desk.execute({ command: 'listen:status', status: 'pause' }), {
    ok: false,
    because: 'wrong state',
    reason,
  });
});

t.test('a taker that throws has failed, and nothing else', async (t) => {
  const desk = new CommandDesk();
  desk.on('dtmf', () => {
    throw new Error('the channel is gone');
  });
  t.strictSame(await desk.execute({ command: 'dtmf', digits: '1' }), {
    ok: false,
    because: 'failed',
    reason: 'the channel is gone',
  });
});

t.test('commands of a name wait for one call up to a bound; others, and the end of the call, go on', async (t) => {
  const desk = new CommandDesk();
  let finish = (): void => {};
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const done = { ok: true } as const;
  desk.on('record', () => slow.then(() => done));
  desk.on('tag', () => done);
  desk.on('hangup', () => slow.then(() => done));
  const record = () => desk.execute({ command: 'record', action: 'startCallRecording' });
  const hangup = () => desk.execute({ command: 'hangup', reason: 'over' });
  const taken = Array.from({ length: 15 }, record);
  await nextTurn();
  const reason = '15 commands record of this call are not done yet';
  t.strictSame(await record(), { ok: false, because: 'too many', reason });
  t.strictSame(await desk.execute({ command: 'tag', data: {} }), done);
  const ends = Array.from({ length: 21 }, hangup);
  await nextTurn();
  finish();
  t.ok((await Promise.all([...taken, ...ends])).every(({ ok }) => ok));
  t.strictSame(await record(), done);
  const tags = Array.from({ length: 300 }, () => desk.execute({ command: 'tag', data: {} }));
  t.ok(
    (await Promise.all(tags)).every(({ ok }) => ok),
    'those that are done at once may come all together',
  );
});
