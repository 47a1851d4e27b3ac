import { once } from 'node:events';
import t from 'tap';
import type { AppDialog, AppRequest, AppResponse } from './test-app.js';
import { startPeer } from './test-peer.js';
import {
  appRequest,
  connectApp,
  heldDialogs,
  notDrachtio,
  nothingHeld,
  sdp,
  startServer,
  until,
  uriOf,
} from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];
const ACTIVE = { Event: 'presence', 'Subscription-State': 'active;expires=60' };
const OVER = { Event: 'presence', 'Subscription-State': 'terminated;reason=timeout' };

/** An application that subscribes at a peer, which has its SUBSCRIBE. */
async function subscribing(t: Tap) {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const notifier = await startPeer(t);
  const headers = { Event: 'presence', Expires: '60' };
  const outcome = srf.createUAC(notifier.uri(), { method: 'SUBSCRIBE', headers });
  outcome.catch(() => undefined);
  const states: Array<string | undefined> = [];
  const listening = outcome.then((dialog) => {
    dialog.on('notify', (req: AppRequest, res: AppResponse) => {
      states.push(req.get('Subscription-State'));
      res.send(200);
    });
    return dialog;
  });
  listening.catch(() => undefined);
  return { server, srf, notifier, subscribe: await notifier.request('SUBSCRIBE'), outcome, listening, states };
}

t.test(
  'SUBSCRIBE: NOTIFYs that overtake the 200, or come with it, reach the application in order (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, notifier, subscribe, listening, states } = await subscribing(t);
    // The tag that the 200 will have: NOTIFY may be there first (RFC 6665 §4.1.2.4).
    const accepted = subscribe.makeResponse(200).add('Contact', `<${notifier.uri()}>`).add('Expires', '60');
    const dialog = notifier.dialog(subscribe, accepted);
    const first = notifier.inside(dialog, 'NOTIFY', { headers: { ...ACTIVE, 'Subscription-State': 'pending' } });
    await until(() => server.layer.counters.requestsReceived > 0);
    subscribe.respond(accepted);
    const second = notifier.inside(dialog, 'NOTIFY', { headers: ACTIVE });
    t.equal((await first.final()).status, 200);
    t.equal((await second.final()).status, 200);
    t.same(states, ['pending', ACTIVE['Subscription-State']]);
    await listening;
    t.equal((await notifier.inside(dialog, 'NOTIFY', { headers: OVER }).final()).status, 200);
    await nothingHeld(server);
  },
);

t.test('SUBSCRIBE: a NOTIFY of one that is refused gets 481 (not drachtio)', notDrachtio, async (t) => {
  const { server, notifier, subscribe, outcome } = await subscribing(t);
  const dialog = notifier.dialog(subscribe, subscribe.makeResponse(200));
  const notify = notifier.inside(dialog, 'NOTIFY', { headers: ACTIVE });
  await until(() => server.layer.counters.requestsReceived > 0);
  notifier.answer(subscribe, 489);
  t.equal((await notify.final()).status, 481);
  t.match(await outcome.catch((err: unknown) => err), { status: 489 });
  await nothingHeld(server);
});

t.test('SUBSCRIBE: refreshed and ended by the application (not drachtio)', notDrachtio, async (t) => {
  const { server, notifier, subscribe, listening } = await subscribing(t);
  const dialog = notifier.dialog(subscribe, notifier.answer(subscribe, 200, { headers: { Expires: '60' } }));
  const ours = await listening;
  for (const Expires of ['120', '0']) {
    const asked = ours.request({ method: 'SUBSCRIBE', headers: { Event: 'presence', Expires } });
    const again = await notifier.request('SUBSCRIBE');
    t.equal(again.request.get('To'), `${subscribe.request.get('To')};tag=${dialog.localTag}`);
    t.match(again.request.get('Contact'), /^<sip:/);
    notifier.answer(again, 200, { headers: { Expires } });
    t.equal((await asked).status, 200);
  }
  t.equal((await notifier.inside(dialog, 'NOTIFY', { headers: OVER }).final()).status, 200);
  await nothingHeld(server);
});

t.test('SUBSCRIBE: a peer subscribes at the application, refreshes and ends it', async (t) => {
  const server = await startServer(t);
  const dialogs: AppDialog[] = [];
  await connectApp(t, server, (srf) => {
    srf.subscribe(async (req, res) => {
      const dialog = await srf.createUAS(req, res, { localSdp: '', headers: { Expires: '60' } });
      dialog.on('subscribe', (_req: AppRequest, again: AppResponse) => again.send(200, { headers: { Expires: '60' } }));
      dialogs.push(dialog);
    });
  });
  const peer = await startPeer(t);
  const subscribe = peer.send('SUBSCRIBE', uriOf(server), { headers: { Event: 'presence', Expires: '60' } });
  const accepted = await subscribe.final();
  t.equal(accepted.status, 202);
  const dialog = subscribe.dialog(accepted);
  await until(() => dialogs.length === 1);
  const told = dialogs[0]!.request({ method: 'NOTIFY', headers: ACTIVE });
  const notify = await peer.request('NOTIFY');
  peer.answer(notify, 200);
  t.equal((await told).status, 200);
  t.equal(
    (await peer.inside(dialog, 'SUBSCRIBE', { headers: { Event: 'presence', Expires: '60' } }).final()).status,
    200,
  );
  const ended = once(dialogs[0]!, 'unsubscribe');
  t.equal(
    (await peer.inside(dialog, 'SUBSCRIBE', { headers: { Event: 'presence', Expires: '0' } }).final()).status,
    202,
  );
  await ended;
  void dialogs[0]!.destroy();
  const last = await peer.request('NOTIFY');
  t.match(last.request.get('Subscription-State'), /^terminated/);
  peer.answer(last, 200);
  await heldDialogs(server, 0);
});

t.test(
  'REFER outside dialogs: its NOTIFYs go to the application that sent it (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const bodies: string[] = [];
    const srf = await connectApp(t, server, (app) => {
      app.use('notify', (req, res) => {
        bodies.push(req.body);
        res.send(200);
      });
    });
    const peer = await startPeer(t);
    const sent = appRequest(srf, peer.uri(), { method: 'REFER', headers: { 'Refer-To': '<sip:b@example.com>' } });
    const refer = await peer.request('REFER');
    t.match(refer.request.get('Contact'), /^<sip:/);
    const dialog = peer.dialog(refer, peer.answer(refer, 202));
    t.equal((await sent).status, 202);
    for (const [state, body] of [
      ['active;expires=60', 'SIP/2.0 100 Trying'],
      ['terminated;reason=noresource', 'SIP/2.0 200 OK'],
    ]) {
      const headers = { Event: 'refer', 'Subscription-State': state! };
      const notify = peer.inside(dialog, 'NOTIFY', { headers, body: body!, type: 'message/sipfrag' });
      t.equal((await notify.final()).status, 200);
    }
    t.same(bodies, ['SIP/2.0 100 Trying', 'SIP/2.0 200 OK']);
    await nothingHeld(server);
  },
);

t.test('REFER inside a call: the application refers its peer and hears how it went', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const peer = await startPeer(t);
  const outcome = srf.createUAC(peer.uri(), { localSdp: sdp(5000) });
  const invite = await peer.request('INVITE');
  const dialog = peer.dialog(invite, peer.answer(invite, 200, { port: 6000 }));
  const call = await outcome;
  const heard = once(call, 'notify') as Promise<[AppRequest, AppResponse]>;
  const referred = call.request({ method: 'REFER', headers: { 'Refer-To': '<sip:b@example.com>' } });
  peer.answer(await peer.request('REFER'), 202);
  t.equal((await referred).status, 202);
  const headers = { Event: 'refer', 'Subscription-State': 'terminated;reason=noresource' };
  const notify = peer.inside(dialog, 'NOTIFY', { headers, body: 'SIP/2.0 200 OK', type: 'message/sipfrag' });
  const [req, res] = await heard;
  t.equal(req.body, 'SIP/2.0 200 OK');
  res.send(200);
  t.equal((await notify.final()).status, 200);
  const bye = call.destroy();
  peer.answer(await peer.request('BYE'), 200);
  await bye;
  await nothingHeld(server);
});

t.test(
  'attended transfer: REFER with Replaces makes the application call the target, which finds the call to replace',
  async (t) => {
    const server = await startServer(t);
    const target = await startPeer(t);
    const transferor = await startPeer(t);
    const srf = await connectApp(t, server, (app) => {
      app.invite(async (req, res) => {
        const replaces = /^(.+?);to-tag=([^;]+);from-tag=([^;]+)$/.exec(req.get('Replaces') ?? '');
        const replaced = replaces && app.findDialogByCallIDAndFromTag(replaces[1]!, replaces[3]!);
        const call = await app.createUAS(req, res, { localSdp: sdp(5000) });
        if (replaced?.sip.localTag === replaces?.[2]) void replaced?.destroy();
        call.on('refer', async (refer: AppRequest, answer: AppResponse) => {
          answer.send(202);
          const [, uri, header] = /^<([^?>]+)\?Replaces=([^>]+)>$/.exec(refer.get('Refer-To') ?? '') ?? [];
          const notify = (state: string, body: string) =>
            call.request({
              method: 'NOTIFY',
              body,
              headers: { Event: 'refer', 'Subscription-State': state, 'Content-Type': 'message/sipfrag' },
            });
          await notify('active;expires=60', 'SIP/2.0 100 Trying');
          const headers = { Replaces: decodeURIComponent(header ?? '') };
          await app.createUAC(uri ?? '', { localSdp: sdp(5002), headers });
          await notify('terminated;reason=noresource', 'SIP/2.0 200 OK');
        });
      });
    });
    const invite = transferor.invite(uriOf(server));
    const dialog = invite.dialog(await invite.final());
    transferor.ack(dialog, invite);
    const replaces = encodeURIComponent('other-call;to-tag=a;from-tag=b');
    const refer = transferor.inside(dialog, 'REFER', {
      headers: { 'Refer-To': `<${target.uri()}?Replaces=${replaces}>` },
    });
    t.equal((await refer.final()).status, 202);
    const trying = await transferor.request('NOTIFY');
    t.equal(trying.request.bodyText, 'SIP/2.0 100 Trying');
    transferor.answer(trying, 200);
    const called = await target.request('INVITE');
    t.equal(called.request.get('Replaces'), 'other-call;to-tag=a;from-tag=b');
    target.answer(called, 200, { port: 6000 });
    await target.acks.take();
    const done = await transferor.request('NOTIFY');
    t.equal(done.request.bodyText, 'SIP/2.0 200 OK');
    transferor.answer(done, 200);

    // The other way: a call with Replaces takes the place of the application's own.
    const third = await startPeer(t);
    const Replaces = `${dialog.callId};to-tag=${dialog.remoteTag};from-tag=${dialog.localTag}`;
    const taking = third.invite(uriOf(server), { headers: { Replaces } });
    const taken = taking.dialog(await taking.final());
    third.ack(taken, taking);
    transferor.answer(await transferor.request('BYE'), 200);
    t.equal((await third.inside(taken, 'BYE').final()).status, 200);
    t.ok(srf);
  },
);
