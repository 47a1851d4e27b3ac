import t from 'tap';
import type { LegReply, LegRequest } from '../session/call-leg.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { referCall } from './sip-refer.js';
import type { VerbContext } from './verb.js';

/** A call whose far end answers a REFER like this. */
function callWith(reply: LegReply | Promise<LegReply>) {
  const told: Record<string, unknown>[] = [];
  const sent: LegRequest[] = [];
  let notify: (request: LegRequest) => void = () => {};
  let listeners = 0;
  const ctx = {
    journal: journalOver(new CollectingSink()),
    call: { facts: () => ({ from: '15551234' }) },
    app: { tell: (_hook: unknown, fields: Record<string, unknown>) => told.push(fields) },
    dialog: {
      peerHost: '192.0.2.7',
      request: async (request: LegRequest) => {
        sent.push(request);
        return reply;
      },
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
    sent,
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

t.test('sip:refer: a far end that never answers the REFER is not waited for any longer, and told as 408', async (t) => {
  const { ctx, left } = callWith(new Promise(() => {}));
  t.same(await referCall(ctx, REFER, new AbortController().signal, 30), { referStatus: 408 });
  t.equal(left(), 0);
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

t.test(
  'sip:refer: what is no address is not sent, and told as 400; a number goes without what is put between its digits',
  async (t) => {
    const { signal } = new AbortController();
    for (const referTo of ['', ' ', 'sip:', 'sip:@example.com', 'sip:a@b>\r\nX: y', '<sip:a@b', 'two words@b', '<>']) {
      const { ctx, sent } = callWith(ACCEPTED);
      t.same(await referCall(ctx, { verb: 'sip:refer', referTo }, signal, 30), { referStatus: 400 }, referTo);
      t.equal(sent.length, 0);
    }
    for (const [referTo, header] of [
      ['+49 (30) 123', '<sip:+4930123@192.0.2.7>'],
      ['alice', '<sip:alice@192.0.2.7>'],
      ['alice@example.com', '<sip:alice@example.com>'],
      ['tel:+4930123', '<tel:+4930123>'],
      ['"Al" <sip:al@example.com;transport=tcp>;x=y', '"Al" <sip:al@example.com;transport=tcp>;x=y'],
      ['<sip:al@example.com?Replaces=1%40b%3Bto-tag%3D2>', '<sip:al@example.com?Replaces=1%40b%3Bto-tag%3D2>'],
    ] as const) {
      const { ctx, sent } = callWith({ status: 486, reason: 'Busy Here' });
      await referCall(ctx, { verb: 'sip:refer', referTo }, signal, 30);
      t.equal(sent[0]?.headers?.['Refer-To'], header);
    }
  },
);
