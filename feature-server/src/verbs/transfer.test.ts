import t from 'tap';
import { type Callee, type DialRig, dialling } from '../testing/dial-rig.js';

const WARM = { verb: 'transfer', mode: 'warm', brief: { text: 'A customer with ticket 4711.' }, timeout: 20 };
const BLIND = { verb: 'transfer', mode: 'blind', blindMethod: 'dial' };

/** Lets the destination answer; the caller is not told yet. */
async function answer(rig: DialRig, index = 0): Promise<Callee> {
  const callee = rig.callees[index] as Callee;
  callee.answer();
  (await rig.server.callee(index).modifies.take('modify')).grant();
  return callee;
}

t.test(
  'transfer warm: the destination hears the brief and presses the key, while the caller hears the hold hook',
  async (t) => {
    const rig = await dialling(t, 1, {
      ...WARM,
      confirm: { prompt: 'Press one to take the call.', digit: '1' },
      onHoldHook: '/hold',
      eventHook: '/event',
    });
    rig.app.on('/hold', [{ verb: 'play', url: 'https://example.invalid/hold.wav' }]);
    rig.app.on('/event', []);
    const music = await rig.server.caller.plays.take('music on hold');
    t.match(music.sources, [/hold\.wav/]);
    const callee = await answer(rig);
    (await rig.server.callee().plays.take('the brief')).finish();
    t.match((await rig.app.next('/event')).json, { event: 'destination-answered' });
    t.match((await rig.app.next('/event')).json, { event: 'brief-started' });
    await rig.server.callee().plays.take('the prompt');
    t.equal(rig.server.caller.bridges.size, 0, 'nobody is connected yet');
    rig.server.callee().press('1');
    (await rig.server.caller.bridges.take('bridge')).grant();
    t.ok(music.isStopped);
    callee.hangUp();
    t.match((await rig.app.next('/action')).json, {
      transfer_result: 'bridged',
      transfer_reason: 'completed',
      dial_call_sid: String,
      sip_status: 200,
    });
    await rig.callerGoesOn();
  },
);

t.test('transfer: a wrong key declines, and the caller goes on', async (t) => {
  const rig = await dialling(t, 1, { ...BLIND, confirm: { prompt: 'Press one to take the call.', digit: '1' } });
  const callee = await answer(rig);
  await rig.server.callee().plays.take('the prompt');
  rig.server.callee().press('2');
  await callee.ends.take('BYE to who declined');
  t.match((await rig.app.next('/action')).json, { transfer_result: 'returned', transfer_reason: 'declined' });
  await rig.callerGoesOn();
});

t.test('transfer: what becomes of the caller whom nobody took is told by reason', async (t) => {
  for (const [status, expected] of [
    [486, { transfer_result: 'returned', transfer_reason: 'busy', sip_status: 486 }],
    [487, { transfer_result: 'returned', transfer_reason: 'no-answer' }],
    [603, { transfer_result: 'returned', transfer_reason: 'declined' }],
    [503, { transfer_result: 'failed', transfer_reason: 'error' }],
  ] as const) {
    const rig = await dialling(t, 1, BLIND);
    rig.callees[0]?.refuse(status);
    t.match((await rig.app.next('/action')).json, expected);
    await rig.callerGoesOn();
  }
});

t.test('transfer: a disposition hangs up, or leads to the voicemail', async (t) => {
  const gone = await dialling(t, 1, { ...BLIND, disposition: { onBusy: 'hangup' } });
  gone.callees[0]?.refuse(486);
  t.match((await gone.app.next('/action')).json, { transfer_reason: 'busy' });
  await gone.running;

  const disposition = { onNoAnswer: 'voicemail', voicemailUrl: '/voicemail' };
  const rig = await dialling(t, 1, { ...BLIND, disposition });
  rig.app.on('/voicemail', [{ verb: 'hangup' }]);
  rig.callees[0]?.refuse(487);
  t.match((await rig.app.next('/action')).json, { transfer_result: 'voicemail', transfer_reason: 'no-answer' });
  await rig.app.next('/voicemail');
  await rig.running;
});

t.test('transfer: a caller who hangs up meanwhile has abandoned it', async (t) => {
  const rig = await dialling(t, 1, BLIND);
  rig.leg.end({ how: 'bye', headers: {} });
  t.match((await rig.app.next('/action')).json, { transfer_reason: 'caller-abandoned' });
  await rig.running;
});
