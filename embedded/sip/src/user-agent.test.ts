import { once } from 'node:events';
import t from 'tap';
import type { Dialog } from './dialog.js';
import { InviteFailedError } from './errors.js';
import { createUserAgent, type UserAgent } from './user-agent.js';

/** One T1 for all: no test waits for a timer longer than 64 * 20 ms. */
const timers = { T1: 20 };

async function agents(t: { teardown(fn: () => unknown): void }): Promise<[UserAgent, UserAgent]> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const made = await Promise.all([createUserAgent({ listen, timers }), createUserAgent({ listen, timers })]);
  t.teardown(() => Promise.all(made.map((agent) => agent.stop())));
  return made;
}

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`user agent: a whole call over ${transport}`, async (t) => {
    const [alice, bob] = await agents(t);
    let theirs: Dialog | undefined;
    bob.onInvite((call) => {
      t.equal(call.sdp, 'offer');
      t.equal(call.request.get('X-Test'), '1');
      call.ring(183, { sdp: 'early' });
      theirs = call.accept('answer');
      theirs?.on('reinvite', (reinvite) => reinvite.accept('answer2'));
    });
    const call = alice.invite({ uri: bob.contactUri(transport), sdp: 'offer', headers: { 'X-Test': '1' } });
    const progress = once(call, 'progress');
    const dialog = await call.answered;
    t.equal((await progress)[0].bodyText, 'early');
    t.equal(dialog.remoteSdp, 'answer');
    const info = once(theirs!, 'info');
    t.equal((await dialog.info({ body: 'Signal=1', contentType: 'application/dtmf-relay' }))?.status, 200);
    t.equal((await info)[0].bodyText, 'Signal=1');
    await dialog.reinvite('offer2');
    t.equal(dialog.remoteSdp, 'answer2');
    t.equal(theirs?.remoteSdp, 'offer2');
    await theirs?.reinvite('offer3');
    t.equal(dialog.remoteSdp, 'offer3');
    const ended = once(dialog, 'ended');
    t.equal((await theirs?.bye({ Reason: 'SIP;cause=200' }))?.status, 200);
    const [end] = await ended;
    t.equal(end.by, 'remote');
    t.equal(end.request.get('Reason'), 'SIP;cause=200');
    t.equal(alice.dialogCount + bob.dialogCount, 0);
  });
}

t.test('user agent: a refusal comes with status and reason', async (t) => {
  const [alice, bob] = await agents(t);
  bob.onInvite((call) => call.reject(486, undefined, { 'X-Reason': 'on the phone' }));
  const failure = await alice.invite({ uri: bob.contactUri(), sdp: 'o' }).answered.catch((error: unknown) => error);
  t.ok(failure instanceof InviteFailedError);
  t.match(failure, { status: 486, reason: 'Busy Here' });
});

t.test('user agent: cancel reaches the callee, the INVITE ends with 487', async (t) => {
  const [alice, bob] = await agents(t);
  const cancelled = new Promise<string | undefined>((resolve) => {
    bob.onInvite((call) => {
      call.on('cancel', (cancel) => resolve(cancel.get('Reason')));
      call.ring();
    });
  });
  const call = alice.invite({ uri: bob.contactUri(), sdp: 'o' });
  await once(call, 'progress');
  call.cancel({ Reason: 'SIP;cause=487' });
  t.equal(await cancelled, 'SIP;cause=487');
  t.match(await call.answered.catch((error: unknown) => error), { status: 487 });
});

t.test('user agent: a cancel that crosses the answer ends the call with BYE', async (t) => {
  const [alice, bob] = await agents(t);
  const ended = new Promise<string>((resolve) => {
    bob.onInvite((call) => call.accept('answer')?.on('ended', (end) => resolve(end.by)));
  });
  const call = alice.invite({ uri: bob.contactUri(), sdp: 'o' });
  call.cancel();
  t.match(await call.answered.catch((error: unknown) => error), { status: 487 });
  t.equal(await ended, 'remote');
});

t.test('user agent: a delayed offer is answered in the ACK', async (t) => {
  const [alice, bob] = await agents(t);
  const acked = new Promise<string>((resolve) => {
    bob.onInvite((call) => call.accept('offer of bob')?.on('ack', (ack) => resolve(ack.bodyText)));
  });
  await alice.invite({ uri: bob.contactUri(), onOffer: (offer) => `answer to ${offer}` }).answered;
  t.equal(await acked, 'answer to offer of bob');
});

t.test('user agent: OPTIONS is answered, an unknown dialog gets 481, nobody at home 408', async (t) => {
  const [alice, bob] = await agents(t);
  const options = await alice.request({ method: 'OPTIONS', uri: bob.contactUri('tcp') });
  t.equal(options?.status, 200);
  const bye = await alice.request({ method: 'BYE', uri: bob.contactUri(), to: '<sip:x@y>;tag=nobody' });
  t.equal(bye?.status, 481);
  const uri = bob.contactUri();
  await bob.stop();
  t.match(await alice.invite({ uri, sdp: 'o' }).answered.catch((error: unknown) => error), { status: 408 });
});

t.test('user agent: transactions are gone when their timers have run out', async (t) => {
  const [alice, bob] = await agents(t);
  bob.onInvite((call) => call.accept('answer'));
  const dialog = await alice.invite({ uri: bob.contactUri(), sdp: 'o' }).answered;
  const bye = await dialog.bye();
  t.equal(bye?.status, 200);
  const gone = (agent: UserAgent): boolean => {
    const { clientTransactions, serverTransactions } = agent.layer.gauges;
    return clientTransactions + serverTransactions === 0;
  };
  while (!gone(alice) || !gone(bob)) await new Promise((resolve) => setImmediate(resolve));
  t.equal(alice.counters.strayResponses + bob.counters.strayAcks, 0);
});
