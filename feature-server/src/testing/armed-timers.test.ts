import { assertNothingLeft, counted, redisLeaks } from '@ringwire/common/testing/leaks.js';
import t from 'tap';
import { pause } from '../verbs/pause.js';
import type { VerbContext } from '../verbs/verb.js';
import { armedTimers, watchTimers } from './armed-timers.js';

t.test('what calls have left behind is named, and waited for where it only takes its time', async (t) => {
  let looks = 0;
  await assertNothingLeft([() => counted(looks++ < 3 ? 1 : 0, 'sessions')]);
  t.equal(looks, 4);
  const keys = async () => ['ringwire:fs-calls:fs-1', 'ringwire:feature-server:fs-1', 'ringwire:queue-of:acc'];
  await t.rejects(assertNothingLeft([() => ['channel 1'], redisLeaks({ keys } as never)], 0), {
    message:
      'left behind by calls that have ended: channel 1; Redis key ringwire:fs-calls:fs-1; Redis key ringwire:queue-of:acc',
  });
});

t.test('a timer that a verb has left armed is named by where it was armed', async (t) => {
  watchTimers();
  const before = armedTimers();
  const stop = new AbortController();
  const left = () => [...armedTimers()].filter((timer) => !before.has(timer)).map(({ where }) => where);
  const run = pause.run({} as VerbContext, { verb: 'pause', length: 60 }, stop.signal);
  t.match(left(), [/verbs\/pause\.js/]);
  stop.abort();
  await run.catch(() => undefined);
  t.same(left(), []);
});
