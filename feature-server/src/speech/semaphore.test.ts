import t from 'tap';
import { Semaphore } from './semaphore.js';

t.test('who gives up waiting for a slot is answered at once, and those behind him move up', async (t) => {
  const slots = new Semaphore(1);
  let finish = (): void => {};
  const first = slots.run(() => new Promise<void>((resolve) => (finish = resolve)));
  const caller = new AbortController();
  const second = slots.run(async () => 'second', caller.signal);
  const third = slots.run(async () => 'third', new AbortController().signal);
  caller.abort();
  t.equal(await second, undefined);
  finish();
  await first;
  t.equal(await third, 'third');
  t.equal(await slots.run(async () => 'fourth'), 'fourth', 'no slot is lost');
  t.equal(await slots.run(async () => 'late', caller.signal), undefined);
});
