import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { deadline } from './deadline.js';

t.test('a deadline that is joined with other signals comes, whatever the garbage collector takes', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const aborted = Array.from({ length: 20 }, () => {
    const joint = AbortSignal.any([new AbortController().signal, deadline(200)]);
    return once(joint, 'abort');
  });
  // What is only referred to weakly is taken in the turn after the one that made it.
  await new Promise(setImmediate);
  collect();
  // The deadlines' own timers do not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  t.equal((await Promise.all(aborted)).length, 20);
});
