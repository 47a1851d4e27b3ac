import { once } from 'node:events';
import t from 'tap';
import type { AppDialog, AppRequest, AppResponse } from './test-app.js';
import {
  connectApp,
  disconnect,
  heldDialogs,
  notDrachtio,
  nothingHeld,
  sdp,
  startPhone,
  startServer,
  until,
  uriOf,
} from './test-rig.js';

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`createUAS: a call over ${transport} is rung, answered and ended by the caller`, async (t) => {
    const server = await startServer(t);
    let ended: Promise<unknown> | undefined;
    const seen: Array<string | undefined> = [];
    await connectApp(t, server, (srf) => {
      srf.invite(async (req, res) => {
        seen.push(req.get('X-Custom'), req.source_address, req.calledNumber);
        res.send(183, { body: sdp(1), headers: { 'X-Early': 'yes' } });
        const dialog = await srf.createUAS(req, res, { localSdp: sdp(2), headers: { 'X-Answer': 'yes' } });
        ended = once(dialog, 'destroy');
      });
    });
    const phone = await startPhone(t);
    const uri = uriOf(server, '555', transport);
    const call = phone.invite({ uri, sdp: sdp(3), headers: { 'X-Custom': 'a;b="c, d"' } });
    const answered = once(call, 'answered');
    const [early] = await once(call, 'progress');
    t.equal(early.status, 183);
    t.equal(early.get('X-Early'), 'yes');
    t.equal(early.bodyText, sdp(1));
    const dialog = await call.answered;
    const [, ok] = await answered;
    t.equal(ok.get('X-Answer'), 'yes');
    t.equal(ok.get('Content-Type'), 'application/sdp');
    t.match(ok.get('Contact'), transport === 'tcp' ? /transport=tcp/ : /^<sip:127/);
    t.equal(dialog.remoteSdp, sdp(2));
    t.same(seen, ['a;b="c, d"', '127.0.0.1', '555']);
    await heldDialogs(server, 1);
    await until(() => ended !== undefined);
    t.equal((await dialog.bye({ 'X-Bye': '1' }))?.status, 200);
    const [bye] = (await ended) as [AppRequest];
    t.equal(bye.get('X-Bye'), '1');
    await heldDialogs(server, 0);
  });
}

/** An application that answers every call and hands over its dialogs. */
async function answering(t: Tap, prepare: (dialog: AppDialog) => void = () => {}) {
  const server = await startServer(t);
  const dialogs: AppDialog[] = [];
  const srf = await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      const dialog = await srf.createUAS(req, res, { localSdp: sdp(2) });
      prepare(dialog);
      dialogs.push(dialog);
    });
  });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(3) });
  const theirs = await call.answered;
  await until(() => dialogs.length === 1);
  return { server, srf, phone, theirs, ours: dialogs[0]! };
}
type Tap = Parameters<typeof startServer>[0];

t.test('dialog: destroy sends BYE with headers', async (t) => {
  const { theirs, ours, server } = await answering(t);
  const bye = once(theirs, 'bye');
  await ours.destroy({ headers: { 'X-Reason': 'done' } });
  t.equal((await bye)[0].get('X-Reason'), 'done');
  await heldDialogs(server, 0);
});

t.test('dialog: modify sends a re-INVITE and returns the answer', async (t) => {
  const { theirs, ours } = await answering(t);
  theirs.on('reinvite', (reinvite) => reinvite.accept(sdp(5)));
  t.equal(await ours.modify(sdp(4)), sdp(5));
  t.equal(theirs.remoteSdp, sdp(4));
});

t.test('dialog: a refused re-INVITE leaves the dialog as it was', async (t) => {
  const { theirs, ours, server } = await answering(t);
  theirs.once('reinvite', (reinvite) => reinvite.reject(488));
  t.match(await ours.modify(sdp(4)).catch((err: unknown) => err), { status: 488 });
  t.equal((await ours.request({ method: 'INFO' })).status, 200);
  await heldDialogs(server, 1);
});

t.test('dialog: the peer re-INVITEs and the application answers', async (t) => {
  const { theirs } = await answering(t, (dialog) => {
    dialog.on('modify', (_req: AppRequest, res: AppResponse) => void res.send(200, { body: sdp(7) }));
  });
  await theirs.reinvite(sdp(6));
  t.equal(theirs.remoteSdp, sdp(7));
});

t.test('dialog: INFO, OPTIONS, NOTIFY and MESSAGE go both ways', async (t) => {
  const { theirs, ours } = await answering(t, (dialog) => {
    dialog.on('info', (req: AppRequest, res: AppResponse) => void res.send(200, { headers: { 'X-Echo': req.body } }));
  });
  const info = await theirs.info({ body: 'Signal=5', contentType: 'application/dtmf-relay' });
  t.equal(info?.get('X-Echo'), 'Signal=5');
  for (const method of ['OPTIONS', 'NOTIFY', 'MESSAGE'] as const) {
    t.equal((await theirs.request(method))?.status, 200, `${method} to the application`);
    t.equal((await ours.request({ method })).status, 200, `${method} from the application`);
  }
  const heard = once(theirs, 'info');
  const headers = { 'Content-Type': 'text/plain' };
  t.equal((await ours.request({ method: 'INFO', body: 'hällo', headers })).status, 200);
  t.equal((await heard)[0].bodyText, 'hällo');
});

t.test('createUAS: a caller who gives up is told 487, the application gets its cancel', async (t) => {
  const server = await startServer(t);
  const errors: unknown[] = [];
  let cancelled: Promise<unknown[]> | undefined;
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => {
      cancelled = once(req, 'cancel');
      res.send(180);
      void cancelled.then(() =>
        srf.createUAS(req, res, { localSdp: sdp(1) }).catch((err: unknown) => errors.push(err)),
      );
    });
  });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(3) });
  await once(call, 'progress');
  call.cancel({ Reason: 'SIP;cause=200;text="Call completed elsewhere"' });
  t.match(await call.answered.catch((err: unknown) => err), { status: 487 });
  const [cancel] = (await cancelled) as [AppRequest];
  t.match(cancel.get('Reason'), /elsewhere/);
  await until(() => errors.length === 1);
  await heldDialogs(server, 0);
});

t.test('createUAS: an answer that crosses the CANCEL makes a dialog that the caller ends', async (t) => {
  const server = await startServer(t);
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void srf.createUAS(req, res, { localSdp: sdp(1) }).catch(() => undefined));
  });
  const phone = await startPhone(t);
  for (let i = 0; i < 5; i++) {
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(3) });
    call.cancel();
    t.match(await call.answered.catch((err: unknown) => err), { status: 487 });
  }
  await heldDialogs(server, 0);
});

t.test('ACK: an answer to our offer in the 200 reaches the application', async (t) => {
  const server = await startServer(t);
  const acks: string[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      const dialog = await srf.createUAS(req, res, { localSdp: sdp(1) });
      dialog.on('ack', (ack: AppRequest) => acks.push(ack.body));
    });
  });
  const phone = await startPhone(t);
  await phone.invite({ uri: uriOf(server), onOffer: () => sdp(9) }).answered;
  await until(() => acks.length === 1);
  t.same(acks, [sdp(9)]);
});

// drachtio-server does the same, after 32 s that cannot be shortened.
t.test(
  'ACK: a call whose 200 is never acknowledged is ended, the application is told (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const reasons: unknown[] = [];
    await connectApp(t, server, (srf) => {
      srf.invite(async (req, res) => {
        const dialog = await srf.createUAS(req, res, { localSdp: sdp(1) });
        dialog.on('destroy', (...args: unknown[]) => reasons.push(args[1]));
      });
    });
    const phone = await startPhone(t);
    const request = await phone.request({
      method: 'INVITE',
      uri: uriOf(server),
      headers: { Contact: `<${phone.contactUri()}>` },
      content: { body: sdp(3), contentType: 'application/sdp' },
    });
    t.equal(request?.status, 200);
    await until(() => reasons.length === 1);
    t.same(reasons, ['ACK timeout']);
    await heldDialogs(server, 0);
    t.ok(phone.counters.retransmissionsReceived + server.layer.counters.retransmissionsSent > 2);
  },
);

t.test('client loss: confirmed calls get BYE (not drachtio)', notDrachtio, async (t) => {
  const { server, srf, theirs } = await answering(t);
  const bye = once(theirs, 'bye');
  disconnect(srf);
  t.match((await bye)[0].get('Reason'), /503/);
  await heldDialogs(server, 0);
  t.equal(server.counters.clientsLost, 1);
});

t.test(
  'client loss: a request that waits for the application gets 503 at once (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const got: unknown[] = [];
    const srf = await connectApp(t, server, (srf) => {
      srf.invite((req) => got.push(req));
    });
    const phone = await startPhone(t);
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(3) });
    await until(() => got.length === 1);
    disconnect(srf);
    t.match(await call.answered.catch((err: unknown) => err), { status: 503 });
    await nothingHeld(server);
  },
);

t.test('SUBSCRIBE: makes a dialog in which NOTIFY goes out and which its last NOTIFY ends', async (t) => {
  const server = await startServer(t);
  let dialog: AppDialog | undefined;
  await connectApp(t, server, (srf) => {
    srf.subscribe(async (req, res) => {
      dialog = await srf.createUAS(req, res, { localSdp: '', headers: { Expires: '60' } });
    });
  });
  const phone = await startPhone(t);
  const states: Array<string | undefined> = [];
  phone.layer.removeAllListeners('request');
  phone.layer.on('request', (transaction) => {
    states.push(transaction.request.get('Subscription-State'));
    transaction.reply(200);
  });
  const headers = { Contact: `<${phone.contactUri()}>`, Event: 'presence', Expires: '60' };
  t.equal((await phone.request({ method: 'SUBSCRIBE', uri: uriOf(server), headers }))?.status, 202);
  await until(() => dialog !== undefined);
  await heldDialogs(server, 1);
  await dialog?.request({ method: 'NOTIFY', headers: { 'Subscription-State': 'active', Event: 'presence' } });
  await heldDialogs(server, 1);
  await dialog?.destroy();
  await until(() => states.length === 2);
  await heldDialogs(server, 0);
  t.match(states, ['active', /^terminated/]);
});
