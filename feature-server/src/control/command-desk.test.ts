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
