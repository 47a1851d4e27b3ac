import { EventEmitter } from 'node:events';
import type { SipDialog, SipRequest, SipResponse, SipStack } from '@ringwire/common/sip/stack.js';
import t from 'tap';
import type { LegEnd } from '../session/call-leg.js';
import { Channel, silentLogger } from '../testing/fakes.js';
import { InboundLeg } from './inbound-leg.js';

/** A request, a response and a stack whose 200 the test completes. */
function rig() {
  const request = new EventEmitter() as EventEmitter & { body: string };
  request.body = 'v=0 offer';
  const sent: { status: number; headers?: Record<string, string> }[] = [];
  const response = {
    finalResponseSent: false,
    send(status: number, _reason?: string, options?: { headers?: Record<string, string> }) {
      sent.push({ status, ...(options?.headers && { headers: options.headers }) });
      if (status >= 200) response.finalResponseSent = true;
    },
  };
  const byes = new Channel<Record<string, string>>();
  const dialog = Object.assign(new EventEmitter(), {
    connected: true,
    destroy({ headers = {} }: { headers?: Record<string, string> }, done: (error: unknown) => void) {
      byes.post(headers);
      done(null);
    },
  });
  let establish: () => void = () => {};
  const stack = {
    createUAS: () =>
      new Promise((resolve) => {
        response.finalResponseSent = true;
        establish = () => resolve(dialog);
      }),
  };
  const leg = new InboundLeg({
    stack: stack as unknown as SipStack,
    request: request as unknown as SipRequest,
    response: response as unknown as SipResponse,
    headers: { 'X-Call-Sid': 'c1' },
    logger: silentLogger,
  });
  const ends: LegEnd[] = [];
  leg.onEnd((end) => ends.push(end));
  return {
    leg,
    request,
    dialog: dialog as unknown as SipDialog & EventEmitter,
    sent,
    byes,
    ends,
    establish: () => establish(),
  };
}

t.test('a 200 that crosses a CANCEL is followed by a BYE', async (t) => {
  const { leg, request, byes, ends, establish } = rig();
  const answering = leg.answer('v=0');
  request.emit('cancel', {});
  await t.rejects(answering, { code: 'call/gone' });
  t.same(ends, [{ how: 'cancelled' }]);
  establish();
  await byes.take('BYE');
  t.notOk(leg.isAnswered);
});

t.test('a refusal while the 200 is on its way becomes a BYE', async (t) => {
  const { leg, sent, byes, establish } = rig();
  const answering = leg.answer('v=0');
  leg.reject(503, undefined, {});
  await t.rejects(answering, { code: 'call/gone' });
  t.same(sent, [], 'no second final response');
  establish();
  await byes.take('BYE');
});

t.test('a refusal carries the headers of the call and is sent once', (t) => {
  const { leg, sent } = rig();
  leg.reject(486, 'Busy', { 'X-Reason': 'busy' });
  leg.reject(500, undefined, {});
  t.same(sent, [{ status: 486, headers: { 'X-Call-Sid': 'c1', 'X-Reason': 'busy' } }]);
  t.end();
});

t.test('a BYE ends the leg once, with its custom headers', async (t) => {
  const { leg, dialog, ends, byes, establish } = rig();
  const answering = leg.answer('v=0');
  establish();
  await answering;
  dialog.emit('destroy', { headers: { 'X-Why': 'x', via: 'y' } });
  leg.lose('later');
  await leg.hangup({});
  t.same(ends, [{ how: 'bye', headers: { 'X-Why': 'x' } }]);
  t.equal(byes.size, 0, 'we send none of our own');
});

t.test('INFO gives a digit and is answered, whatever it holds; a re-INVITE that media refuses is a 488', async (t) => {
  const { leg, dialog, establish } = rig();
  const answering = leg.answer('v=0');
  establish();
  await answering;
  const digits: string[] = [];
  leg.onDigit((key) => digits.push(key));
  const answers = new Channel<number>();
  const response = { send: (status: number) => answers.post(status) };
  const info = (body: string) => ({ get: () => 'application/dtmf-relay', body });
  dialog.emit('info', info('Signal=5\r\nDuration=160'), response);
  dialog.emit('info', info('nonsense'), response);
  t.same([await answers.take(), await answers.take()], [200, 200]);
  t.same(digits, ['5']);
  const replaced: (boolean | undefined)[] = [];
  leg.onModify((_sdp, isReplaced) => {
    replaced.push(isReplaced);
    return Promise.reject(new Error('no'));
  });
  const reinvite = (headers: string[]) => ({
    body: 'v=0',
    has: (name: string) => headers.includes(name),
    get: () => undefined,
  });
  for (const headers of [[], ['X-Jambonz-Replaced']]) {
    dialog.emit('modify', reinvite(headers), response);
    t.equal(await answers.take(), 488);
  }
  t.same(replaced, [false, true]);
  dialog.emit('refer', { get: () => '<sip:4930@example.com>' }, response);
  t.equal(await answers.take(), 501);
});

t.test(
  'who asks for an offer answers it with the ACK of that re-INVITE; until then nothing else is offered',
  async (t) => {
    const { leg, dialog, establish } = rig();
    const answering = leg.answer('v=0');
    establish();
    await answering;
    const sent = new Channel<number>();
    const response = { send: (status: number) => sent.post(status) };
    const message = (cseq: number, body: string) => ({ body, has: () => false, get: () => `${cseq} INVITE` });
    const taken = new Channel<readonly unknown[]>();
    let isRefusing = true;
    leg.onModify(async (sdp, _isReplaced, _parties, isAnswer = false) => {
      if (isRefusing) throw new Error('no');
      taken.post([sdp, isAnswer]);
      return 'v=0 offer';
    });
    dialog.emit('modify', message(2, ''), response);
    t.equal(await sent.take(), 488);
    t.equal(dialog.listenerCount('ack'), 0, 'a refused one has no ACK');
    isRefusing = false;
    dialog.emit('modify', message(3, ''), response);
    t.equal(await sent.take(), 200);
    t.same(await taken.take(), ['', false]);
    t.match(await leg.changes?.offer('v=0 elsewhere', 'release-media'), { status: 491 });
    dialog.emit('ack', message(2, 'v=0 of another'));
    dialog.emit('ack', message(3, 'v=0 answer'));
    t.same(await taken.take(), ['v=0 answer', true]);
    t.match(leg.changes, { remoteSdp: 'v=0 answer', isAnswer: true });
    t.equal(dialog.listenerCount('ack'), 0);
  },
);
