import { once } from 'node:events';
import t from 'tap';
import type { AppDialog, AppMessage, AppRequest, AppResponse } from './test-app.js';
import { startPeer } from './test-peer.js';
import { connectApp, notDrachtio, nothingHeld, sdp, startServer, until, uriOf } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];

/** An application that calls a peer, which has its INVITE; the application's request is there to be cancelled. */
async function calling(t: Tap, options: object = {}) {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const callee = await startPeer(t);
  const sent: AppRequest[] = [];
  const provisional: AppMessage[] = [];
  const outcome = srf.createUAC(
    callee.uri(),
    { localSdp: sdp(5000), ...options },
    { cbRequest: (_err, req) => sent.push(req), cbProvisional: (res) => provisional.push(res) },
  );
  outcome.catch(() => undefined);
  const invite = await callee.request('INVITE');
  await until(() => sent.length === 1);
  return { server, callee, invite, outcome, sent: sent[0]!, provisional };
}

/** A call of a peer that an application has answered; acknowledged where `acks`. */
async function answered(t: Tap, acks = true) {
  const server = await startServer(t);
  const calls: AppDialog[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => void calls.push(await srf.createUAS(req, res, { localSdp: sdp(5000) })));
  });
  const caller = await startPeer(t);
  const invite = caller.invite(uriOf(server));
  const dialog = invite.dialog(await invite.final());
  await until(() => calls.length === 1);
  if (acks) {
    const acked = once(calls[0]!, 'ack');
    caller.ack(dialog, invite);
    await acked;
  }
  return { server, caller, invite, dialog, call: calls[0]! };
}

t.test(
  'CANCEL race: a 200 that crosses it is acknowledged, then ended with BYE, and the application is told',
  async (t) => {
    const { server, callee, invite, outcome, sent, provisional } = await calling(t);
    callee.answer(invite, 180);
    await until(() => provisional.length > 0);
    sent.cancel();
    await once(invite, 'cancel');
    callee.answer(invite, 200, { port: 6000 });
    const ended = once(await outcome, 'destroy');
    t.equal((await callee.acks.take()).method, 'ACK');
    const bye = await callee.request('BYE');
    t.match(bye.request.get('Reason'), /cancel race/);
    callee.answer(bye, 200);
    await ended;
    await nothingHeld(server);
  },
);

t.test(
  'CANCEL race: where the peer challenged, the application ends the call with proof; one that does not is helped (not drachtio)',
  notDrachtio,
  async (t) => {
    for (const ends of [true, false]) {
      const headers = { Authorization: 'Digest username="u"' };
      const { server, callee, invite, outcome, sent, provisional } = await calling(t, { headers });
      callee.answer(invite, 180);
      await until(() => provisional.length > 0);
      sent.cancel();
      await once(invite, 'cancel');
      callee.answer(invite, 200, { port: 6000 });
      const dialog = await outcome;
      t.equal((await callee.acks.take()).method, 'ACK');
      if (ends) dialog.destroy({ headers });
      const bye = await callee.request('BYE');
      t.equal(bye.request.get('Authorization'), ends ? headers.Authorization : undefined);
      callee.answer(bye, 200);
      await nothingHeld(server);
      t.equal(callee.requests.length, 0);
    }
  },
);

t.test('CANCEL race: before any response it waits for one (RFC 3261 §9.1)', async (t) => {
  const server = await startServer(t, [], { T1: 100 });
  const srf = await connectApp(t, server);
  const callee = await startPeer(t, 100);
  let trying: (() => void) | undefined;
  // The peer's 100 is held back: the server must not send CANCEL before it.
  const outcome = srf.createUAC(
    callee.uri(),
    { localSdp: sdp(5000) },
    {
      cbRequest: (_err, req) => {
        req.cancel();
        trying?.();
      },
    },
  );
  outcome.catch(() => undefined);
  const cancelled = new Promise<void>((resolve) => (trying = resolve));
  const invite = await callee.request('INVITE');
  const cancel = once(invite, 'cancel');
  await cancelled;
  await cancel;
  callee.answer(invite, 487);
  t.match(await outcome.catch((err: unknown) => err), { status: 487 });
  await nothingHeld(server);
});

t.test('CANCEL race: while the application answers a challenge it goes to the INVITE with credentials', async (t) => {
  let cancel: () => void = () => {};
  const auth = (_req: unknown, _res: unknown, callback: (err: null, user: string, password: string) => void): void => {
    cancel();
    callback(null, 'u', 'p');
  };
  const { server, callee, invite, outcome, sent } = await calling(t, { auth });
  cancel = () => sent.cancel();
  callee.answer(invite, 401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } });
  const again = await callee.request('INVITE');
  t.match(again.request.get('Authorization'), /username="u"/);
  await once(again, 'cancel');
  callee.answer(again, 487);
  t.match(await outcome.catch((err: unknown) => err), { status: 487 });
  await nothingHeld(server);
});

t.test(
  'CANCEL race: a challenge that crosses it ends the call, instead of starting it anew (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, callee, invite, outcome, sent } = await calling(t, { auth: { username: 'u', password: 'p' } });
    sent.cancel();
    await once(invite, 'cancel');
    callee.answer(invite, 401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } });
    t.match(await outcome.catch((err: unknown) => err), { status: 487 });
    await nothingHeld(server);
    t.equal(callee.requests.length, 0);
  },
);

t.test('CANCEL after the answer is refused by name', async (t) => {
  const { callee, invite, outcome, sent } = await calling(t);
  callee.answer(invite, 486);
  await outcome.catch(() => undefined);
  const err = await new Promise((resolve) => sent.cancel(resolve as never));
  t.match(String(err), /unable to cancel unknown transaction/);
});

t.test(
  'BYE before the ACK: that of the application waits for it (RFC 3261 §15) (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, caller, invite, dialog, call } = await answered(t, false);
    const bye = call.destroy();
    await invite.response(200);
    t.equal(caller.requests.length, 0, 'the 200 is repeated, no BYE yet');
    caller.ack(dialog, invite);
    caller.answer(await caller.request('BYE'), 200);
    await bye;
    await nothingHeld(server);
  },
);

t.test(
  'BYE before the ACK: where that of the application cannot be sent after it, the application is told (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, caller, invite, dialog, call } = await answered(t, false);
    const refused = call.request({ method: 'BYE', body: 'x' }).catch((err: unknown) => err);
    await invite.response(200);
    caller.ack(dialog, invite);
    t.match(String(await refused), /missing content-type/);
    const ended = call.destroy();
    caller.answer(await caller.request('BYE'), 200);
    await ended;
    await nothingHeld(server);
  },
);

t.test('BYE before the ACK: that of the caller ends the call', async (t) => {
  const { server, caller, dialog, call } = await answered(t, false);
  const ended = once(call, 'destroy');
  t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
  await ended;
  await nothingHeld(server);
});

t.test('BYE crossing BYE: both are answered', async (t) => {
  const { server, caller, dialog, call } = await answered(t);
  const ours = call.destroy();
  const bye = await caller.request('BYE');
  const theirs = caller.inside(dialog, 'BYE');
  caller.answer(bye, 200);
  t.match((await theirs.final()).status.toString(), /200|481/);
  await ours.catch(() => undefined);
  await nothingHeld(server);
});

t.test('BYE: a re-INVITE that the application has not answered gets 487 (not drachtio)', notDrachtio, async (t) => {
  const { server, caller, dialog, call } = await answered(t);
  const asked = once(call, 'modify') as Promise<[AppRequest, AppResponse]>;
  const reinvite = caller.inside(dialog, 'INVITE', { port: 4002 });
  const [, res] = await asked;
  t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
  t.equal((await reinvite.final()).status, 487);
  const refused = await new Promise((resolve) => res.send(200, { body: sdp(5002) }, resolve));
  t.match(refused, /unknown transaction/);
  await nothingHeld(server);
});

t.test('glare: re-INVITEs that cross get 491 on both sides (not drachtio)', notDrachtio, async (t) => {
  const { caller, dialog, call } = await answered(t);
  const ours = call.modify(sdp(5002)).catch((err: unknown) => err);
  const reinvite = await caller.request('INVITE');
  t.equal((await caller.inside(dialog, 'INVITE', { port: 4002 }).final()).status, 491);
  caller.answer(reinvite, 491);
  t.match(await ours, { status: 491 });
});

t.test(
  'glare: a second re-INVITE before the first is answered gets 500 with Retry-After (not drachtio)',
  notDrachtio,
  async (t) => {
    const { caller, dialog, call } = await answered(t);
    const asked = once(call, 'modify') as Promise<[AppRequest, AppResponse]>;
    const first = caller.inside(dialog, 'INVITE', { port: 4002 });
    const [, res] = await asked;
    const second = await caller.inside(dialog, 'INVITE', { port: 4004 }).final();
    t.equal(second.status, 500);
    t.match(second.get('Retry-After'), /^\d+$/);
    res.send(200, { body: sdp(5002) });
    t.equal((await first.final()).bodyText, sdp(5002));
    caller.ack(dialog, first);
  },
);

t.test('re-INVITE: hold and unhold by the application', async (t) => {
  const { caller, call } = await answered(t);
  for (const [action, direction] of [
    ['hold', 'inactive'],
    ['unhold', 'sendrecv'],
  ] as const) {
    const modified = call.modify(action);
    const reinvite = await caller.request('INVITE');
    t.match(reinvite.request.bodyText, new RegExp(`a=${direction}`));
    caller.answer(reinvite, 200, { port: 4000 });
    t.equal((await caller.acks.take()).method, 'ACK');
    await modified;
  }
});

t.test('re-INVITE: hold of the peer is told and answered by the application', async (t) => {
  const { caller, dialog, call } = await answered(t);
  const held = once(call, 'hold');
  const body = sdp(4000).replace('a=sendrecv', 'a=sendonly');
  const reinvite = caller.inside(dialog, 'INVITE', { body, type: 'application/sdp' });
  t.match((await reinvite.final()).bodyText, /a=recvonly/);
  caller.ack(dialog, reinvite);
  await held;
});

t.test('re-INVITE: without SDP the application offers in its 200 and gets the answer with the ACK', async (t) => {
  const { caller, dialog, call } = await answered(t);
  call.on('modify', (_req: AppRequest, res: AppResponse) => res.send(200, { body: sdp(5008) }));
  const acked = once(call, 'ack') as Promise<[AppMessage]>;
  const reinvite = caller.inside(dialog, 'INVITE');
  t.equal((await reinvite.final()).bodyText, sdp(5008));
  caller.ack(dialog, reinvite, { port: 4008 });
  t.equal((await acked)[0].body, sdp(4008));
});

t.test('a 2xx without Contact is acknowledged and ended: nobody else would (not drachtio)', notDrachtio, async (t) => {
  const { server, callee, invite, outcome } = await calling(t);
  invite.respond(invite.makeResponse(200).setBody(sdp(6000), 'application/sdp'));
  t.match(await outcome.catch((err: unknown) => err), { status: 500 });
  t.equal((await callee.acks.take()).method, 'ACK');
  callee.answer(await callee.request('BYE'), 200);
  await nothingHeld(server);
});

t.test('a 202 to an INVITE is acknowledged and ended: nobody else would (not drachtio)', notDrachtio, async (t) => {
  const { server, callee, invite, outcome } = await calling(t);
  callee.answer(invite, 202, { port: 6000 });
  t.match(await outcome.catch((err: unknown) => err), { status: 202 });
  t.equal((await callee.acks.take()).method, 'ACK');
  callee.answer(await callee.request('BYE'), 200);
  await nothingHeld(server);
});
