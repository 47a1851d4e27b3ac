import t from 'tap';
import { liveCalls } from './live-calls.js';

const call = (stopped: string[] = [], name = 'call') => ({ stop: () => void stopped.push(name), abandon: () => {} });

t.test('an INVITE that is still being looked at counts, and is waited for', async (t) => {
  const calls = liveCalls();
  const first = calls.enter();
  const second = calls.enter();
  t.equal(calls.size, 2);
  let isEmpty = false;
  const empty = calls.empty().then(() => {
    isEmpty = true;
  });
  const added = call();
  calls.add(added);
  first();
  first();
  t.equal(calls.size, 2, 'it is a call now; twice makes no difference');
  second();
  await new Promise(setImmediate);
  t.notOk(isEmpty);
  calls.remove(added);
  await empty;
  t.equal(calls.size, 0);
  await calls.empty();
});

t.test('a call that was being looked at when all were told to stop is stopped as soon as it is one', async (t) => {
  const calls = liveCalls();
  const stopped: string[] = [];
  const running = call(stopped, 'running');
  calls.add(running);
  const counted = calls.enter();
  const all = calls.stopAll(10_000);
  const late = call(stopped, 'late');
  calls.add(late);
  counted();
  t.same(stopped, ['running', 'late']);
  calls.remove(running);
  calls.remove(late);
  await all;
});
