import t from 'tap';
import { LOGIN_LIMITS, LoginGuard } from './login-guard.js';

const limits = { ...LOGIN_LIMITS, freeFailures: 2, delayMs: 250, pendingPerAddress: 2, forgetMs: 2000 };

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

t.test('an address may have only so many connections without the password', async (t) => {
  const guard = new LoginGuard('right', limits);
  t.same(
    ['a', 'a', 'a', 'b'].map((address) => guard.enter(address)),
    [true, true, false, true],
  );
  guard.leave('a');
  t.equal(guard.enter('a'), true);
});
