import { once } from 'node:events';
import t from 'tap';
import type { App, AppMessage, AppRequest, AppResponse } from './test-app.js';
import { startPeer } from './test-peer.js';
import { connectApp, disconnect, notDrachtio, nothingHeld, sdp, startServer, until, uriOf } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];

/** Sends a request of an application inside the dialog of that id; resolves with its final response. */
async function inside(srf: App, stackDialogId: string, method: string, body?: string): Promise<AppMessage> {
  const headers: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/sdp' };
  return await new Promise((resolve, reject) => {
    srf.request('sip:placeholder', { method, stackDialogId, headers, ...(body ? { body } : {}) }, (err, req) => {
      if (err || !req) reject(err instanceof Error ? err : new Error(String(err)));
      else req.on('response', (res: AppMessage) => (res.status >= 200 ? resolve(res) : undefined));
    });
  });
}

/** An application that shows its INVITE's early dialog to the test, and a caller whose INVITE it has. */
async function ringing(t: Tap, prepare: (srf: App) => void = () => {}) {
  const server = await startServer(t);
  const invites: Array<{ req: AppRequest; res: AppResponse }> = [];
  const srf = await connectApp(t, server, (app) => {
    app.invite((req, res) => void invites.push({ req, res }));
    prepare(app);
  });
  const caller = await startPeer(t);
  const invite = caller.invite(uriOf(server));
  await until(() => invites.length === 1);
  const { req, res } = invites[0]!;
  const ring = async (status: number, port?: number): Promise<{ sent: AppMessage }> => {
    const options = port === undefined ? {} : { body: sdp(port) };
    return await new Promise((resolve, reject) => {
      res.send(status, options, (err, sent) => (sent ? resolve({ sent }) : reject(new Error(String(err)))));
    });
  };
  return { server, srf, caller, invite, req, res, ring };
}

t.test('early dialog of a caller: its UPDATE reaches the application, which answers', async (t) => {
  const { caller, invite, req, res, ring, server, srf } = await ringing(t);
  await ring(183, 5000);
  const dialog = invite.dialog(await invite.response(183));
  const updated = once(req, 'update') as Promise<[AppRequest, AppResponse]>;
  const update = caller.inside(dialog, 'UPDATE', { port: 4002 });
  const [updateReq, updateRes] = await updated;
  t.equal(updateReq.body, sdp(4002));
  updateRes.send(200, { body: sdp(5002) });
  const ok = await update.final();
  t.equal(ok.status, 200);
  t.equal(ok.bodyText, sdp(5002));
  const uas = await srf.createUAS(req, res, { localSdp: sdp(5000) });
  caller.ack(dialog, invite);
  t.equal(uas.sip.localTag, dialog.remoteTag);
  t.equal((await caller.inside(dialog, 'BYE').final()).status, 200, 'the early dialog has become the call');
  await nothingHeld(server);
});

t.test(
  'early dialog of a caller: INFO reaches the application that has the INVITE (not drachtio)',
  notDrachtio,
  async (t) => {
    const bodies: string[] = [];
    const { caller, invite, ring } = await ringing(t, (app) => {
      app.use('info', (req, res) => {
        bodies.push(req.body);
        res.send(200);
      });
    });
    await ring(180);
    const dialog = invite.dialog(await invite.response(180));
    const info = caller.inside(dialog, 'INFO', { body: 'Signal=1', type: 'application/dtmf-relay' });
    t.equal((await info.final()).status, 200);
    t.same(bodies, ['Signal=1']);
  },
);

t.test(
  'early dialog of a caller: the application sends UPDATE and INFO into it (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, ring, srf } = await ringing(t);
    const { sent } = await ring(183, 5000);
    const early = await invite.response(183);
    const dialog = invite.dialog(early);
    const id = `${dialog.callId};from-tag=${dialog.localTag}`;
    t.equal(sent.get('To'), early.get('To'));
    for (const [method, port] of [
      ['UPDATE', 5004],
      ['INFO', undefined],
    ] as const) {
      const answered = inside(srf, id, method, port === undefined ? undefined : sdp(port));
      const request = await caller.request(method);
      t.equal(request.request.get('To'), early.get('From'));
      caller.answer(request, 200, port === undefined ? {} : { port: 4004 });
      t.equal((await answered).status, 200, method);
    }
    await t.rejects(inside(srf, id, 'BYE'), /unable to find dialog/, 'a callee refuses the INVITE instead');
  },
);

t.test('early dialog of a caller: UPDATE with an offer before the INVITE is answered gets 500', async (t) => {
  const { caller, invite, ring } = await ringing(t);
  await ring(180);
  const dialog = invite.dialog(await invite.response(180));
  const refused = await caller.inside(dialog, 'UPDATE', { port: 4002 }).final();
  t.equal(refused.status, 500);
  t.match(refused.get('Retry-After'), /^\d+$/);
});

t.test(
  'early dialog of a caller: a second UPDATE before the first is answered gets 500 (RFC 3311 §5.2) (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, ring } = await ringing(t);
    await ring(183, 5000);
    const dialog = invite.dialog(await invite.response(183));
    const updated = once(req, 'update') as Promise<[AppRequest, AppResponse]>;
    const first = caller.inside(dialog, 'UPDATE', { port: 4002 });
    const [, updateRes] = await updated;
    t.equal((await caller.inside(dialog, 'UPDATE', { port: 4006 }).final()).status, 500);
    updateRes.send(200, { body: sdp(5002) });
    t.match((await first.final()).get('Contact'), /^<sip:/, 'it refreshes the target');
  },
);

t.test('early dialog of a caller: it ends with the INVITE', async (t) => {
  const { caller, invite, res, ring, server } = await ringing(t);
  await ring(183, 5000);
  const dialog = invite.dialog(await invite.response(183));
  res.send(486);
  t.equal((await invite.final()).status, 486);
  t.equal((await caller.inside(dialog, 'UPDATE').final()).status, 481);
  await nothingHeld(server);
});

t.test(
  'early dialog of a caller: BYE before the answer ends the INVITE, the application hears a cancel (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, req, ring, server } = await ringing(t);
    await ring(180);
    const dialog = invite.dialog(await invite.response(180));
    const cancelled = once(req, 'cancel') as Promise<[AppMessage]>;
    const bye = caller.inside(dialog, 'BYE', { headers: { Reason: 'SIP;cause=200;text="gone"' } });
    t.equal((await bye.final()).status, 200);
    t.equal((await invite.final()).status, 487);
    t.match((await cancelled)[0].get('Reason'), /gone/);
    t.equal(server.bridge.earlyDialogCount, 0);
  },
);

t.test(
  'early dialog of a caller: it ends with the connection of the application (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, invite, ring, server, srf } = await ringing(t);
    await ring(183, 5000);
    const dialog = invite.dialog(await invite.response(183));
    disconnect(srf);
    t.equal((await invite.final()).status, 503);
    t.equal((await caller.inside(dialog, 'UPDATE').final()).status, 481);
    await nothingHeld(server);
  },
);

/** An application that calls a peer, which has its INVITE. */
async function calling(t: Tap, localSdp = sdp(5000)) {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const callee = await startPeer(t);
  const provisional: AppMessage[] = [];
  const outcome = srf.createUAC(callee.uri(), { localSdp }, { cbProvisional: (res) => provisional.push(res) });
  outcome.catch(() => undefined);
  const invite = await callee.request('INVITE');
  return { server, srf, callee, invite, outcome, provisional };
}

t.test('early dialog of a callee: its UPDATE is answered by createUAC with the local SDP', async (t) => {
  const { callee, invite, outcome } = await calling(t);
  const dialog = callee.dialog(
    invite,
    callee.answer(invite, 183, { port: 6000, headers: { Require: '100rel', RSeq: '7' } }),
  );
  callee.answer(await callee.request('PRACK'), 200);
  const update = await callee.inside(dialog, 'UPDATE', { port: 6002 }).final();
  t.equal(update.status, 200);
  t.equal(update.bodyText, sdp(5000));
  callee.answer(invite, 200, { port: 6000 });
  const call = await outcome;
  t.equal(call.sip.remoteTag, dialog.localTag);
  await call.destroy().catch(() => undefined);
});

t.test(
  'early dialog of a callee: UPDATE with an offer before it has answered ours gets 491 (not drachtio)',
  notDrachtio,
  async (t) => {
    const { callee, invite } = await calling(t);
    const dialog = callee.dialog(invite, callee.answer(invite, 180));
    t.equal((await callee.inside(dialog, 'UPDATE', { port: 6002 }).final()).status, 491);
    t.equal((await callee.inside(dialog, 'INVITE', { port: 6002 }).final()).status, 491);
    callee.answer(invite, 486);
  },
);

t.test(
  'early dialogs of a forked INVITE: each is one, the 2xx keeps its own and ends the others (not drachtio)',
  notDrachtio,
  async (t) => {
    const { callee, invite, outcome, provisional, server, srf } = await calling(t);
    const one = callee.dialog(invite, callee.answer(invite, 183, { port: 6000 }, 'one'));
    const two = callee.dialog(invite, callee.answer(invite, 183, { port: 6100 }, 'two'));
    await until(() => provisional.length >= 2);
    t.equal(server.bridge.earlyDialogCount, 2);
    t.equal(new Set(provisional.map((res) => res.stackDialogId)).size, 2, 'applications can tell them apart');
    for (const dialog of [one, two])
      t.equal((await callee.inside(dialog, 'UPDATE', { port: 6002 }).final()).status, 200);
    const updated = inside(srf, provisional[0]!.stackDialogId, 'UPDATE', sdp(5008));
    const update = await callee.request('UPDATE');
    t.match(update.request.get('To'), /tag=one$/);
    callee.answer(update, 200, { port: 6000 });
    t.equal((await updated).status, 200);
    callee.answer(invite, 200, { port: 6100 }, 'two');
    const call = await outcome;
    t.equal(call.sip.remoteTag, 'two');
    t.equal(call.id, `${two.callId};from-tag=${two.remoteTag}`, 'it has the id that applications expect');
    t.equal((await callee.inside(one, 'UPDATE').final()).status, 481);
    const bye = once(call, 'destroy');
    t.equal((await callee.inside(two, 'BYE').final()).status, 200);
    await bye;
    await nothingHeld(server);
    t.equal(server.bridge.earlyDialogCount, 0);
  },
);

t.test(
  'early dialogs of a callee: BYE of the application ends one branch, not the INVITE (not drachtio)',
  notDrachtio,
  async (t) => {
    const { callee, invite, outcome, provisional, server, srf } = await calling(t);
    callee.answer(invite, 180, {}, 'one');
    callee.answer(invite, 180, {}, 'two');
    await until(() => provisional.length >= 2);
    const ended = inside(srf, provisional[0]!.stackDialogId, 'BYE');
    const bye = await callee.request('BYE');
    t.match(bye.request.get('To'), /tag=one$/);
    callee.answer(bye, 200);
    t.equal((await ended).status, 200);
    t.equal(server.bridge.earlyDialogCount, 1);
    callee.answer(invite, 486, {}, 'two');
    t.match(await outcome.catch((err: unknown) => err), { status: 486 });
    t.equal(server.bridge.earlyDialogCount, 0);
  },
);

t.test(
  'early dialogs of a callee: more branches than anyone has are heard, but cost nothing (not drachtio)',
  notDrachtio,
  async (t) => {
    const { callee, invite, outcome, provisional, server } = await calling(t);
    for (let i = 0; i < 50; i++) callee.answer(invite, 180, {}, `branch${i}`);
    await until(() => provisional.length >= 50);
    t.equal(server.bridge.earlyDialogCount, 32);
    callee.answer(invite, 486);
    t.match(await outcome.catch((err: unknown) => err), { status: 486 });
    t.equal(server.bridge.earlyDialogCount, 0);
  },
);

t.test(
  'early dialog of a callee: it ends with the connection of the application, the INVITE is cancelled (not drachtio)',
  notDrachtio,
  async (t) => {
    const { callee, invite, provisional, server, srf } = await calling(t);
    const dialog = callee.dialog(invite, callee.answer(invite, 183, { port: 6000 }));
    await until(() => provisional.length >= 1);
    disconnect(srf);
    await once(invite, 'cancel');
    callee.answer(invite, 487);
    await nothingHeld(server);
    t.equal((await callee.inside(dialog, 'UPDATE').final()).status, 481);
  },
);
