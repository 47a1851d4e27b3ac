import t from 'tap';
import { takeTransfers } from './dial-transfer.js';
import type { CallTransfer, DialledParty, VerbContext } from './verb.js';

t.test('a second transfer is refused while the first is under way', (t) => {
  let take: ((transfer: CallTransfer) => boolean) | undefined;
  const never = new Promise<never>(() => {});
  const party = { outcome: never, ended: never } as unknown as DialledParty;
  const called: string[] = [];
  const ctx = {
    call: {
      onTransfer: (handler: typeof take) => {
        take = handler;
      },
    },
    dial: {
      call: ({ address }: { address: string }) => {
        called.push(address);
        return party;
      },
    },
    journal: { timeline: {}, log: {} },
  } as unknown as VerbContext;
  takeTransfers(ctx, party, never, new AbortController().signal, { toAnybody: false });
  const told: number[] = [];
  const transferTo = (address: string): boolean | undefined =>
    take?.({
      target: { routing: 'user', address, headers: {} },
      notify: async (status) => void told.push(status),
    });
  t.equal(transferTo('bob@example.com'), true);
  t.equal(transferTo('carol@example.com'), false);
  t.same(called, ['bob@example.com']);
  t.same(told, [100], 'nobody is told of what was not begun');
  t.end();
});
