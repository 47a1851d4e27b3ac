import { once } from 'node:events';
import { FakeClock } from '@ringwire/sip/fake-clock.js';
import t from 'tap';
import type { AppDialog, AppMessage } from './test-app.js';
import { startPeer } from './test-peer.js';
import { connectApp, notDrachtio, nothingHeld, sdp, startServer, until, uriOf } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];
type Headers = Record<string, string>;
const TIMER: Headers = { Supported: 'timer' };

/** A call of a peer that an application answers with these headers. */
async function answered(t: Tap, asked: Headers, given: Headers = {}, flags: string[] = []) {
  const clock = new FakeClock();
  const server = await startServer(t, flags, { T1: 20 }, { clock });
  const calls: AppDialog[] = [];
  const refusals: string[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      const call = await srf.createUAS(req, res, { localSdp: sdp(5000), headers: given }).catch((err: unknown) => {
        // drachtio-srf rejects with the text itself.
        refusals.push(String(err));
      });
      if (call) calls.push(call);
    });
  });
  const caller = await startPeer(t);
  const invite = caller.invite(uriOf(server), { headers: asked });
  const ok = await invite.final();
  const dialog = invite.dialog(ok);
  if (ok.status === 200) {
    caller.ack(dialog, invite);
    await until(() => calls.length === 1);
    await once(calls[0]!, 'ack');
  }
  return { clock, server, caller, ok, dialog, call: calls[0]!, refusals };
}

/** A call of an application that a peer answers with these headers. */
async function calling(t: Tap, asked: Headers, given: Headers) {
  const clock = new FakeClock();
  const server = await startServer(t, [], { T1: 20 }, { clock });
  const srf = await connectApp(t, server);
  const callee = await startPeer(t);
  const outcome = srf.createUAC(callee.uri(), { localSdp: sdp(5000), headers: asked });
  const invite = await callee.request('INVITE');
  const dialog = callee.dialog(invite, callee.answer(invite, 200, { port: 6000, headers: given }));
  const call = await outcome;
  await callee.acks.take();
  return { clock, server, callee, dialog, call };
}

t.test(
  'session timer: a peer that refreshes in time keeps its call, one that does not is ended (not drachtio)',
  notDrachtio,
  async (t) => {
    const asked = { ...TIMER, 'Session-Expires': '120;refresher=uac' };
    const { clock, server, caller, ok, dialog, call } = await answered(t, asked);
    t.equal(ok.get('Session-Expires'), '120;refresher=uac');
    t.equal(ok.get('Require'), 'timer', 'RFC 4028 §9');
    clock.advance(87_000);
    const refresh = caller.inside(dialog, 'UPDATE', { headers: asked });
    const refreshed = await refresh.final();
    t.equal(refreshed.status, 200);
    t.equal(refreshed.get('Session-Expires'), '120;refresher=uac');
    clock.advance(87_900);
    t.equal(server.bridge.dialogCount, 1);
    const ended = once(call, 'destroy') as Promise<[AppMessage, string]>;
    clock.advance(100);
    const bye = await caller.request('BYE');
    t.match(bye.request.get('Reason'), /Session timer expired/);
    caller.answer(bye, 200);
    t.equal((await ended)[1], 'Session timer expired');
    t.equal(server.counters.sessionsExpired, 1);
    await nothingHeld(server);
  },
);

t.test(
  'session timer: the BYE comes 32 s before the end of the interval, or a third of a short one (not drachtio)',
  notDrachtio,
  async (t) => {
    for (const [seconds, endsAfterMs] of [
      [1800, 1_768_000],
      [90, 60_000],
    ] as const) {
      const { clock, server, caller } = await answered(t, {
        ...TIMER,
        'Session-Expires': `${seconds};refresher=uac`,
      });
      clock.advance(endsAfterMs - 1);
      t.equal(server.counters.sessionsExpired, 0);
      clock.advance(1);
      t.equal(server.counters.sessionsExpired, 1);
      caller.answer(await caller.request('BYE'), 200);
      await nothingHeld(server);
    }
  },
);

t.test(
  'session timer: a re-INVITE of the peer refreshes, one without Session-Expires ends the timer (not drachtio)',
  notDrachtio,
  async (t) => {
    const asked = { ...TIMER, 'Session-Expires': '90;refresher=uac' };
    const { clock, server, caller, dialog } = await answered(t, asked);
    clock.advance(59_000);
    const again = caller.inside(dialog, 'INVITE', { port: 4000, headers: asked });
    t.equal((await again.final()).get('Session-Expires'), '90;refresher=uac');
    caller.ack(dialog, again);
    clock.advance(59_000);
    const last = caller.inside(dialog, 'INVITE', { port: 4000 });
    t.equal((await last.final()).get('Session-Expires'), undefined);
    caller.ack(dialog, last);
    clock.advance(900_000);
    t.equal(server.bridge.dialogCount, 1);
    t.equal(clock.pending, 0);
  },
);

t.test(
  'session timer: the server refreshes for the application that is to, and gives up when it is refused (not drachtio)',
  notDrachtio,
  async (t) => {
    const { clock, server, caller, ok, dialog, call } = await answered(t, {
      ...TIMER,
      'Session-Expires': '200;refresher=uas',
    });
    t.equal(ok.get('Session-Expires'), '200;refresher=uas');
    t.equal(ok.get('Require'), undefined);
    for (let i = 0; i < 2; i++) {
      clock.advance(100_000);
      const refresh = await caller.request('INVITE');
      t.equal(refresh.request.get('Session-Expires'), '200;refresher=uac');
      t.equal(refresh.request.get('Min-SE'), '90');
      t.equal(refresh.request.bodyText, sdp(5000), 'our SDP again');
      t.equal(refresh.request.get('Contact'), ok.get('Contact'));
      caller.answer(refresh, 200, { port: 4000, headers: { 'Session-Expires': '200;refresher=uac' } });
      await caller.acks.take();
    }
    clock.advance(100_000);
    const ended = once(call, 'destroy');
    caller.answer(await caller.request('INVITE'), 488);
    caller.answer(await caller.request('BYE'), 200);
    await ended;
    t.equal(dialog.callId, call.sip.callId);
    t.equal(server.counters.sessionRefreshes, 3);
    await nothingHeld(server);
  },
);

t.test('session timer: a refresh that crosses another INVITE is tried again (not drachtio)', notDrachtio, async (t) => {
  const { clock, caller } = await answered(t, { ...TIMER, 'Session-Expires': '200;refresher=uas' });
  clock.advance(100_000);
  caller.answer(await caller.request('INVITE'), 491);
  await until(() => clock.pending === 1);
  clock.advance(4000);
  const again = await caller.request('INVITE');
  caller.answer(again, 200, { port: 4000, headers: { 'Session-Expires': '200;refresher=uac' } });
  t.equal((await caller.acks.take()).method, 'ACK');
});

t.test(
  'session timer: a refresh that is too short for the peer is repeated with its minimum (not drachtio)',
  notDrachtio,
  async (t) => {
    const { clock, caller } = await answered(t, { ...TIMER, 'Session-Expires': '200;refresher=uas' });
    clock.advance(100_000);
    caller.answer(await caller.request('INVITE'), 422, { headers: { 'Min-SE': '300' } });
    const again = await caller.request('INVITE');
    t.equal(again.request.get('Session-Expires'), '300;refresher=uac');
    caller.answer(again, 200, { port: 4000, headers: { 'Session-Expires': '300;refresher=uac' } });
  },
);

t.test(
  'session timer: Session-Expires in the 200 of the application decides (not drachtio)',
  notDrachtio,
  async (t) => {
    const { clock, caller, ok } = await answered(t, TIMER, { 'Session-Expires': '100;refresher=uas' });
    t.equal(ok.get('Session-Expires'), '100;refresher=uas');
    clock.advance(50_000);
    const refresh = await caller.request('INVITE');
    caller.answer(refresh, 200, { port: 4000 });
    await caller.acks.take();
    await until(() => clock.pending === 0);
    t.pass('a 200 without Session-Expires ends the timer');
  },
);

t.test(
  'session timer: a caller that leaves the refresher open is declined, or told who it is by --session-refresher (not drachtio)',
  notDrachtio,
  async (t) => {
    const asked = { ...TIMER, 'Session-Expires': '1800' };
    t.equal((await answered(t, asked)).ok.get('Session-Expires'), undefined);
    t.equal(
      (await answered(t, asked, {}, ['--session-refresher', 'uac'])).ok.get('Session-Expires'),
      '1800;refresher=uac',
    );
    const unable = { 'Session-Expires': '1800' };
    const { ok } = await answered(t, unable, {}, ['--session-refresher', 'uac']);
    t.equal(ok.get('Session-Expires'), '1800;refresher=uas', 'who does not know the timer cannot refresh');
  },
);

t.test(
  'session timer: too short an interval gets 422 with Min-SE, in the first INVITE and later (not drachtio)',
  notDrachtio,
  async (t) => {
    const { ok, refusals } = await answered(t, { ...TIMER, 'Session-Expires': '60' });
    await until(() => refusals.length === 1);
    t.match(refusals[0], /422 Session Interval Too Small: it asks for a session interval of 60 s, 90 s is the least/);
    t.match(ok, { status: 422, reason: 'Session Interval Too Small' });
    t.equal(ok.get('Min-SE'), '90');
    const { caller, dialog, clock, server } = await answered(t, { ...TIMER, 'Session-Expires': '120;refresher=uac' });
    const refused = await caller.inside(dialog, 'UPDATE', { headers: { ...TIMER, 'Session-Expires': '30' } }).final();
    t.equal(refused.status, 422);
    clock.advance(88_000);
    caller.answer(await caller.request('BYE'), 200);
    await nothingHeld(server);
  },
);

t.test(
  'session timer: a call of the application is refreshed by us, or ended when the callee does not (not drachtio)',
  notDrachtio,
  async (t) => {
    const asked = { ...TIMER, 'Session-Expires': '180' };
    const ours = await calling(t, asked, { Require: 'timer', 'Session-Expires': '180;refresher=uac' });
    ours.clock.advance(90_000);
    const refresh = await ours.callee.request('INVITE');
    t.equal(refresh.request.bodyText, sdp(5000));
    ours.callee.answer(refresh, 200, { port: 6000, headers: { 'Session-Expires': '180;refresher=uac' } });
    await ours.callee.acks.take();

    const theirs = await calling(t, asked, { Require: 'timer', 'Session-Expires': '180;refresher=uas' });
    const ended = once(theirs.call, 'destroy');
    theirs.clock.advance(148_000);
    theirs.callee.answer(await theirs.callee.request('BYE'), 200);
    await ended;
    await nothingHeld(theirs.server);
  },
);

t.test(
  'session timer: modify by the application keeps the timer, and what it offers is what is refreshed (not drachtio)',
  notDrachtio,
  async (t) => {
    const { clock, caller, call } = await answered(t, { ...TIMER, 'Session-Expires': '200;refresher=uas' });
    const modified = call.modify(sdp(5010));
    const reinvite = await caller.request('INVITE');
    t.equal(reinvite.request.get('Session-Expires'), '200;refresher=uac');
    caller.answer(reinvite, 200, { port: 4000, headers: { 'Session-Expires': '200;refresher=uac' } });
    await modified;
    await caller.acks.take();
    clock.advance(100_000);
    const refresh = await caller.request('INVITE');
    t.equal(refresh.request.bodyText, sdp(5010));
    caller.answer(refresh, 200, { port: 4000 });
  },
);
