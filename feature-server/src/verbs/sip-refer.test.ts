import t from 'tap';
import type { LegReply, LegRequest } from '../session/call-leg.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { referCall } from './sip-refer.js';
import type { VerbContext } from './verb.js';

/** A call whose far end answers a REFER like this. */
function callWith(reply: LegReply) {
  const told: Record<string, unknown>[] = [];
  let notify: (request: LegRequest) => void = () => {};
  let listeners = 0;
  const ctx = {
    journal: journalOver(new CollectingSink()),
    call: { facts: () => ({ from: '15551234' }) },
    app: { tell: (_hook: unknown, fields: Record<string, unknown>) => told.push(fields) },
    dialog: {
      peerHost: '192.0.2.7',
      request: async () => reply,
      onNotify: (listener: typeof notify) => {
        listeners += 1;
        notify = listener;
        return () => {
          listeners -= 1;
        };
      },
    },
  } as unknown as VerbContext;
  return {
    ctx,
    told,
    notify: (body: string) => notify({ method: 'NOTIFY', headers: {}, body }),
    left: () => listeners,
  };
}
const REFER = { verb: 'sip:refer', referTo: '4711', eventHook: '/progress' } as const;
const ACCEPTED = { status: 202, reason: 'Accepted' };

t.test('sip:refer: a far end that tells nothing of the new call is not waited for for ever', async (t) => {
  const { ctx, told, left } = callWith(ACCEPTED);
  t.same(await referCall(ctx, REFER, new AbortController().signal, 30), { referStatus: 202 });
  t.same(told, []);
  t.equal(left(), 0, 'nobody waits for its NOTIFY any more');
});

t.test('sip:refer: what is no status of a call is no news, and a final status ends it', async (t) => {
  const { ctx, told, notify, left } = callWith(ACCEPTED);
  const outcome = referCall(ctx, REFER, new AbortController().signal, 20_000);
  for (const body of [
    '',
    'hello',
    'SIP/2.0 1800 Ringing',
    'SIP/2.0 183 Session Progress\r\n',
    'SIP/2.0 603 Decline\r\n',
  ])
    notify(body);
  t.same(await outcome, { referStatus: 202, finalReferredCallStatus: 603 });
  t.match(told, [{ event: 'transfer-status', callStatus: 183 }, { callStatus: 603 }]);
  t.equal(left(), 0);
});

t.test('sip:refer: a call that ends meanwhile has no outcome', async (t) => {
  const { ctx, left } = callWith(ACCEPTED);
  const over = new AbortController();
  const outcome = referCall(ctx, REFER, over.signal, 20_000);
  over.abort();
  t.equal(await outcome, undefined);
  t.equal(left(), 0);
});
