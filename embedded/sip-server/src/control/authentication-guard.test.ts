import t from 'tap';
import { AuthenticationGuard } from './authentication-guard.js';

t.test('guard: a source is barred at its limit, and one failure is forgiven a second', async (t) => {
  let now = 0;
  const guard = new AuthenticationGuard(3, () => now);
  for (let i = 0; i < 3; i++) {
    t.equal(guard.isBarred('192.0.2.1'), false);
    guard.failed('192.0.2.1');
  }
  t.equal(guard.isBarred('192.0.2.1'), true);
  t.equal(guard.isBarred('192.0.2.2'), false);
  now = 999;
  t.equal(guard.isBarred('192.0.2.1'), false, 'two and a bit');
  guard.failed('192.0.2.1');
  t.equal(guard.isBarred('192.0.2.1'), true);
});

t.test('guard: forgiven sources are forgotten, and no more than ten thousand are remembered', async (t) => {
  let now = 0;
  const guard = new AuthenticationGuard(3, () => now);
  for (let i = 0; i < 30_000; i++) guard.failed(`source ${i}`);
  t.equal(guard.size, 10_000);
  now = 1000;
  guard.failed('late');
  t.equal(guard.size, 1);
});
