import t from 'tap';
import type { AppMessage, AppRequest, AppResponse } from './test-app.js';
import { startPeer } from './test-peer.js';
import { connectApp, notDrachtio, nothingHeld, sdp, startPhone, startServer, until, uriOf } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];
const RELIABLY = { Require: '100rel' };
const SUPPORTED = { Supported: '100rel' };

/** A caller that knows 100rel, and an application that has its INVITE. */
async function called(t: Tap, headers: Record<string, string> = SUPPORTED, t1Ms = 20) {
  const server = await startServer(t, [], { T1: t1Ms });
  const invites: Array<{ req: AppRequest; res: AppResponse }> = [];
  const srf = await connectApp(t, server, (app) => {
    app.invite((req, res) => void invites.push({ req, res }));
  });
  const caller = await startPeer(t, t1Ms);
  const invite = caller.invite(uriOf(server), { headers });
  await until(() => invites.length === 1);
  return { server, srf, caller, invite, ...invites[0]! };
}

t.test(
  '100rel, callee: an 18x that the application requires is numbered, repeated until PRACK, and told by it (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, res, server, srf } = await called(t);
    const pracks: AppMessage[] = [];
    res.send(183, { body: sdp(5000), headers: RELIABLY }, undefined, (prack) => pracks.push(prack));
    const early = await invite.response(183);
    t.match(early.get('RSeq'), /^[1-9]\d*$/);
    t.match(early.get('Require'), /100rel/);
    const again = await invite.response(183);
    t.equal(again.get('RSeq'), early.get('RSeq'), 'it is repeated');
    const dialog = invite.dialog(early);
    const prack = caller.prack(dialog, early, { headers: { 'X-Prack': 'p' } });
    t.equal((await prack.final()).status, 200);
    await until(() => pracks.length === 1);
    t.equal(pracks[0]!.get('X-Prack'), 'p');
    t.equal((await caller.prack(dialog, early).final()).status, 481, 'a second PRACK fits nothing');
    const call = await srf.createUAS(req, res, { localSdp: sdp(5000) });
    await invite.final();
    caller.ack(dialog, invite);
    t.equal(call.sip.localTag, dialog.remoteTag);
    t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
    await nothingHeld(server);
  },
);

t.test(
  '100rel, callee: a PRACK with another number or another CSeq gets 481 (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, res } = await called(t);
    res.send(180, { headers: RELIABLY });
    const early = await invite.response(180);
    const dialog = invite.dialog(early);
    const rseq = Number(early.get('RSeq'));
    for (const RAck of [`${rseq + 1} 1 INVITE`, `${rseq} 2 INVITE`, `${rseq} 1 OPTIONS`, 'x']) {
      t.equal((await caller.prack(dialog, early, { headers: { RAck } }).final()).status, 481, RAck);
    }
    t.equal((await caller.prack(dialog, early).final()).status, 200);
  },
);

t.test(
  '100rel, callee: the next reliable response waits for the PRACK of the one before (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, res } = await called(t);
    res.send(180, { headers: RELIABLY });
    res.send(183, { body: sdp(5000), headers: RELIABLY });
    const first = await invite.response(180);
    t.equal((await invite.responses.take()).status === 183, false, 'only repetitions of the first');
    const dialog = invite.dialog(first);
    t.equal((await caller.prack(dialog, first).final()).status, 200);
    const second = await invite.response(183);
    t.equal(Number(second.get('RSeq')), Number(first.get('RSeq')) + 1);
    t.equal((await caller.prack(dialog, second).final()).status, 200);
  },
);

t.test(
  '100rel, callee: the 2xx waits for the PRACK of a response with SDP (RFC 3262 §3) (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, res, srf, server } = await called(t);
    res.send(183, { body: sdp(5000), headers: RELIABLY });
    const early = await invite.response(183);
    const call = await srf.createUAS(req, res, { localSdp: sdp(5000) });
    await invite.response(183);
    t.notOk(invite.transaction.finalResponse, 'no 200 yet');
    const dialog = invite.dialog(early);
    t.equal((await caller.prack(dialog, early).final()).status, 200);
    t.equal((await invite.final()).status, 200);
    caller.ack(dialog, invite);
    const bye = call.destroy();
    caller.answer(await caller.request('BYE'), 200);
    await bye;
    await nothingHeld(server);
  },
);

t.test(
  '100rel, callee: a caller who cancels while the 2xx waits gets 487, the application a BYE (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, res, srf, server } = await called(t);
    res.send(183, { body: sdp(5000), headers: RELIABLY });
    await invite.response(183);
    const call = await srf.createUAS(req, res, { localSdp: sdp(5000) });
    const ended = new Promise((resolve) => call.on('destroy', resolve));
    caller.cancel(invite);
    t.equal((await invite.final()).status, 487);
    await ended;
    await nothingHeld(server);
    t.equal(server.bridge.earlyDialogCount, 0);
  },
);

t.test(
  '100rel, callee: a 2xx after one without SDP does not wait, and its late PRACK is taken (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, res, srf } = await called(t);
    res.send(180, { headers: RELIABLY });
    const early = await invite.response(180);
    await srf.createUAS(req, res, { localSdp: sdp(5000) });
    t.equal((await invite.final()).status, 200);
    const dialog = invite.dialog(early);
    caller.ack(dialog, invite);
    t.equal((await caller.prack(dialog, early).final()).status, 200);
    t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
  },
);

t.test(
  '100rel, callee: without a PRACK for 64*T1 the INVITE is refused and the application hears a cancel (not drachtio)',
  notDrachtio,
  async (t) => {
    const { invite, req, res, server } = await called(t, SUPPORTED, 5);
    const cancelled = new Promise<AppMessage>((resolve) => req.on('cancel', resolve));
    res.send(180, { headers: RELIABLY });
    t.equal((await invite.final()).status, 504);
    t.match((await cancelled).get('Reason'), /no PRACK/);
    t.equal(server.bridge.earlyDialogCount, 0);
    t.equal(server.counters.unacknowledgedProvisionals, 1);
  },
);

t.test('100rel, callee: a caller who requires it gets no unreliable 18x', async (t) => {
  const { caller, invite, res } = await called(t, RELIABLY);
  res.send(180);
  const early = await invite.response(180);
  t.match(early.get('RSeq'), /^\d+$/);
  t.match(early.get('Require'), /100rel/);
  t.equal((await caller.prack(invite.dialog(early), early).final()).status, 200);
});

t.test('100rel, callee: to a caller who does not know it nothing is sent reliably', async (t) => {
  const { invite, res } = await called(t, {});
  const err = await new Promise((resolve) => res.send(183, { headers: RELIABLY }, resolve));
  t.equal(err, 'Remote endpoint does not support 100rel');
  res.send(180);
  t.equal((await invite.response(180)).get('RSeq'), undefined);
});

t.test('100rel, callee: PRACK may carry an offer, which the application answers', async (t) => {
  const server = await startServer(t);
  let response: AppResponse | undefined;
  await connectApp(t, server, (app) => {
    app.invite((_req, res) => {
      response = res;
      res.send(183, { body: sdp(5000), headers: RELIABLY });
    });
    app.use('prack', (req, res) => res.send(200, req.body === '' ? {} : { body: sdp(5002) }));
  });
  const caller = await startPeer(t);
  const invite = caller.invite(uriOf(server), { headers: SUPPORTED });
  const early = await invite.response(183);
  const answered = await caller.prack(invite.dialog(early), early, { port: 4002 }).final();
  t.equal(answered.status, 200);
  t.equal(answered.bodyText, sdp(5002));
  response?.send(486);
  t.equal((await invite.final()).status, 486);
});

/** An application that calls a peer. */
async function calling(t: Tap) {
  const server = await startServer(t);
  const provisional: AppMessage[] = [];
  const srf = await connectApp(t, server);
  const callee = await startPeer(t);
  const headers = { Supported: '100rel' };
  const outcome = srf.createUAC(
    callee.uri(),
    { localSdp: sdp(5000), headers },
    { cbProvisional: (res) => provisional.push(res) },
  );
  outcome.catch(() => undefined);
  return { server, callee, invite: await callee.request('INVITE'), outcome, provisional };
}

t.test(
  '100rel, caller: a numbered response is acknowledged by the application, repeated ones are absorbed',
  async (t) => {
    const { callee, invite, outcome, provisional, server } = await calling(t);
    t.equal(invite.request.get('Supported'), '100rel');
    const early = callee.answer(invite, 183, { port: 6000, headers: { ...RELIABLY, RSeq: '41' } });
    const prack = await callee.request('PRACK');
    const cseq = Number.parseInt(invite.request.get('CSeq')!, 10);
    t.equal(prack.request.get('RAck'), `41 ${cseq} INVITE`);
    t.equal(prack.request.uri, callee.uri(), 'it goes to the Contact of the response');
    t.equal(Number.parseInt(prack.request.get('CSeq')!, 10), cseq + 1);
    callee.answer(prack, 200);
    invite.respond(early);
    callee.answer(invite, 180, { headers: { ...RELIABLY, RSeq: '42' } });
    const next = await callee.request('PRACK');
    t.equal(next.request.get('RAck'), `42 ${cseq} INVITE`);
    callee.answer(next, 200);
    t.same(
      provisional.map((res) => res.status),
      [183, 180],
    );
    callee.answer(invite, 200, { port: 6000 });
    t.equal(Number.parseInt((await callee.acks.take()).get('CSeq')!, 10), cseq, 'the ACK has the number of the INVITE');
    const call = await outcome;
    const bye = call.destroy();
    const end = await callee.request('BYE');
    t.equal(Number.parseInt(end.request.get('CSeq')!, 10), cseq + 3);
    callee.answer(end, 200);
    await bye;
    await nothingHeld(server);
  },
);

t.test('100rel, caller: a response out of order is dropped, and comes again in order', async (t) => {
  const { callee, invite, provisional, outcome } = await calling(t);
  callee.answer(invite, 180, { headers: { ...RELIABLY, RSeq: '1' } });
  callee.answer(await callee.request('PRACK'), 200);
  const third = callee.answer(invite, 183, { port: 6000, headers: { ...RELIABLY, RSeq: '3' } });
  callee.answer(invite, 180, { headers: { ...RELIABLY, RSeq: '2' } });
  const second = await callee.request('PRACK');
  t.match(second.request.get('RAck'), /^2 /);
  callee.answer(second, 200);
  invite.respond(third);
  const last = await callee.request('PRACK');
  t.match(last.request.get('RAck'), /^3 /);
  callee.answer(last, 200);
  t.same(
    provisional.map((res) => res.get('RSeq')),
    ['1', '2', '3'],
  );
  callee.answer(invite, 486);
  t.match(await outcome.catch((err: unknown) => err), { status: 486 });
});

t.test('100rel: createB2BUA passes it through, with the PRACK of either side', async (t) => {
  const server = await startServer(t);
  const callee = await startPeer(t);
  const caller = await startPeer(t);
  let bridged = false;
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => {
      const options = { localSdpB: req.body, proxyRequestHeaders: ['Supported'], proxyResponseHeaders: ['Require'] };
      void srf.createB2BUA(req, res, callee.uri(), options).then(({ uas, uac }) => {
        uas.on('destroy', () => void uac.destroy().catch(() => undefined));
        bridged = true;
      });
    });
  });
  const invite = caller.invite(uriOf(server), { headers: SUPPORTED });
  const onward = await callee.request('INVITE');
  t.equal(onward.request.get('Supported'), '100rel');
  callee.answer(onward, 183, { port: 6000, headers: { ...RELIABLY, RSeq: '9' } });
  callee.answer(await callee.request('PRACK'), 200);
  const early = await invite.response(183);
  t.match(early.get('RSeq'), /^\d+$/);
  t.equal(early.bodyText, sdp(6000));
  const dialog = invite.dialog(early);
  t.equal((await caller.prack(dialog, early).final()).status, 200);
  callee.answer(onward, 200, { port: 6000 });
  t.equal((await invite.final()).status, 200);
  caller.ack(dialog, invite);
  await until(() => bridged);
  t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
  callee.answer(await callee.request('BYE'), 200);
  await nothingHeld(server);
});

t.test('420: an option that nobody knows is refused by name, 421 of an application goes through', async (t) => {
  const server = await startServer(t);
  await connectApp(t, server, (srf) => {
    srf.invite((_req, res) => res.send(421, { headers: { Require: '100rel' } }));
  });
  const phone = await startPhone(t);
  const content = { body: sdp(1), contentType: 'application/sdp' };
  const ask = (headers: Record<string, string>) =>
    phone.request({
      method: 'INVITE',
      uri: uriOf(server),
      headers: { Contact: `<${phone.contactUri()}>`, ...headers },
      content,
    });
  t.match((await ask({}))?.get('Require'), /100rel/);
});
