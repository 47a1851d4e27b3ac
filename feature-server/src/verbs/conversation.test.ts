import t from 'tap';
import { Conversation } from './conversation.js';
import type { DialledParty, TransferHandler, VerbContext } from './verb.js';

/** A conversation over nothing, whose two sides may ask for transfers. */
function conversing() {
  const never = new Promise<never>(() => {});
  const called: string[] = [];
  const handlers: { caller?: TransferHandler | undefined; callee?: TransferHandler | undefined } = {};
  const party = {
    outcome: never,
    ended: never,
    isEnded: false,
    onTransfer: (handler?: TransferHandler) => {
      handlers.callee = handler;
    },
  } as unknown as DialledParty;
  const ctx = {
    call: {
      callSid: 'call-1',
      onTransfer: (handler?: TransferHandler) => {
        handlers.caller = handler;
      },
    },
    dial: {
      telephone: undefined,
      publish: () => () => {},
      owns: () => true,
      findTalk: () => undefined,
      call: ({ address }: { address: string }) => {
        called.push(address);
        return party;
      },
    },
    journal: { timeline: {}, log: {} },
  } as unknown as VerbContext;
  const conversation = new Conversation(ctx, party, new AbortController().signal, { toAnybody: false });
  const told: number[] = [];
  const transfer = (by: 'caller' | 'callee', address: string): boolean | undefined =>
    handlers[by]?.({
      target: { routing: 'user', address, headers: {} },
      notify: async (status) => void told.push(status),
    });
  return { conversation, called, told, transfer };
}

t.test('a second transfer is refused while the first is under way, whoever of the two wants it', (t) => {
  for (const first of ['caller', 'callee'] as const) {
    const { called, told, transfer } = conversing();
    t.equal(transfer(first, 'bob@example.com'), true);
    t.equal(transfer('caller', 'carol@example.com'), false);
    t.equal(transfer('callee', 'carol@example.com'), false);
    t.same(called, ['bob@example.com']);
    t.same(told, [100], 'nobody is told of what was not begun');
  }
  t.end();
});

t.test('after the conversation nobody transfers', (t) => {
  const { conversation, called, transfer } = conversing();
  conversation.close();
  t.equal(transfer('caller', 'bob@example.com'), undefined);
  t.equal(transfer('callee', 'bob@example.com'), undefined);
  t.same(called, []);
  t.end();
});
