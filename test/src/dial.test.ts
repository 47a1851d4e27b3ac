import { type AnswerCallsOptions, type AnsweringPhone, answerCalls } from '@ringwire/phone';
import { offerAudio, RtpSocket, rms, tone, toneShare } from '@ringwire/rtp';
import { createUserAgent, type Dialog } from '@ringwire/sip';
import t from 'tap';
import { hearsTone, tonePeriods } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { CallRecord } from './support/test-platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
const { application } = ringwire;
/** Shows that the caller's channel outlived the bridge; the media server makes it itself, so that a FreeSWITCH without HTTP can. */
const after = { verb: 'play', url: 'tone_stream://%(600,0,2000)' };

const CALLEE_HZ = 1500;
const CALLER_HZ = 500;

/** A telephone that stands for a carrier's gateway and speaks a tone. */
async function phone(options: AnswerCallsOptions = {}): Promise<AnsweringPhone> {
  const made = await answerCalls({ play: tone(CALLEE_HZ, 10_000), ...options });
  t.teardown(() => made.close());
  return made;
}

/** A carrier whose gateways are these telephones, in order, made over the REST API. */
async function carrier(
  name: string,
  gateways: readonly { host: string; port: number }[],
  columns: Record<string, unknown> = {},
): Promise<void> {
  const { accountSid } = ringwire.instance;
  const row = { name, account_sid: accountSid, ...columns };
  const { sid } = await ringwire.api<{ sid: string }>('POST', '/v1/VoipCarriers', row);
  for (const [priority, { host, port }] of gateways.entries()) {
    const columns = { voip_carrier_sid: sid, ipv4: host, port, inbound: false, outbound: true, priority };
    await ringwire.api('POST', '/v1/SipGateways', columns);
  }
}

// Provisioned before the first line is made: then the call path knows them.
const good = await phone();
const failing = await phone({ reject: { status: 503 } });
/** What a telephone says of why it ends a call (RFC 3326). */
const REASON = 'Q.850;cause=38;text="Network out of order"';
const busy = await phone({ reject: { status: 486, headers: { Reason: REASON } } });
const silent = await phone({ answerAfterMs: 'never' });
const slow = await phone({ answerAfterMs: 1_000 });
await carrier('plain', [good]);
await carrier('second answers', [failing, good]);
await carrier('busy', [busy, good]);
await carrier('silent', [silent]);
await carrier('slow', [slow]);
const EARLY_HZ = 1_100;
const announcing = await phone({ answerAfterMs: 1_500, earlyMedia: tone(EARLY_HZ, 1_400) });
await carrier('announcing', [announcing]);
const KEY_5_HZ = [770, 1336];
/** Presses 5 again and again, for who hears tones. */
const toneDialler = await phone({
  play: Int16Array.from(Array.from({ length: 12 }, () => [...new Int16Array(2_400), ...tone(KEY_5_HZ, 200)]).flat()),
});
await carrier('tones', [toneDialler], { dtmf_type: 'tones' });
const informed = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'gateway' });
t.teardown(() => informed.stop());
await carrier('info', [informed.addresses[0]!], { dtmf_type: 'info' });

const number = (trunk: string) => [{ type: 'phone', number: '+4930123456', trunk }];

t.test('dial: both parties hear each other; when the callee hangs up the next verb runs', async (t) => {
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('plain'), actionHook: action },
    after,
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 10_000) });
  const callee = await good.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  await callee.hangup();
  const { body } = await application.request(action);
  t.match(body, {
    dial_call_status: 'completed',
    dial_sip_status: 200,
    dial_call_sid: String,
    call_status: 'in-progress',
  });
  await hearsTone(caller, 2000);
  await caller.finished;
  t.type(body.dial_sbc_callid, 'string');
  t.match(await recordOf(body.dial_call_sid), {
    direction: 'outbound',
    trunk: 'plain',
    answered: true,
    termination_reason: 'called party hungup',
  });
});

/** The record of a dialled leg. */
async function recordOf(callSid: unknown): Promise<CallRecord | undefined> {
  const found = await eventually(
    `record of ${callSid}`,
    async () => (await ringwire.records()).filter((record) => record.call_sid === callSid),
    (records) => records.length > 0,
  );
  return found[0];
}

/** What the status hook at this path is told last of a dialled leg, or of the call itself. */
async function lastOf(path: string, callStatus: string, isLeg = true): Promise<Record<string, unknown> | undefined> {
  const told = () => application.requests.filter((request) => request.path === path).map(({ body }) => body);
  const found = await eventually(
    `${callStatus} of ${isLeg ? 'the leg' : 'the call'}`,
    () => told().filter((body) => body.call_status === callStatus && 'parent_call_sid' in body === isLeg),
    ({ length }) => length > 0,
  );
  return found[0];
}

t.test('dial: the status hook hears of each dialled leg, once and in order, beside those of the call', async (t) => {
  const { number: line, status } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('slow'), tag: { own: 'leg' } },
  ]);
  const caller = await ringwire.call(line);
  const callee = await slow.nextCall();
  await hearsTone(caller, CALLEE_HZ);
  await callee.hangup({ Reason: REASON });
  await caller.finished;
  const told = await eventually(
    'last statuses of both',
    () => application.requests.filter(({ path }) => path === status).map(({ body }) => body),
    (all) => all.filter(({ call_status }) => call_status === 'completed').length === 2,
  );
  const [leg, own] = [true, false].map((isLeg) => told.filter((body) => 'parent_call_sid' in body === isLeg));
  t.same(
    leg?.map(({ call_status }) => call_status),
    ['trying', 'ringing', 'in-progress', 'completed'],
  );
  t.same(
    own?.map(({ call_status }) => call_status),
    ['trying', 'in-progress', 'completed'],
  );
  t.match(leg?.at(-1), {
    parent_call_sid: own?.[0]?.call_sid,
    direction: 'outbound',
    to: '+4930123456',
    caller_id: String,
    sbc_callid: String,
    call_termination_by: 'caller',
    sip_reason_header: REASON,
    duration: Number,
    customer_data: { own: 'leg' },
  });
  t.match(await recordOf(leg?.[0]?.call_sid), { direction: 'outbound', answered: true });
});

t.test('dial: when the first gateway fails the second takes the call, which is on the timeline', async (t) => {
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('second answers'), actionHook: action },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 5_000) });
  const callee = await good.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await callee.hangup();
  const { body } = await application.request(action);
  const lines = (await ringwire.timeline(String(body.dial_call_sid))).map(({ text }) => text).join('\n');
  t.match(lines, /of second answers failed: 503 .*the gateway fails: the next is tried/);
  await caller.finished;
});

t.test('dial: a busy callee is told to the action hook, and nobody else is called', async (t) => {
  const {
    number: line,
    action,
    status,
  } = await ringwire.lineWith(({ action }) => [{ verb: 'dial', target: number('busy'), actionHook: action }, after]);
  const caller = await ringwire.call(line);
  t.match((await application.request(action)).body, {
    dial_call_status: 'busy',
    dial_sip_status: 486,
    dial_sbc_callid: String,
  });
  const ended = await lastOf(status, 'busy');
  t.match(ended, { parent_call_sid: String, sip_status: 486, sip_reason_header: REASON });
  await hearsTone(caller, 2000);
  await caller.finished;
});

t.test('dial: nobody answers within the timeout', async (t) => {
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('silent'), timeout: 1, actionHook: action },
    after,
  ]);
  const caller = await ringwire.call(line);
  const callee = await silent.nextCall();
  t.equal((await callee.finished).endedBy, 'cancelled');
  t.match((await application.request(action)).body, { dial_call_status: 'no-answer', dial_sip_status: 487 });
  await hearsTone(caller, 2000);
  await caller.finished;
});

t.test('dial: a callee who answers and hangs up at once is told as completed, and the caller stays', async (t) => {
  const hasty = await phone();
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: [{ type: 'sip', sipUri: `sip:bob@${hasty.host}:${hasty.port}` }], actionHook: action },
    after,
  ]);
  const caller = await ringwire.call(line);
  const callee = await hasty.nextCall();
  await callee.answered();
  await callee.hangup();
  t.match((await application.request(action)).body, {
    dial_call_status: 'completed',
    dial_sip_status: 200,
    call_status: 'in-progress',
  });
  await hearsTone(caller, 2000);
  await caller.finished;
});

t.test('dial: with answerOnBridge the caller hears it ring, and is answered when the callee is', async (t) => {
  const { number: line } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('slow'), answerOnBridge: true },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 5_000) });
  const callee = await slow.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  t.same(
    caller.responses.map(({ status }) => status).filter((status) => status > 100),
    [180, 200],
  );
  await callee.hangup();
  t.equal((await caller.finished).endedBy, 'them');
});

t.test('dial: when the caller hangs up the callee is released, ringing or answered', async (t) => {
  const { number: line } = await ringwire.lineWith(() => [{ verb: 'dial', target: number('plain') }]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 5_000) });
  const callee = await good.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await caller.hangup();
  t.equal((await callee.finished).endedBy, 'them');
  const { number: ringing, status } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('silent'), answerOnBridge: true },
  ]);
  const second = await ringwire.call(ringing);
  const rung = await silent.nextCall();
  await second.hangup({ Reason: REASON });
  t.equal((await rung.finished).endedBy, 'cancelled');
  t.match(await lastOf(status, 'no-answer', false), { sip_status: 487, sip_reason_header: REASON });
});

t.test('dial: a SIP URI; of several targets the first to answer has the call', async (t) => {
  const fast = await phone();
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    {
      verb: 'dial',
      target: [
        { type: 'phone', number: '4930', trunk: 'silent' },
        {
          type: 'sip',
          sipUri: `sip:bob@${fast.host}:${fast.port}`,
          headers: { 'X-Own': 'yes', 'X-Account-Sid': 'stolen' },
        },
      ],
      callerId: '15557654321',
      actionHook: action,
    },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 5_000) });
  const callee = await fast.nextCall();
  const other = await silent.nextCall();
  t.equal((await other.finished).endedBy, 'cancelled');
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  await callee.hangup();
  t.match((await application.request(action)).body, { dial_call_status: 'completed' });
  await caller.finished;
});

t.test(
  'dial: with a carrier of dtmf_type tones the callee hears keys as tones, and the caller gets keys for tones',
  async () => {
    const { number: line } = await ringwire.lineWith(() => [{ verb: 'dial', target: number('tones') }]);
    const caller = await ringwire.call(line);
    const callee = await toneDialler.nextCall();
    // He presses all the time: what came before both were joined is nobody's.
    await eventually(
      'a key from the callee',
      () => caller.digits,
      (keys) => keys.includes('5'),
    );
    await caller.sendDtmf('9');
    await eventually(
      'a tone of the key 9',
      () => longestKeyMs(callee.heardSoFar(), 852, 1477),
      (ms) => ms >= 60,
    );
    await callee.hangup();
    await caller.finished;
  },
);

/** The longest stretch, ms, in which only these two frequencies sound. */
function longestKeyMs(heard: Int16Array, lowHz: number, highHz: number): number {
  let [longest, now] = [0, 0];
  for (let at = 0; at + 160 <= heard.length; at += 80) {
    const share = toneShare(heard, lowHz, 8_000, at, at + 160) + toneShare(heard, highHz, 8_000, at, at + 160);
    now = rms(heard, at, at + 160) > 300 && share > 0.8 ? now + 10 : 0;
    longest = Math.max(longest, now);
  }
  return longest;
}

t.test(
  'dial: with a carrier of dtmf_type info the callee gets keys by INFO, in order, and none in the media',
  async (t) => {
    const media = await RtpSocket.bind();
    t.teardown(() => media.close());
    const events: number[] = [];
    const keys: string[] = [];
    const answered = new Promise<Dialog>((resolve) => {
      informed.onInvite((call) => {
        const dialog = call.accept(
          offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: 1 }),
        );
        dialog?.on('info', (request, transaction) => {
          t.match(request.get('Content-Type'), /^application\/dtmf-relay/);
          keys.push(/^Signal=(.)/m.exec(request.bodyText)?.[1] ?? '');
          transaction.respond(transaction.makeResponse(200));
        });
        if (dialog) resolve(dialog);
      });
    });
    let heard = 0;
    media.onPacket = ({ payloadType }) => {
      heard += 1;
      if (payloadType === 101) events.push(payloadType);
    };
    const { number: line } = await ringwire.lineWith(() => [{ verb: 'dial', target: number('info') }]);
    const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 10_000) });
    const dialog = await answered;
    await eventually(
      'the callee hears',
      () => heard,
      (packets) => packets > 25,
    );
    await caller.sendDtmf('159#');
    await eventually(
      'all keys',
      () => keys.join(''),
      (all) => all.length >= 4,
    );
    t.same(keys.join(''), '159#');
    t.same(events, []);
    await dialog.bye();
    await caller.finished;
  },
);

t.test('dial: a key that one party sends by INFO reaches the other as its telephone takes keys', async (t) => {
  const { number: line } = await ringwire.lineWith(() => [{ verb: 'dial', target: number('plain') }]);
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'caller' });
  const media = await RtpSocket.bind();
  t.teardown(() => agent.stop());
  t.teardown(() => media.close());
  const { host, port } = ringwire.instance.sip;
  const sdp = offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: 1 });
  const caller = await agent.invite({ uri: `sip:${line}@${host}:${port}`, sdp }).answered;
  const callee = await good.nextCall();
  const key = { body: 'Signal=4\r\nDuration=200\r\n', contentType: 'application/dtmf-relay' };
  // What comes before both are joined is the application's.
  await eventually(
    'the key at the callee',
    async () => {
      t.equal((await caller.request('INFO', key))?.status, 200);
      return callee.digits;
    },
    (keys) => keys.includes('4'),
  );
  await caller.bye();
  await callee.finished;
});

/** Plays long enough to be heard, and not on. */
const beep = (hz: number) => ({ verb: 'play', url: `tone_stream://%(600,0,${hz})` });

const control = (callSid: unknown, body: object) =>
  ringwire.api('PUT', `/v1/Accounts/${ringwire.instance.accountSid}/Calls/${callSid}`, body);

/** A call that is connected with the good phone: both sids beside both phones. */
async function connected(more: object = {}) {
  const line = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('plain'), actionHook: action, ...more },
    after,
  ]);
  const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, 20_000) });
  const callee = await good.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  const leg = await application.request(({ path, body }) => path === line.status && 'parent_call_sid' in body);
  const { call_sid: legSid, parent_call_sid: callSid } = leg.body;
  return { line, caller, callee, legSid, callSid };
}

t.test('dial: confirmHook asks the callee, who is connected when he has pressed a key', async (t) => {
  application.answer('/confirm', [
    { verb: 'gather', numDigits: 1, play: { url: 'tone_stream://%(20000,0,900)' }, actionHook: '/confirmed' },
  ]);
  application.answer('/confirmed', []);
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('plain'), confirmHook: '/confirm', answerOnBridge: true, actionHook: action },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 20_000) });
  const callee = await good.nextCall();
  await hearsTone(callee, 900);
  t.equal(caller.answeredAt, null, 'the caller waits');
  await callee.sendDtmf('1');
  t.match((await application.request('/confirmed')).body, { digits: '1', direction: 'outbound' });
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  await callee.hangup();
  t.match((await application.request(action)).body, { dial_call_status: 'completed' });
  await caller.finished;
});

t.test('dial: with answerOnBridge the caller hears what the callee sends before the answer', async (t) => {
  const { number: line, status } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('announcing'), answerOnBridge: true },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 20_000) });
  const callee = await announcing.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  await callee.hangup();
  const { early, responses } = await caller.finished;
  t.ok(tonePeriods(early, EARLY_HZ).some(([start, end]) => end - start >= 300));
  t.ok(responses.some((response) => response.status === 183));
  await application.request(({ path, body }) => path === status && body.call_status === 'early-media');
});

t.test('dial: a whisper is heard by the leg that is named, and after it the two hear each other again', async () => {
  const { caller, callee, legSid, callSid } = await connected();
  await control(legSid, { whisper: beep(900) });
  await hearsTone(callee, 900);
  await control(callSid, { whisper: beep(2_200) });
  await hearsTone(caller, 2_200);
  for (const [heard, hz] of [
    [caller, CALLEE_HZ],
    [callee, CALLER_HZ],
  ] as const) {
    const since = heard.heardSoFar().length;
    await eventually(
      `${hz} Hz again`,
      () => tonePeriods(heard.heardSoFar().subarray(since), hz).some(([start, end]) => end - start >= 100),
      Boolean,
    );
  }
  await caller.hangup();
  await callee.finished;
});

t.test('dial: who is muted is not heard by the other, until he is unmuted', async () => {
  const { caller, callee, legSid } = await connected();
  const isHeard = (): boolean => tonePeriods(caller.heardSoFar().slice(-2_400), CALLEE_HZ).length > 0;
  await control(legSid, { mute_status: 'mute' });
  await eventually('silence', isHeard, (heard) => !heard);
  await control(legSid, { mute_status: 'unmute' });
  await eventually('the callee', isHeard, Boolean);
  await caller.hangup();
  await callee.finished;
});

t.test('dial: the callee becomes a call of his own, and both go on with verbs of their own', async (t) => {
  const { line, caller, callee, legSid, callSid } = await connected();
  application.answer('/for-caller', [beep(2_200)]);
  application.answer('/for-callee', [beep(900), { verb: 'hangup' }]);
  await control(callSid, {
    call_hook: `${application.url}/for-caller`,
    child_call_hook: `${application.url}/for-callee`,
  });
  t.match((await application.request('/for-callee')).body, { call_sid: legSid, parent_call_sid: callSid });
  await hearsTone(callee, 900);
  await hearsTone(caller, 2_200);
  t.equal((await callee.finished).endedBy, 'them');
  t.equal((await caller.finished).endedBy, 'them');
  await eventually(
    'the last status of both',
    () => [callSid, legSid].map((sid) => application.statuses(line.status, String(sid)).at(-1)).join(),
    (last) => last === 'completed,completed',
  );
});

t.test('dial: while the callee holds the caller hears what onHoldHook says; then both hear each other', async (t) => {
  application.answer('/hold', [{ verb: 'play', url: 'tone_stream://%(600,0,900)' }]);
  const media = await RtpSocket.bind();
  t.teardown(() => media.close());
  const heard: number[] = [];
  media.onPacket = ({ timestamp }) => void heard.push(timestamp);
  const sdp = offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: 1 });
  const answered = new Promise<Dialog>((resolve) => {
    informed.onInvite((call) => {
      const dialog = call.accept(sdp);
      if (dialog) resolve(dialog);
    });
  });
  const { number: line } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('info'), onHoldHook: '/hold' },
  ]);
  const caller = await ringwire.call(line, { play: tone(CALLER_HZ, 20_000) });
  const dialog = await answered;
  await eventually(
    'the caller at the callee',
    () => heard.length,
    (packets) => packets > 25,
  );
  const turn = (direction: string, version: number): string =>
    offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: version }).replace(
      'a=sendrecv',
      `a=${direction}`,
    );
  t.equal((await dialog.reinvite(turn('sendonly', 2))).status, 200);
  t.match((await application.request('/hold')).body, { hold_detail: { from: String, to: String } });
  await hearsTone(caller, 900);
  t.equal((await dialog.reinvite(turn('sendrecv', 3))).status, 200);
  const before = heard.length;
  await eventually(
    'the caller at the callee again',
    () => heard.length - before,
    (packets) => packets > 25,
  );
  await dialog.bye();
  await caller.finished;
});
