import t from 'tap';
import { Callee, dialling, SlowMediaServer } from '../testing/dial-rig.js';
import { makeSession, type SessionRig } from '../testing/session-rig.js';
import type { DialTarget } from './dialler.js';

t.test('dial: a target of Teams is called as its tenant, or its voicemail', async (t) => {
  const targets: DialTarget[] = [];
  const verbs = [
    { verb: 'dial', target: [{ type: 'teams', number: '+4930123', tenant: 'one.teams.example.com', vmail: true }] },
  ];
  const rig = await makeSession(t, verbs, {
    mediaServer: new SlowMediaServer(),
    dialler: {
      place: ({ target }) => {
        targets.push(target);
        const callee = new Callee();
        callee.refuse(486);
        return callee;
      },
    },
  });
  await rig.run();
  t.match(targets, [{ routing: 'teams', address: '+4930123', tenant: 'one.teams.example.com', vmail: true }]);
});

t.test('dial: srtpEncryption is asked for SIP URIs, and for nobody else', async (t) => {
  const targets: DialTarget[] = [];
  const verbs = [
    {
      verb: 'dial',
      srtpEncryption: 'sdes',
      target: [
        { type: 'sip', sipUri: 'sip:bob@example.com' },
        { type: 'phone', number: '+4930123' },
      ],
    },
  ];
  const rig = await makeSession(t, verbs, {
    mediaServer: new SlowMediaServer(),
    dialler: {
      place: ({ target }) => {
        targets.push(target);
        const callee = new Callee();
        callee.refuse(486);
        return callee;
      },
    },
  });
  await rig.run();
  t.same(
    targets.map(({ routing, srtp }) => [routing, srtp]),
    [
      ['sip', 'sdes'],
      ['phone', undefined],
    ],
  );
});

const completed = { dial_call_status: 'completed', dial_sip_status: 200, dial_sbc_callid: 'outer' };

for (const media of ['grant', 'refuse'] as const) {
  t.test(`dial: a callee hangs up while its answer is told to the media server (${media}d): completed`, async (t) => {
    const rig = await dialling(t);
    const [callee] = rig.callees as [Callee];
    callee.answer();
    const modify = await rig.server.callee().modifies.take('modify');
    callee.hangUp();
    modify[media]();
    t.match((await rig.app.next('/action')).json, { ...completed, call_status: 'in-progress' });
    await rig.callerGoesOn();
    t.equal(rig.server.caller.bridges.size, 0, 'nobody is bridged with a party that is gone');
  });
}

t.test('dial: a callee hangs up while the two are being bridged: completed', async (t) => {
  const rig = await dialling(t);
  const [callee] = rig.callees as [Callee];
  callee.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  const bridge = await rig.server.caller.bridges.take('bridge');
  callee.hangUp();
  bridge.refuse();
  t.match((await rig.app.next('/action')).json, { ...completed, call_status: 'in-progress' });
  await rig.callerGoesOn();
});

t.test('dial: with answerOnBridge a callee who hangs up at once does not answer the caller', async (t) => {
  const rig = await dialling(t, 1, { answerOnBridge: true });
  const [callee] = rig.callees as [Callee];
  callee.answer();
  await rig.server.callee().modifies.take('modify');
  callee.hangUp();
  t.match((await rig.app.next('/action')).json, { ...completed, call_status: 'trying' });
  await rig.callerGoesOn();
});

t.test(
  'dial: a bridge that the media server refuses ends the callee and is told as failed; the caller stays',
  async (t) => {
    const rig = await dialling(t);
    const [callee] = rig.callees as [Callee];
    callee.answer();
    (await rig.server.callee().modifies.take('modify')).grant();
    (await rig.server.caller.bridges.take('bridge')).refuse();
    await callee.ends.take('end of the callee');
    t.match((await rig.app.next('/action')).json, { dial_call_status: 'failed', dial_sip_status: 503 });
    await rig.callerGoesOn();
  },
);

t.test("dial: the loss of the caller's own endpoint during the bridge ends the call", async (t) => {
  const rig = await dialling(t);
  const [callee] = rig.callees as [Callee];
  callee.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  const bridge = await rig.server.caller.bridges.take('bridge');
  rig.server.caller.lose('gone');
  bridge.refuse();
  await rig.running;
  t.equal(rig.app.seen('/action').length, 0);
  t.equal(rig.server.caller.plays.size, 0, 'no further verb runs');
});

t.test(
  'dial: who answers is bridged at once, however long the end of the others takes; the verb waits for it',
  async (t) => {
    const rig = await dialling(t, 2);
    const [winner, loser] = rig.callees as [Callee, Callee];
    let ended = (): void => {};
    loser.endsAfter = new Promise((resolve) => {
      ended = resolve;
    });
    winner.answer();
    (await rig.server.callee().modifies.take('modify')).grant();
    await loser.ends.take('end of the loser');
    (await rig.server.caller.bridges.take('bridge')).grant();
    winner.hangUp();
    await winner.ends.take('end of the winner');
    t.equal(rig.app.seen('/action').length, 0, 'the loser is not gone yet');
    ended();
    t.match((await rig.app.next('/action')).json, completed);
    await rig.callerGoesOn();
  },
);

/** What the application was told of the legs that the call has placed: `call_status sip_status`, by leg in order of the first word. */
function legStatuses(rig: SessionRig): string[][] {
  const byLeg = new Map<unknown, string[]>();
  for (const { json } of rig.app.seen('/status')) {
    if (json.parent_call_sid === undefined) continue;
    byLeg.set(json.call_sid, [...(byLeg.get(json.call_sid) ?? []), `${json.call_status} ${json.sip_status}`]);
  }
  return [...byLeg.values()];
}

t.test('dial: the status hook hears of every leg, once and in order, also of those that are cancelled', async (t) => {
  const rig = await dialling(t, 3, { callerId: '15557654321', tag: { Color: 'blue' } });
  const [winner, loser, busy] = rig.callees as [Callee, Callee, Callee];
  loser.progress(180);
  winner.progress(180);
  winner.progress(183, 'v=0 early');
  (await rig.server.callee().modifies.take('early SDP')).grant();
  (await rig.server.caller.bridges.take('early bridge')).grant();
  busy.refuse(486);
  winner.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  await loser.ends.take('end of the loser');
  loser.refuse(487);
  (await rig.server.caller.bridges.take('bridge')).grant();
  winner.hangUp();
  await rig.app.next('/action');
  await rig.callerGoesOn();
  t.strictSame(legStatuses(rig), [
    ['trying 100', 'ringing 180', 'early-media 183', 'in-progress 200', 'completed 200'],
    ['trying 100', 'ringing 180', 'no-answer 487'],
    ['trying 100', 'busy 486'],
  ]);
  const [last] = rig.app.seen('/status').filter(({ json }) => json.parent_call_sid && json.call_status === 'completed');
  t.match(last?.json, {
    parent_call_sid: 'call-1',
    direction: 'outbound',
    from: '15557654321',
    to: '49300',
    caller_id: 'Jane',
    sbc_callid: 'outer',
    duration: 0,
    call_termination_by: 'caller',
    customer_data: { Color: 'blue' },
  });
  t.equal(rig.ledger.size, 0, 'nothing is left in the ledger');
});

t.test('dial: a leg is in the ledger, and found by its sid, until it is over', async (t) => {
  const rig = await dialling(t);
  const [callee] = rig.callees as [Callee];
  const legs = () => [...rig.ledger.values()].filter(({ payload }) => payload.parentCallSid === 'call-1');
  t.match(legs(), [{ payload: { callStatus: 'trying' }, statusHook: { url: /status/ } }]);
  callee.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  (await rig.server.caller.bridges.take('bridge')).grant();
  const [leg] = legs();
  t.match(leg, { answeredAt: Number, payload: { callStatus: 'in-progress' } });
  t.ok(rig.session.has(leg!.callSid));
  t.match(await rig.session.execute({ command: 'tag', data: { a: 1 } }, leg!.callSid), { ok: true });
  t.match(await rig.session.execute({ command: 'tag', data: {} }, 'nobody'), { ok: false, because: 'wrong state' });
  t.match(await rig.session.execute({ command: 'call:status', callStatus: 'completed' }, leg!.callSid), { ok: true });
  await callee.ends.take('BYE');
  t.match((await rig.app.next('/action')).json, completed);
  await rig.callerGoesOn();
  const [last] = rig.app.seen('/status').filter(({ json }) => json.parent_call_sid && json.call_status === 'completed');
  t.match(last?.json, { call_termination_by: 'jambonz', customer_data: { a: 1 } });
  t.notOk(rig.session.has(leg!.callSid));
  t.equal(rig.ledger.size, 0);
});

t.test('dial: a leg whose media is lost is told as failed', async (t) => {
  const rig = await dialling(t);
  const [callee] = rig.callees as [Callee];
  callee.answer();
  (await rig.server.callee().modifies.take('modify')).grant();
  (await rig.server.caller.bridges.take('bridge')).grant();
  rig.server.callee().lose('gone');
  await rig.app.next('/action');
  await rig.callerGoesOn();
  t.strictSame(legStatuses(rig), [['trying 100', 'in-progress 200', 'failed 500']]);
});

t.test(
  'dial: a caller who gives up ends the legs, and their last statuses go out before the call is done',
  async (t) => {
    const rig = await dialling(t);
    const [callee] = rig.callees as [Callee];
    callee.progress(180);
    rig.leg.isAnswered = true;
    rig.leg.end({ how: 'bye', headers: {} });
    await callee.ends.take('CANCEL');
    callee.refuse(487);
    await rig.running;
    t.strictSame(legStatuses(rig), [['trying 100', 'ringing 180', 'no-answer 487']]);
    t.match((await rig.app.next('/action')).json, { dial_call_status: 'no-answer', dial_call_sid: String });
  },
);
