import t from 'tap';
import { CallerAsParty } from '../session/caller-as-party.js';
import type { Talk } from '../session/talks.js';
import type { DialledParty } from './call-dial.js';
import { Conversation } from './conversation.js';
import type { TransferHandler, VerbContext } from './verb.js';

/** A conversation over nothing, whose two sides may ask for transfers. */
function conversing(ask?: () => Promise<boolean>) {
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
    journal: { timeline: {}, log: { error: () => {} } },
  } as unknown as VerbContext;
  const conversation = new Conversation(ctx, party, new AbortController().signal, { caller: {}, callee: {} });
  const told: number[] = [];
  const transfer = (by: 'caller' | 'callee', address: string): boolean | undefined =>
    handlers[by]?.({
      target: { routing: 'user', address, headers: {} },
      ...(ask && { ask }),
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

/** A party that the test lets answer, and whose end it sees. */
function aParty() {
  let answer = (): void => {};
  let tellEnd = (): void => {};
  const outcome = new Promise<object>((resolve) => {
    answer = () => resolve({ ok: true, sdp: '', outerCallId: undefined });
  });
  const ended = new Promise<void>((resolve) => {
    tellEnd = resolve;
  });
  const party = {
    ...{ callSid: 'party', isEnded: false, telephone: undefined, outcome, ended, onTransfer: () => {} },
    end: async () => {
      party.isEnded = true;
      tellEnd();
    },
  };
  return { party: party as unknown as DialledParty, answer, ended };
}

/** A conversation whose callee has a third party called in his place; `grantBridge` lets the media server bridge him with the caller. */
function transferring(first: DialledParty = aParty().party) {
  const third = aParty();
  const published = new Set<Talk>();
  const told: number[] = [];
  let takeTransfer: TransferHandler | undefined;
  let grantBridge = (): void => {};
  let tellAsked = (): void => {};
  const bridgeAsked = new Promise<void>((resolve) => {
    tellAsked = resolve;
  });
  first.onTransfer = (handler) => {
    takeTransfer = handler;
  };
  const ctx = {
    call: { callSid: 'call-1', isOver: false, onTransfer: () => {} },
    dial: {
      telephone: undefined,
      publish: (talk: Talk) => {
        published.add(talk);
        return () => published.delete(talk);
      },
      owns: () => true,
      adopt: () => {},
      findTalk: () => undefined,
      call: () => third.party,
      bridge: () => {
        tellAsked();
        return new Promise<void>((resolve) => {
          grantBridge = resolve;
        });
      },
    },
    journal: { timeline: { info: () => {}, warn: () => {} }, log: {} },
  } as unknown as VerbContext;
  const conversation = new Conversation(ctx, first, new AbortController().signal, { caller: {}, callee: {} });
  conversation.tellBridged();
  return {
    ...{ conversation, third, published, told, bridgeAsked },
    grantBridge: () => grantBridge(),
    /** Resolves when the callee has been told how it ended. */
    transfer: () =>
      new Promise<number>((resolve) => {
        takeTransfer?.({
          target: { routing: 'user', address: 'carol@example.com', headers: {} },
          notify: async (status) => {
            if (status >= 200) resolve(status);
          },
        });
      }),
  };
}

t.test('a transfer by the callee does not survive the dial: whom he has called rings no more', async (t) => {
  const { conversation, third, published, transfer } = transferring();
  const told = transfer();
  conversation.close();
  t.equal(await told, 487);
  await third.ended;
  t.equal(published.size, 0);
});

t.test('who answers in the place of the callee when the dial ends is hung up', async (t) => {
  for (const when of ['before he is bridged', 'while he is bridged'] as const) {
    const { conversation, third, published, transfer, bridgeAsked, grantBridge } = transferring();
    const told = transfer();
    third.answer();
    if (when === 'while he is bridged') await bridgeAsked;
    conversation.close();
    grantBridge();
    t.equal(await told, 487, when);
    await third.ended;
    t.not(conversation.party, third.party);
    t.equal(published.size, 0, 'his talk is not left behind');
  }
});

t.test('a talk whose dial is over is joined with nobody; who comes all the same is hung up', async (t) => {
  const { conversation, published } = transferring();
  const [, callees] = [...published] as [Talk, Talk];
  t.type(callees.reserve()?.(), 'undefined', 'until then it may be');
  t.notOk(callees.isClosed());
  conversation.close();
  t.ok(callees.isClosed());
  t.equal(callees.reserve(), undefined);
  const guest = aParty();
  callees.admit(guest.party);
  await guest.ended;
  t.equal(published.size, 0);
});

t.test('whom a callee has left with a caller of another call is not transferred again: both stay', (t) => {
  const life = { ended: new Promise<never>(() => {}), end: () => t.fail('nobody is ended') };
  const { published } = transferring(
    new CallerAsParty('call-2', { endpoint: () => undefined, anchor: async () => {} }, life),
  );
  for (const talk of published) t.equal(talk.reserve(), undefined);
  t.end();
});

t.test(
  'a transfer that the application was asked about and that failed is no failure of the conversation',
  async (t) => {
    const { conversation, told, transfer } = conversing(() => Promise.reject(new Error('the media server is away')));
    t.equal(transfer('callee', 'bob@example.com'), true);
    await conversation.asked;
    await new Promise(setImmediate);
    t.same(told, [100, 500]);
  },
);
