import t from 'tap';
import { answer, bridged, type Callee, type DialRig, dialling, hangUp, json } from '../testing/dial-rig.js';

const SAY = { verb: 'say', text: 'Press one to take the call' };

t.test('confirmHook: its verbs run on the callee alone, who is connected when they are over', async (t) => {
  const rig = await dialling(t, 1, { confirmHook: '/confirm' });
  rig.app.on('/confirm', [{ verb: 'gather', numDigits: 1, say: { text: SAY.text }, actionHook: '/pressed' }]);
  rig.app.on('/pressed', []);
  const callee = await answer(rig);
  const asked = await rig.app.next('/confirm');
  t.match(asked.json, { parent_call_sid: 'call-1', direction: 'outbound', call_status: 'in-progress' });
  await rig.server.callee().plays.take('the question');
  t.equal(rig.server.caller.bridges.size, 0, 'nobody is connected yet');
  rig.server.callee().press('1');
  const pressed = await rig.app.next('/pressed');
  t.match(pressed.json, { digits: '1', call_sid: asked.json.call_sid, parent_call_sid: 'call-1' });
  await bridged(rig);
  t.equal(rig.server.caller.plays.size, 0, 'the caller heard nothing of it');
  await hangUp(t, rig, callee);
});

t.test('confirmHook: who hangs up, or whose verbs do, declines, and the others go on ringing', async (t) => {
  const rig = await dialling(t, 3, { confirmHook: '/confirm' });
  let asked = 0;
  rig.app.on('/confirm', (response) => json(++asked === 1 ? [{ verb: 'hangup' }] : asked === 2 ? [SAY] : [])(response));
  const first = await answer(rig, 0);
  await first.ends.take('BYE to who declined');
  const second = await answer(rig, 1);
  await rig.server.callee(1).plays.take('the question');
  second.hangUp();
  const third = rig.callees[2] as Callee;
  t.equal(third.ends.size, 0, 'the third rings');
  await answer(rig, 2);
  await bridged(rig);
  await hangUp(t, rig, third);
});

t.test('confirmHook: of two who are being asked the first to take the call has it', async (t) => {
  const rig = await dialling(t, 2, { confirmHook: '/confirm' });
  rig.app.on('/confirm', [SAY]);
  const first = await answer(rig, 0);
  const second = await answer(rig, 1);
  const [slow, quick] = [
    await rig.server.callee(0).plays.take('the question'),
    await rig.server.callee(1).plays.take('the question'),
  ];
  quick.finish();
  await bridged(rig);
  await first.ends.take('BYE to the other');
  await slow.done;
  t.ok(slow.isStopped);
  await hangUp(t, rig, second);
});

t.test(
  'confirmHook: where all decline, or the hook fails, nobody has answered; the target names its own hook',
  async (t) => {
    for (const [target, hook] of [
      [{ type: 'phone', number: '1' }, '/confirm'],
      [{ type: 'phone', number: '1', confirmHook: '/own', method: 'GET' }, '/own'],
    ] as const) {
      const rig = await dialling(t, 1, { confirmHook: '/confirm', target: [target] });
      const callee = await answer(rig);
      const asked = await rig.app.next(hook);
      t.equal(asked.method, hook === '/own' ? 'GET' : 'POST');
      await callee.ends.take('BYE');
      t.match((await rig.app.next('/action')).json, { dial_call_status: 'no-answer', dial_sip_status: 487 });
      await rig.callerGoesOn();
    }
  },
);

t.test('confirmHook: a caller who hangs up meanwhile ends it', async (t) => {
  const rig = await dialling(t, 1, { confirmHook: '/confirm' });
  rig.app.on('/confirm', [SAY]);
  const callee = await answer(rig);
  const question = await rig.server.callee().plays.take('the question');
  rig.leg.end({ how: 'bye', headers: {} });
  await callee.ends.take('BYE');
  t.ok(question.isStopped);
  await rig.running;
  t.match((await rig.app.next('/action')).json, { dial_call_status: 'no-answer', dial_call_sid: String });
});

t.test('answerOnBridge: early media of the only callee is what the caller hears until the answer', async (t) => {
  const rig = await dialling(t, 1, { answerOnBridge: true });
  const [callee] = rig.callees as [Callee];
  callee.progress(183, 'v=0 early');
  (await rig.server.callee().modifies.take('early SDP')).grant();
  t.equal((await rig.leg.actions.take('183')).sent, '183');
  await bridged(rig);
  callee.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  await rig.server.caller.unbridges.take('end of the early media');
  t.equal((await rig.leg.actions.take('200')).sent, '200');
  await bridged(rig);
  await hangUp(t, rig, callee);
});

t.test(
  'early media: of several callees the first is heard, the next when that one has failed, until somebody answers',
  async (t) => {
    const rig = await dialling(t, 3, { answerOnBridge: true });
    const [first, second, third] = rig.callees as [Callee, Callee, Callee];
    first.progress(183, 'v=0 first');
    (await rig.server.callee(0).modifies.take('early SDP')).grant();
    t.equal((await rig.leg.actions.take('183')).sent, '183');
    await bridged(rig);
    second.progress(183, 'v=0 second');
    third.progress(180);
    first.refuse(486);
    await rig.server.caller.unbridges.take('the first is heard no more');
    (await rig.server.callee(1).modifies.take('early SDP of the second')).grant();
    await bridged(rig);
    third.answer();
    (await rig.server.callee(2).modifies.take('modify')).grant();
    await rig.server.caller.unbridges.take('the second is heard no more');
    await bridged(rig);
    await hangUp(t, rig, third);
  },
);

t.test('dialMusic: goes on when a callee who was heard early has failed', async (t) => {
  const rig = await dialling(t, 2, { dialMusic: 'tone_stream://%(1000,0,440)' });
  const { caller } = rig.server;
  // An unanswered caller hears no music: `dial` answers first.
  const music = await caller.plays.take('music');
  t.same(music.sources, ['tone_stream://%(1000,0,440)']);
  const [first, second] = rig.callees as [Callee, Callee];
  first.progress(183, 'v=0 early');
  (await rig.server.callee(0).modifies.take('early SDP')).grant();
  await bridged(rig);
  t.ok(music.isStopped);
  first.refuse(480);
  await caller.unbridges.take('the first is heard no more');
  const again = await caller.plays.take('music again');
  second.answer();
  (await rig.server.callee(1).modifies.take('modify')).grant();
  await bridged(rig);
  t.ok(again.isStopped);
  await hangUp(t, rig, second);
});

t.test('dial_sbc_callid is told of legs that nobody answers, as far as the edge has named them', async (t) => {
  const rig = await dialling(t);
  const [callee] = rig.callees as [Callee];
  callee.outerCallId = 'outer-1';
  callee.refuse(486, { outerCallId: 'outer-1' });
  t.match((await rig.app.next('/action')).json, { dial_call_status: 'busy', dial_sbc_callid: 'outer-1' });
  await rig.callerGoesOn();
  const gone = await dialling(t);
  const [ringing] = gone.callees as [Callee];
  ringing.outerCallId = 'outer-2';
  gone.leg.end({ how: 'bye', headers: {} });
  t.match((await gone.app.next('/action')).json, { dial_call_status: 'no-answer', dial_sbc_callid: 'outer-2' });
  await gone.running;
});

t.test('of those who ring the others are told that somebody else has answered', async (t) => {
  const rig = await dialling(t, 2);
  const winner = await rig.connect();
  t.match(await (rig.callees[1] as Callee).ends.take('CANCEL'), { Reason: /cause=200/ });
  await hangUp(t, rig, winner);
});

t.test('a caller who hangs up while they ring leaves a missed call: nobody has answered', async (t) => {
  const rig = await dialling(t, 2);
  rig.leg.end({ how: 'bye', headers: {} });
  for (const callee of rig.callees) t.strictSame(await callee.ends.take('CANCEL'), {});
  await rig.running;
  t.match((await rig.app.next('/action')).json, { dial_call_status: 'no-answer' });
});

t.test('the Reason with which a callee refuses or hangs up is told by its last status', async (t) => {
  const reasonHeader = 'Q.850;cause=38;text="Network out of order"';
  const last = async (rig: DialRig, callStatus: string) => {
    for (;;) {
      const { json } = await rig.app.next('/status');
      if (json.call_status === callStatus && json.parent_call_sid) return json;
    }
  };
  const refused = await dialling(t);
  refused.callees[0]?.refuse(503, { reasonHeader });
  t.match(await last(refused, 'failed'), { sip_status: 503, sip_reason_header: reasonHeader });
  await refused.app.next('/action');
  await refused.callerGoesOn();
  const hungUp = await dialling(t);
  const callee = await hungUp.connect();
  callee.hangUp({ reasonHeader });
  t.match(await last(hungUp, 'completed'), { call_termination_by: 'caller', sip_reason_header: reasonHeader });
  await hungUp.app.next('/action');
  await hungUp.callerGoesOn();
  t.notOk(hungUp.app.seen('/status').some(({ json }) => !json.parent_call_sid && 'sip_reason_header' in json));
});
