import { getEventListeners } from 'node:events';
import t from 'tap';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import type { VerbContext } from '../verbs/verb.js';
import { VerbRunner } from './verb-runner.js';

t.test('a runner that is idle again and again leaves nothing behind at the signal of its call', async (t) => {
  const call = new AbortController();
  const idle: (() => void)[] = [];
  const runner = new VerbRunner({
    ctx: { journal: journalOver(new CollectingSink()) } as VerbContext,
    registry: {},
    signal: call.signal,
    ensure: async () => {},
    staysOpen: () => true,
    onIdle: () => idle.shift()?.(),
  });
  const isIdle = (): Promise<void> => new Promise((resolve) => idle.push(resolve));
  let next = isIdle();
  const running = runner.run();
  for (let turns = 0; turns < 20; turns++) {
    await next;
    t.equal(getEventListeners(call.signal, 'abort').length, 1);
    next = isIdle();
    runner.append([]);
  }
  call.abort();
  await running;
  t.equal(getEventListeners(call.signal, 'abort').length, 0);
});
