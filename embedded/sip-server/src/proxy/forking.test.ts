import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { InviteFailedError, type SipMessage } from '@ringwire/sip';
import t from 'tap';
import { notDrachtio, nothingHeld, sdp, startPhone, type Teardown, until, uriOf } from '../test-rig.js';
import { answering, noTransactions, startProxying, startTarget, statusesOf } from './test-targets.js';

/** The failure of a call. */
async function failureOf(answered: Promise<unknown>): Promise<{ status: number; response: SipMessage | undefined }> {
  const outcome = await answered.catch((err: unknown) => err);
  if (!(outcome instanceof InviteFailedError)) throw new Error('the call did not fail');
  return { status: outcome.status, response: outcome.response as SipMessage | undefined };
}

/** The URI of a UDP port that takes everything and says nothing. */
async function silentUri(t: Teardown): Promise<string> {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return `sip:nobody@127.0.0.1:${socket.address().port}`;
}

t.test('proxy: serial: the second target is tried when the first answers 503, the application sees both', async (t) => {
  const first = await startTarget(t, answering(503));
  const second = await startTarget(t, answering(200, { 'X-Who': 'second' }));
  const { server, results } = await startProxying(t, [first.uri(), second.uri()]);
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1), headers: { 'X-Custom': 'kept' } });
  const [, ok] = (await once(call, 'answered')) as [unknown, SipMessage];
  t.equal(ok.get('X-Who'), 'second');
  t.equal(ok.getList('Via').length, 1, 'the Via of the proxy is off the response');
  await until(() => results.length === 1);
  t.same(statusesOf(results[0]), [503, 200]);
  t.match(results[0], { connected: true, finalStatus: 200 });
  const [invite] = second.requests;
  t.equal(invite?.uri, second.uri(), 'a Request-URI of ours is replaced');
  t.equal(invite?.get('X-Custom'), 'kept');
  t.equal(invite?.get('Max-Forwards'), '69');
  t.equal(invite?.getList('Via').length, 2);
  t.notOk(invite?.has('Record-Route'));
  await nothingHeld(server);
});

t.test(
  'proxy: serial: of all failures the best goes to the caller; 503 alone becomes 500 (not drachtio)',
  notDrachtio,
  async (t) => {
    const targets = await Promise.all([500, 404, 480].map((status) => startTarget(t, answering(status))));
    const { server, results } = await startProxying(
      t,
      targets.map((target) => target.uri()),
    );
    const phone = await startPhone(t);
    t.equal((await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered)).status, 404);
    await until(() => results.length === 1);
    t.same(statusesOf(results[0]), [500, 404, 480]);
    t.match(results[0], { connected: false });

    const busy = await startTarget(t, answering(503));
    const alone = await startProxying(t, busy.uri());
    const other = await startPhone(t);
    t.equal((await failureOf(other.invite({ uri: uriOf(alone.server), sdp: sdp(1) }).answered)).status, 500);
  },
);

t.test('proxy: the challenges of all targets go to the caller together (not drachtio)', notDrachtio, async (t) => {
  const first = await startTarget(t, answering(401, { 'WWW-Authenticate': 'Digest realm="a", nonce="1"' }));
  const second = await startTarget(t, answering(407, { 'Proxy-Authenticate': 'Digest realm="b", nonce="2"' }));
  const { server } = await startProxying(t, [first.uri(), second.uri()], { forking: 'simultaneous' });
  const phone = await startPhone(t);
  const { response } = await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered);
  t.same(response?.getAll('WWW-Authenticate'), ['Digest realm="a", nonce="1"']);
  t.same(response?.getAll('Proxy-Authenticate'), ['Digest realm="b", nonce="2"']);
});

t.test('proxy: parallel: all ring, the first 200 wins, the others get CANCEL', async (t) => {
  const slow = await startTarget(t, answering(180));
  const progress = new Set<number>();
  const quick = await startTarget(t, (transaction) => {
    transaction.reply(183);
    void until(() => progress.size === 2).then(() => answering(200, { 'X-Who': 'quick' })(transaction));
  });
  const { server, results } = await startProxying(t, [slow.uri(), quick.uri()], { forking: 'simultaneous' });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  call.on('progress', ({ status }) => progress.add(status));
  const [, ok] = (await once(call, 'answered')) as [unknown, SipMessage];
  t.equal(ok.get('X-Who'), 'quick');
  await until(() => slow.cancels.length === 1);
  t.same([...progress].sort(), [180, 183], 'provisional responses of both');
  t.equal(slow.cancels[0]?.getList('Via')[0], slow.requests[0]?.getList('Via')[0]);
  await until(() => results.length === 1);
  t.match(results[0], { connected: true });
  await noTransactions(server);
});

t.test('proxy: parallel: a 6xx cancels the others and is the answer (not drachtio)', notDrachtio, async (t) => {
  const ringing = await startTarget(t, answering(180));
  const decliner = await startTarget(t, (transaction) => {
    void until(() => ringing.requests.length === 1).then(() => transaction.reply(603));
  });
  const { server, results } = await startProxying(t, [ringing.uri(), decliner.uri()], { forking: 'simultaneous' });
  const phone = await startPhone(t);
  t.equal((await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered)).status, 603);
  t.equal(ringing.cancels.length, 1);
  await until(() => results.length === 1);
  t.same(statusesOf(results[0]).sort(), [487, 603]);
});

t.test('proxy: serial: after a 6xx nobody else is asked (not drachtio)', notDrachtio, async (t) => {
  const decliner = await startTarget(t, answering(600));
  const never = await startTarget(t, answering(200));
  const { server } = await startProxying(t, [decliner.uri(), never.uri()]);
  const phone = await startPhone(t);
  t.equal((await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered)).status, 600);
  t.same(never.requests, []);
});

t.test('proxy: a late 200 of a cancelled target reaches the caller too', async (t) => {
  let late: (() => void) | undefined;
  const crossing = await startTarget(t, answering(180), (transaction) => {
    late = () => answering(200, { 'X-Who': 'late' })(transaction);
  });
  const winner = await startTarget(t, (transaction) => {
    void until(() => crossing.requests.length === 1).then(() => answering(200)(transaction));
  });
  const { server } = await startProxying(t, [crossing.uri(), winner.uri()], { forking: 'simultaneous' });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  await call.answered;
  await until(() => late !== undefined);
  late!();
  // The caller acknowledges the second answer and ends it, straight to its Contact.
  await until(() => crossing.methods().includes('BYE'));
  t.same(crossing.methods().slice(0, 3), ['INVITE', 'ACK', 'BYE']);
});

t.test(
  'proxy: CANCEL goes to every target with its Reason, their 487 to the caller (not drachtio)',
  notDrachtio,
  async (t) => {
    const targets = await Promise.all([1, 2].map(() => startTarget(t, answering(180))));
    const { server, results } = await startProxying(
      t,
      targets.map((target) => target.uri()),
      { forking: 'simultaneous' },
    );
    const phone = await startPhone(t);
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
    const ringing = once(call, 'progress');
    await until(() => targets.every((target) => target.requests.length === 1));
    await ringing;
    call.cancel({ Reason: 'SIP;cause=200;text="Call completed elsewhere"' });
    t.equal((await failureOf(call.answered)).status, 487);
    for (const { cancels } of targets) {
      t.equal(cancels.length, 1);
      t.equal(cancels[0]?.get('Reason'), 'SIP;cause=200;text="Call completed elsewhere"');
    }
    await until(() => results.length === 1);
    t.same(statusesOf(results[0]), [487, 487]);
    await nothingHeld(server);
  },
);

t.test('proxy: CANCEL in a serial search ends it; the next target is not asked', async (t) => {
  const first = await startTarget(t, answering(180));
  const second = await startTarget(t, answering(200));
  const { server } = await startProxying(t, [first.uri(), second.uri()]);
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  await once(call, 'progress');
  call.cancel();
  t.equal((await failureOf(call.answered)).status, 487);
  t.same(second.requests, []);
});

t.test(
  'proxy: redirects: followed where asked for, best contact first; else forwarded (not drachtio)',
  notDrachtio,
  async (t) => {
    const low = await startTarget(t, answering(200));
    const high = await startTarget(t, answering(486));
    const redirecting = await startTarget(
      t,
      answering(302, { Contact: `<${low.uri('low')}>;q=0.2, <${high.uri('high')}?X-A=b>;q=0.9` }),
    );
    const following = await startProxying(t, redirecting.uri(), { followRedirects: true });
    const phone = await startPhone(t);
    await phone.invite({ uri: uriOf(following.server), sdp: sdp(1) }).answered;
    await until(() => following.results.length === 1);
    t.same(statusesOf(following.results[0]), [302, 486, 200]);
    t.equal(high.requests[0]?.uri, high.uri('high'), 'headers of a URI do not stand in a request line');
    t.equal(low.requests[0]?.uri, low.uri('low'));

    const forwarding = await startProxying(t, redirecting.uri());
    const other = await startPhone(t);
    const failure = await failureOf(other.invite({ uri: uriOf(forwarding.server), sdp: sdp(1) }).answered);
    t.equal(failure.status, 302);
    t.equal(failure.response?.getList('Contact').length, 2);
  },
);

t.test('proxy: redirects in a circle end (not drachtio)', notDrachtio, async (t) => {
  const target = await startTarget(t, (transaction) => {
    answering(302, { Contact: `<${target.uri('a')}>, <${target.uri('b')}>, <mailto:a@b.example>` })(transaction);
  });
  const { server } = await startProxying(t, target.uri('a'), { followRedirects: true });
  const phone = await startPhone(t);
  const { status, response } = await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered);
  t.equal(status, 302);
  t.same(response?.getList('Contact'), ['<mailto:a@b.example>'], 'what the proxy cannot try is left to the caller');
  t.same(
    target.requests.map(({ uri }) => uri),
    [target.uri('a'), target.uri('b')],
  );
});

t.test('proxy: provisionalTimeout: a target that says nothing is left for the next', async (t) => {
  const answeringTarget = await startTarget(t, answering(200));
  const { server, results } = await startProxying(t, [await silentUri(t), answeringTarget.uri()], {
    provisionalTimeout: '600ms',
  });
  const phone = await startPhone(t);
  await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await until(() => results.length === 1);
  t.same(statusesOf(results[0]), [200]);
});

t.test(
  'proxy: finalTimeout: a target that rings too long gets CANCEL and the next is tried (not drachtio)',
  notDrachtio,
  async (t) => {
    const ringing = await startTarget(t, answering(180));
    const second = await startTarget(t, answering(200));
    const { server } = await startProxying(t, [ringing.uri(), second.uri()], { finalTimeout: '700ms' });
    const phone = await startPhone(t);
    await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
    await until(() => ringing.cancels.length === 1);
  },
);

t.test(
  'proxy: timer C: a call that rings without end gets CANCEL, its caller 408 (not drachtio)',
  notDrachtio,
  async (t) => {
    const ringing = await startTarget(t, answering(180));
    const { server, results } = await startProxying(t, ringing.uri(), {}, { around: { proxyTimerCMs: 100 } });
    const phone = await startPhone(t);
    t.equal((await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered)).status, 408);
    await until(() => ringing.cancels.length === 1 && results.length === 1);
    await noTransactions(server);
  },
);

t.test(
  'proxy: a target that cannot be reached counts as 503, one that never answers as 408 (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, results } = await startProxying(t, 'sip:nobody@127.0.0.1:1;transport=tcp');
    const phone = await startPhone(t);
    t.equal((await failureOf(phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered)).status, 500);
    await until(() => results.length === 1);
    t.same(statusesOf(results[0]), []);
    t.match(results[0], { connected: false });
    const dead = await startProxying(t, ['sip:nobody@127.0.0.1:1;transport=tcp', await silentUri(t)]);
    const other = await startPhone(t);
    t.equal((await failureOf(other.invite({ uri: uriOf(dead.server), sdp: sdp(1) }).answered)).status, 408);
  },
);

t.test('proxy: a call outlives its application, before the answer and after (not drachtio)', notDrachtio, async (t) => {
  let answer: (() => void) | undefined;
  const target = await startTarget(t, (transaction) => {
    if (transaction.method !== 'INVITE') transaction.reply(200);
    else {
      transaction.reply(180);
      answer = () => answering(200)(transaction);
    }
  });
  const { server, srf } = await startProxying(t, target.uri(), { remainInDialog: true });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  await once(call, 'progress');
  srf.disconnect();
  await until(() => server.counters.clientsLost === 1);
  answer!();
  const dialog = await call.answered;
  await until(() => target.methods().includes('ACK'));
  t.equal((await dialog.bye())?.status, 200);
  t.same(target.methods(), ['INVITE', 'ACK', 'BYE']);
});

t.test(
  'proxy: Max-Breadth bounds how many targets are asked at a time (RFC 5393) (not drachtio)',
  notDrachtio,
  async (t) => {
    const targets = await Promise.all([486, 486, 200].map((status) => startTarget(t, answering(status))));
    const { server } = await startProxying(
      t,
      targets.map((target) => target.uri()),
      { forking: 'simultaneous' },
    );
    const phone = await startPhone(t);
    const ask = async (breadth: string): Promise<SipMessage | undefined> =>
      await phone.request({ method: 'OPTIONS', uri: uriOf(server), headers: { 'Max-Breadth': breadth } });
    t.equal((await ask('2'))?.status, 200, 'the third when one of the others is done');
    t.same(
      targets.map(({ requests }) => requests[0]?.get('Max-Breadth')),
      ['1', '1', '1'],
    );
    t.equal((await ask('0'))?.status, 440);
    await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
    t.same(
      targets.map(({ requests }) => requests.find(({ method }) => method === 'INVITE')?.get('Max-Breadth')),
      ['20', '20', '20'],
    );
  },
);
