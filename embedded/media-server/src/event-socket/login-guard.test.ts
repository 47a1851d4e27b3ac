import t from 'tap';
import { LOGIN_LIMITS, LoginGuard } from './login-guard.js';

const limits = {
  ...LOGIN_LIMITS,
  freeFailures: 2,
  delayMs: 250,
  pendingPerAddress: 2,
  waitingPerAddress: 2,
  forgetMs: 2000,
};

t.test('after a few wrong passwords each further attempt of that address takes its time', async (t) => {
  const guard = new LoginGuard('right', limits);
  const timed = async (address: string, password: string): Promise<[boolean, boolean]> => {
    const startMs = performance.now();
    const right = await guard.check(address, password);
    return [right, performance.now() - startMs >= limits.delayMs - 2];
  };
  t.same(await timed('a', 'wrong'), [false, false]);
  t.same(await timed('a', ''), [false, false]);
  t.same(await timed('a', 'wrong'), [false, true]);
  t.same(await timed('a', 'right'), [true, true], 'who knows it is not shut out');
  t.same((await timed('b', 'right'))[0], true);
  await new Promise((resolve) => setTimeout(resolve, limits.forgetMs + 5));
  t.equal((await timed('a', 'right'))[0], true, 'forgotten');
});

t.test(
  'of many connections of an address without the password some are asked, some wait for their turn, others are refused',
  async (t) => {
    const guard = new LoginGuard('right', limits);
    const asked: string[] = [];
    const turns = ['3rd', '4th', '5th'].map((name) => () => void asked.push(name));
    const enter = (address: string, at = 0) => guard.enter(address, turns[at]!);
    t.same([enter('a'), enter('a'), enter('b')], ['now', 'now', 'now']);
    t.same([enter('a', 0), enter('a', 1), enter('a', 2)], ['later', 'later', 'never']);
    guard.giveUp('a', turns[0]!);
    t.same([enter('a', 2), enter('a', 0)], ['later', 'never']);
    t.same(asked, []);
    guard.leave('a');
    t.same(asked, ['4th'], 'the one before has gone');
    guard.leave('a');
    t.same(asked, ['4th', '5th']);
    t.equal(enter('a', 0), 'later', 'both have their turn now');
    guard.leave('b');
    t.same(asked, ['4th', '5th'], 'addresses do not wait for each other');
  },
);
