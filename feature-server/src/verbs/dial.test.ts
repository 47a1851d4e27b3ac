import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import {
  answer,
  bridged,
  type Callee,
  type DialRig,
  dialling,
  hangUp,
  hungUp,
  legOf,
  TAKEN,
} from '../testing/dial-rig.js';
import { Channel } from '../testing/fakes.js';

const OFFER = (direction: string): string =>
  ['v=0', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', 'm=audio 4000 RTP/AVP 0', `a=${direction}`, ''].join('\r\n');

t.test('mute:status is for the leg that is named: the edge keeps back what it says', async (t) => {
  const rig = await dialling(t);
  const callee = await rig.connect();
  const muted = { method: 'INFO', order: 'mute' };
  const mute = { command: 'mute:status', isMuted: true } as const;
  await taken(rig, mute, legOf(rig));
  t.match(await callee.requests.take('INFO'), muted);
  t.match(await rig.session.execute({ command: 'mute:status', isMuted: false }), { ok: true });
  t.equal((await rig.leg.actions.take('200')).sent, '200');
  t.match(await rig.leg.actions.take('INFO'), { sent: 'request', request: { order: 'unmute' } });
  t.same(await rig.server.caller.asked.take('unmute'), ['mute', false]);
  await taken(rig, mute);
  t.same(await rig.server.caller.asked.take('mute'), ['mute', true]);
  await hangUp(t, rig, callee);
  t.same(await rig.server.caller.asked.take('unmute'), ['mute', false], 'who goes on is heard again');
});

/** A command is taken once the two are connected, which follows the bridge. */
async function taken(rig: DialRig, command: Parameters<DialRig['session']['execute']>[0], sid?: string): Promise<void> {
  for (;;) {
    const result = await rig.session.execute(command, sid);
    if (result.ok) return;
    if (result.because !== 'wrong state') throw new Error(result.reason);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test('timeLimit: the callee is hung up on, and the next verb runs', async (t) => {
  const rig = await dialling(t, 1, { timeLimit: 1 });
  const callee = await rig.connect();
  await callee.ends.take('BYE');
  t.match((await rig.app.next('/action')).json, TAKEN);
  await rig.callerGoesOn();
});

t.test('dub, boostAudioSignal, dtmf and sip_request are done to the leg that is named', async (t) => {
  const rig = await dialling(t);
  const callee = await rig.connect();
  const leg = legOf(rig);
  const { asked } = rig.server.callee();
  await taken(rig, { command: 'whisper', verbs: [] });
  await rig.server.caller.unbridges.take('bridge is open');
  await bridged(rig);
  await taken(rig, { command: 'boostAudioSignal', gainDb: 6 }, leg);
  t.same(await asked.take('gain'), ['setGain', 6]);
  await taken(rig, { command: 'dtmf', digits: '4', durationMs: 120 }, leg);
  t.same(await asked.take('key'), ['key', '4', 120]);
  await taken(rig, { command: 'dub', spec: { action: 'addTrack', track: 'music' } }, leg);
  t.same(await asked.take('track'), ['addTrack', 'music']);
  const info = { command: 'sip:request', method: 'INFO', contentType: 'text/plain', content: 'hi' } as const;
  t.match(await rig.session.execute(info, leg), { ok: true, facts: { status: 200 } });
  t.match(await callee.requests.take('INFO'), { method: 'INFO', body: 'hi' });
  t.equal(rig.server.caller.asked.size, 0, 'the caller has nothing of it');
  await hangUp(t, rig, callee);
});

t.test(
  'whisper: only the leg that is named hears it, while the two are apart; then they are joined again',
  async (t) => {
    const rig = await dialling(t);
    const callee = await rig.connect();
    const whisper = { command: 'whisper', verbs: [{ verb: 'say', text: 'five minutes left' }] } as const;
    const both = [
      [undefined, rig.server.caller, rig.server.callee()],
      [legOf(rig), rig.server.callee(), rig.server.caller],
    ] as const;
    for (const [sid, hears, other] of both) {
      await taken(rig, { ...whisper, verbs: [...whisper.verbs] }, sid);
      await rig.server.caller.unbridges.take('the two apart');
      (await hears.plays.take('whisper')).finish();
      await bridged(rig);
      t.equal(other.plays.size, 0);
    }
    await hangUp(t, rig, callee);
  },
);

t.test('whisper: a callee who hangs up meanwhile ends it, and the dial', async (t) => {
  const rig = await dialling(t);
  const callee = await rig.connect();
  await taken(rig, { command: 'whisper', verbs: [{ verb: 'say', text: 'long' }] });
  const whisper = await rig.server.caller.plays.take('whisper');
  callee.hangUp();
  await whisper.done;
  t.match((await rig.app.next('/action')).json, TAKEN);
  await rig.callerGoesOn();
  t.equal(rig.server.caller.bridges.size, 0);
});

t.test('dtmfCapture: the hook hears of patterns with the call info of the leg that pressed them', async (t) => {
  const rig = await dialling(t, 1, { dtmfCapture: { parentCall: ['*1'], childCall: ['*2', '##'] }, dtmfHook: '/keys' });
  rig.app.on('/keys', []);
  const callee = await rig.connect();
  await taken(rig, { command: 'whisper', verbs: [] });
  await rig.server.caller.unbridges.take('bridge is open');
  await bridged(rig);
  const leg = legOf(rig);
  rig.server.caller.press('*2*1');
  t.match((await rig.app.next('/keys')).json, { dtmf: '*1', call_sid: 'call-1' });
  rig.server.callee().press('*1*2');
  t.match((await rig.app.next('/keys')).json, { dtmf: '*2', call_sid: leg, parent_call_sid: 'call-1' });
  callee.press('#');
  callee.press('#');
  t.match((await rig.app.next('/keys')).json, { dtmf: '##', call_sid: leg }, 'by INFO');
  await hangUp(t, rig, callee);
  t.equal(rig.app.seen('/keys').length, 3);
});

for (const who of ['caller', 'callee'] as const) {
  t.test(`onHoldHook: while the ${who} holds, the other hears what it says, again and again`, async (t) => {
    const rig = await dialling(t, 1, { onHoldHook: '/hold' });
    rig.app.on('/hold', [{ verb: 'play', url: 'silence_stream://100' }]);
    const callee = await rig.connect();
    await taken(rig, { command: 'whisper', verbs: [] });
    await rig.server.caller.unbridges.take('bridge is open');
    await bridged(rig);
    const [holder, held] =
      who === 'caller' ? [rig.server.caller, rig.server.callee()] : [rig.server.callee(), rig.server.caller];
    const reinvite = who === 'caller' ? rig.leg.modify : callee.reinvite;
    const offer = async (direction: string): Promise<void> => {
      const answered = reinvite(OFFER(direction), false, { from: '<sip:a@b>', to: '<sip:c@d>' });
      (await holder.modifies.take('re-INVITE')).grant();
      await answered;
    };
    await offer('sendonly');
    const asked = await rig.app.next('/hold');
    const sid = who === 'caller' ? 'call-1' : legOf(rig);
    t.match(asked.json, { hold_detail: { from: '<sip:a@b>', to: '<sip:c@d>' }, call_sid: sid });
    await rig.server.caller.unbridges.take('the two apart');
    (await held.plays.take('music')).finish();
    await rig.app.next('/hold');
    const music = await held.plays.take('music again');
    await offer('sendrecv');
    await music.done;
    t.ok(music.isStopped);
    await bridged(rig);
    await hangUp(t, rig, callee);
  });
}

t.test('config.onHoldMusic is what the other hears where the dial has no onHoldHook', async (t) => {
  const rig = await dialling(t);
  const callee = await rig.connect();
  const music = 'tone_stream://%(500,0,440)';
  await taken(rig, { command: 'config', spec: { onHoldMusic: music } });
  await taken(rig, { command: 'whisper', verbs: [] });
  await rig.server.caller.unbridges.take('bridge is open');
  await bridged(rig);
  const answered = callee.reinvite(OFFER('inactive'));
  (await rig.server.callee().modifies.take('re-INVITE')).grant();
  await answered;
  const playing = await rig.server.caller.plays.take('music');
  t.same(playing.sources, [music]);
  callee.hangUp();
  await playing.done;
  t.match((await rig.app.next('/action')).json, TAKEN);
  await rig.callerGoesOn();
});

t.test('redirect:hooks: the callee becomes a call of his own, and both go on', async (t) => {
  const rig = await dialling(t);
  await rig.connect();
  const leg = legOf(rig);
  const forever = [{ verb: 'play', url: 'silence_stream://0' }, { verb: 'hangup' }];
  rig.app.on('/parent', forever).on('/child', forever);
  const [parent, child] = [`${rig.app.url}/parent`, `${rig.app.url}/child`];
  await taken(rig, { command: 'redirect:hooks', callHook: { url: parent }, childCallHook: { url: child } });
  const adult = await rig.adults.take('session of the callee');
  const grown = adult.run();
  t.equal(adult.callSid, leg);
  t.match((await rig.app.next('/child')).json, {
    call_sid: leg,
    parent_call_sid: 'call-1',
    call_status: 'in-progress',
    parent_call_info: { call_sid: 'call-1' },
  });
  t.match((await rig.app.next('/parent')).json, { call_sid: 'call-1' });
  (await rig.server.caller.plays.take('verbs of the caller')).finish();
  await rig.running;
  const [callee] = rig.callees as [Callee];
  t.equal(callee.ends.size, 0, 'the callee outlives the call that has called him');
  (await rig.server.callee().plays.take('verbs of the callee')).finish();
  await callee.ends.take('BYE');
  await grown;
  t.strictSame(
    rig.app
      .seen('/status')
      .filter(({ json }) => json.call_sid === leg)
      .map(({ json }) => json.call_status),
    ['trying', 'in-progress', 'completed'],
  );
  t.ok(rig.server.endpoints.every(({ isDestroyed }) => isDestroyed));
  t.equal(rig.ledger.size, 0);
  t.match(
    rig.app.seen('/action').map(({ json }) => json.dial_call_status),
    ['completed'],
    'told, and not asked',
  );
});

t.test('redirect:hooks: a whisper to the callee is over before his own application begins', async (t) => {
  const rig = await dialling(t);
  const callee = await rig.connect();
  await taken(rig, { command: 'whisper', verbs: [{ verb: 'say', text: 'long' }] }, legOf(rig));
  const whisper = await rig.server.callee().plays.take('whisper');
  rig.app.on('/child', [{ verb: 'play', url: 'silence_stream://0' }, { verb: 'hangup' }]);
  await Promise.all([
    taken(rig, { command: 'redirect:hooks', childCallHook: { url: `${rig.app.url}/child` } }),
    bridged(rig),
  ]);
  t.ok(whisper.isStopped, 'the whisper is over when he goes');
  const adult = await rig.adults.take('session of the callee');
  const grown = adult.run();
  const own = await rig.server.callee().plays.take('verbs of the callee');
  await rig.app.next('/action');
  t.notOk(own.isStopped);
  t.equal(rig.server.caller.bridges.size, 0, 'the two are not joined again');
  own.finish();
  await callee.ends.take('BYE');
  await grown;
  await rig.callerGoesOn();
});

t.test('redirect:legs: with verbs for the callee alone the caller goes on with his next verb', async (t) => {
  const rig = await dialling(t);
  await rig.connect();
  await taken(rig, { command: 'redirect:legs', childCall: [{ verb: 'pause', length: 0 }] });
  const adult = await rig.adults.take('session of the callee');
  await Promise.all([adult.run(), rig.app.next('/action')]);
  await rig.callerGoesOn();
});

t.test('redirect:hooks: without a connected dial there is no callee to give away', async (t) => {
  const rig = await dialling(t);
  const refused = await rig.session.execute({ command: 'redirect:hooks', childCallHook: { url: '/child' } });
  t.match(refused, { ok: false, because: 'wrong state', reason: 'no dial is connected' });
  const [callee] = rig.callees as [Callee];
  callee.refuse(486);
  t.match((await rig.app.next('/action')).json, { dial_call_status: 'busy' });
  await rig.callerGoesOn();
});

const refer = (told: number[]) => ({
  uri: 'sip:+4930999@example.com',
  referredBy: undefined,
  headers: { 'refer-to': '<sip:+4930999@example.com>', 'X-Own': 'header' },
  notify: async (status: number) => void told.push(status),
});

t.test('referHook: the application is told who wants whom, and says what the other goes on with', async (t) => {
  const rig = await dialling(t, 1, { referHook: '/refer' });
  const callee = await rig.connect();
  const leg = legOf(rig);
  rig.app.on('/refer', [{ verb: 'play', url: 'silence_stream://5' }]);
  const told: number[] = [];
  t.equal(callee.refer?.(refer(told)), 202);
  t.match((await rig.app.next('/refer')).json, {
    call_sid: leg,
    refer_details: {
      sip_refer_to: '<sip:+4930999@example.com>',
      refer_to_user: '+4930999',
      x_own: 'header',
      referring_call_sid: leg,
      referred_call_sid: 'call-1',
    },
  });
  await callee.ends.take('BYE to who has transferred');
  t.equal((await rig.server.caller.plays.take('what the application wants')).sources[0], 'silence_stream://5');
  await hungUp(rig);
  t.same(told, [100, 200]);
});

t.test('referHook: a caller who transfers leaves; the callee goes on with what the application says', async (t) => {
  const rig = await dialling(t, 1, { referHook: '/refer' });
  const callee = await rig.connect();
  rig.app.on('/refer', [{ verb: 'hangup' }]);
  t.equal((await rig.leg.actions.take('200')).sent, '200');
  const told = new Channel<number>();
  let hear = (): void => {};
  const heard = new Promise<void>((resolve) => (hear = resolve));
  const notify = async (status: number): Promise<void> => {
    told.post(status);
    if (status === 200) await heard;
  };
  t.equal(rig.leg.refer?.({ ...refer([]), notify }), 202);
  const adult = await rig.adults.take('session of the callee');
  t.same([await told.take('NOTIFY'), await told.take('last NOTIFY')], [100, 200]);
  t.equal(rig.leg.actions.size, 0, 'he is released when he has heard');
  hear();
  t.equal((await rig.leg.actions.take('BYE')).sent, 'BYE');
  await rig.running;
  await adult.run();
  await callee.ends.take('BYE');
});

t.test('referHook: what the application leaves is done by the rules, which carriers are not in', async (t) => {
  const rig = await dialling(t, 1, { referHook: '/refer' });
  const callee = await rig.connect();
  rig.app.on('/refer', {});
  const status = await new Promise((resolve) => {
    callee.refer?.({ ...refer([]), notify: async (status) => void (status >= 200 && resolve(status)) });
  });
  t.equal(status, 403);
  await hangUp(t, rig, callee);
});

t.test('boostAudioSignal and dub: both legs are louder, and the callee hears the tracks', async (t) => {
  const rig = await dialling(t, 1, {
    boostAudioSignal: '6 dB',
    dub: [{ action: 'addTrack', track: 'music' }],
  });
  const callee = await rig.connect();
  const { caller } = rig.server;
  const legs = rig.server.callee();
  t.same(await caller.asked.take('gain'), ['setGain', 6]);
  t.same(
    [await legs.asked.take('gain'), await legs.asked.take('track')],
    [
      ['setGain', 6],
      ['addTrack', 'music'],
    ],
  );
  await hangUp(t, rig, callee);
  t.same(await caller.asked.take('gain'), ['setGain', 0], 'the caller hears the rest as before');
});

t.test(
  'transcribe: both are understood apart while they talk, and what the hook answers replaces nothing',
  async (t) => {
    const rig = await dialling(t, 1, { transcribe: { transcriptionHook: '/heard' } });
    rig.app.on('/heard', [{ verb: 'hangup' }]);
    const callee = await rig.connect();
    await rig.recognizer.opened();
    await rig.recognizer.opened();
    for (const [index, transcript] of ['hello', 'good morning'].entries()) {
      const speech = { isFinal: true, alternatives: [{ transcript, confidence: 1 }], evt: {} };
      rig.recognizer.listeners[index]?.({ type: 'heard', speech });
      t.match((await rig.app.next('/heard')).json, {
        call_sid: 'call-1',
        speech: { channel_tag: index + 1, alternatives: [{ transcript }] },
      });
    }
    t.match(await rig.session.execute({ command: 'transcribe:status', status: 'pause' }), { ok: true });
    await hangUp(t, rig, callee);
    t.equal(rig.recognizer.closed, 2);
    t.ok(rig.server.caller.tap.streams.every(({ isClosed }) => isClosed));
  },
);

t.test('amd: whether a machine has answered is told of the callee, and its answer replaces nothing', async (t) => {
  const rig = await dialling(t, 1, { amd: { actionHook: '/amd' } });
  rig.app.on('/amd', [{ verb: 'hangup' }]);
  const callee = await answer(rig);
  await bridged(rig);
  const endpoint = rig.server.callee();
  const beep = await until('somebody listens for a beep', () => endpoint.beep);
  beep({ frequencyHz: 1_000, variance: 0 });
  const { json: found } = await rig.app.next('/amd');
  t.match(found, { type: 'amd_machine_detected', reason: 'tone', parent_call_sid: 'call-1', direction: 'outbound' });
  t.match((await rig.app.next('/amd')).json, { type: 'amd_tone_detected', frequency: 1_000, call_sid: found.call_sid });
  await hangUp(t, rig, callee);
  await until('nobody listens any more', () => endpoint.beep === undefined);
});
