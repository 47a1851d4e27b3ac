import { EventEmitter, once } from 'node:events';
import t from 'tap';
import { watchFarEnd } from './far-end-watch.js';
import type { SipDialog } from './stack.js';

/** A dialog of drachtio-srf whose OPTIONS get these statuses, the last again and again. */
function dialogAnswering(statuses: number[]): SipDialog {
  const request = (_options: object, callback: (error: unknown, response: object) => void): void => {
    const status = statuses.length > 1 ? statuses.shift() : statuses[0];
    setImmediate(() => callback(null, { status: status ?? 200, get: () => undefined }));
  };
  return Object.assign(new EventEmitter(), { request, req: {}, res: {}, sip: {} }) as unknown as SipDialog;
}

/** Watches until `refreshes` re-INVITEs were answered with these statuses, or the far end is dead. */
async function watched(t: { teardown(fn: () => void): void }, options: number[], refreshes: (number | null)[]) {
  const events = new EventEmitter();
  let refreshed = 0;
  const stop = watchFarEnd({
    dialog: () => dialogAnswering(options),
    refresh: async () => {
      const status = refreshes[Math.min(refreshed, refreshes.length - 1)] ?? null;
      refreshed++;
      if (refreshed > refreshes.length) events.emit('over', 'alive');
      return status;
    },
    intervalMs: 1,
    lost: new AbortController().signal,
    onDead: (why) => events.emit('over', why),
  });
  t.teardown(stop);
  const [verdict] = (await once(events, 'over')) as [string];
  return { verdict, refreshed };
}

t.test('a far end that answers neither OPTIONS nor a re-INVITE is gone', async (t) => {
  t.match(await watched(t, [408], [408]), { verdict: /neither/, refreshed: 1 });
  t.match(await watched(t, [481], [481]), { verdict: /neither/, refreshed: 1 });
  t.match(await watched(t, [503], [503]), { verdict: /neither/, refreshed: 1 }, 'its connection is closed');
});

t.test(
  'one that leaves OPTIONS unanswered, but not re-INVITEs, is there; so is one whose session is being changed',
  async (t) => {
    t.match(await watched(t, [408], [200, 488, 491]), { verdict: 'alive' });
    t.match(await watched(t, [481], [null, 200]), { verdict: 'alive' });
    t.match(await watched(t, [503], [200, 491]), { verdict: 'alive' });
  },
);

t.test('a single OPTIONS without an answer says nothing, and every answer means that somebody is there', async (t) => {
  const stop: (() => void)[] = [];
  t.teardown(() => stop.forEach((end) => void end()));
  const asked = new Promise<void>((resolve) => {
    const dialog = dialogAnswering([408, 200, 503, 408, 200, 405]);
    let count = 0;
    stop.push(
      watchFarEnd({
        dialog: () => {
          count++;
          if (count > 8) resolve();
          return dialog;
        },
        refresh: () => Promise.reject(new Error('nobody is asked by a re-INVITE')),
        intervalMs: 1,
        lost: new AbortController().signal,
        onDead: (why) => t.fail(why),
      }),
    );
  });
  await asked;
});
