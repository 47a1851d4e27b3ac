/** What is done with whoever is at the far end of a real call, and found out about him: transfer, sip:refer, amd. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type AnsweringPhone, answerCalls, type PhoneCall, samplesSource } from '@ringwire/phone';
import { offerAudio, RtpSocket, rms, tone, toneShare } from '@ringwire/rtp';
import { createUserAgent, type Dialog, type SipMessage, type UserAgent } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { espeakReference, hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
// jambonz' SDK compiles its schemas anew for each session, before it answers: seconds on a busy machine.
const ringwire = await openPlatform(t, { WS_ACK_TIMEOUT_MS: '60000' });
const { application } = ringwire;

const CALLER_HZ = 500;
const BRIEF_HZ = 900;
const PROMPT_HZ = 1_200;
const DESTINATION_HZ = 1_500;
/** What is judged of what was heard last. */
const WINDOW = 2_400;
const SOUNDS = 0.15;
const RATE = 8_000;

const destination: AnsweringPhone = await answerCalls();
t.teardown(() => destination.close());
const target = [{ type: 'sip', sipUri: `sip:desk@${destination.host}:${destination.port}` }];
/** What the caller hears who goes on. */
const after = { verb: 'play', url: 'tone_stream://%(600,0,2000)' };

/** Waits until all these tones sound at once. */
async function hearsTogether(call: PhoneCall, hz: readonly number[]): Promise<void> {
  await eventually(
    `${hz.join(' and ')} Hz at once`,
    () => {
      const heard = call.heardSoFar();
      const [from, to] = [Math.max(0, heard.length - WINDOW), heard.length];
      return rms(heard, from, to) < 100 ? [] : hz.map((one) => toneShare(heard, one, RATE, from, to));
    },
    (shares) => shares.length > 0 && shares.every((share) => share > SOUNDS),
    { everyMs: 50, timeoutMs: 20_000 },
  );
}

/** Waits until a call takes what only two who are connected can be told. */
async function isBridged(callSid: unknown): Promise<void> {
  const path = `/v1/Accounts/${ringwire.instance.accountSid}/Calls/${callSid}`;
  await eventually(
    `${callSid} is connected`,
    () =>
      ringwire.api('PUT', path, { mute_status: 'unmute' }).then(
        () => true,
        () => false,
      ),
    (isTaken) => isTaken,
  );
}

/** A greeting of so many ms, as loud and broken as speech, and silence after it. */
function greeting(ms: number): Int16Array {
  let seed = 1;
  return Int16Array.from({ length: ((ms + 4_000) * RATE) / 1000 }, (_, at) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const isSilent = at > (ms * RATE) / 1000 || at % 1_600 > 1_300;
    return isSilent ? 0 : Math.round((seed / 2 ** 31 - 0.5) * 12_000);
  });
}

t.test('transfer warm with callerPresent: both hear the brief and each other; the key connects them', async (t) => {
  const line = await ringwire.lineWith(({ action }) => [
    {
      verb: 'transfer',
      mode: 'warm',
      callerPresent: true,
      target,
      brief: { text: `tone_stream://%(1800,0,${BRIEF_HZ})` },
      confirm: { prompt: `tone_stream://%(10000,0,${PROMPT_HZ})`, digit: '1' },
      eventHook: '/progress',
      actionHook: action,
    },
    after,
  ]);
  application.answer('/progress', []);
  const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, 30_000) });
  const callee = await destination.nextCall();
  await callee.answered();
  void callee.play(samplesSource(tone(DESTINATION_HZ, 30_000)));
  await Promise.all([hearsTogether(callee, [CALLER_HZ, BRIEF_HZ]), hearsTogether(caller, [DESTINATION_HZ, BRIEF_HZ])]);
  for (const event of ['destination-ringing', 'destination-answered', 'brief-started']) {
    t.match((await application.request('/progress')).body, { event, dial_call_sid: String });
  }
  await hearsTogether(callee, [CALLER_HZ, PROMPT_HZ]);
  const prompted = caller.heardSoFar();
  t.ok(toneShare(prompted, PROMPT_HZ, RATE, prompted.length - WINDOW) < 0.02, 'the prompt is not for the caller');
  await callee.sendDtmf('1');
  await isBridged((await application.request(line.call)).body.call_sid);
  await hearsTogether(callee, [CALLER_HZ]);
  await hearsTogether(caller, [DESTINATION_HZ]);
  await callee.hangup();
  t.match((await application.request(line.action)).body, { transfer_result: 'bridged', transfer_reason: 'completed' });
  await hearsTone(caller, 2_000);
  await caller.finished;
});

t.test('transfer warm with callerPresent: who presses another key is gone, and the caller goes on', async (t) => {
  const line = await ringwire.lineWith(({ action }) => [
    {
      ...{ verb: 'transfer', mode: 'warm', callerPresent: true, target, actionHook: action },
      confirm: { prompt: 'Press one.', digit: '1' },
    },
    after,
  ]);
  const caller = await ringwire.call(line.number);
  const callee = await destination.nextCall();
  await eventually(
    'the prompt',
    () => rms(callee.heardSoFar()),
    (loud) => loud > 100,
  );
  await callee.sendDtmf('7');
  t.equal((await callee.finished).endedBy, 'them');
  t.match((await application.request(line.action)).body, { transfer_result: 'returned', transfer_reason: 'declined' });
  await hearsTone(caller, 2_000);
  await caller.finished;
});

for (const [who, ms, verdict, outcome] of [
  ['a human', 500, 'amd_human_detected', { transfer_result: 'bridged' }],
  ['a machine', 3_500, 'amd_machine_detected', { transfer_result: 'returned', transfer_reason: 'declined' }],
] as const) {
  t.test(`transfer warm with amd: ${who} answers: ${Object.values(outcome).join(', ')}`, async (t) => {
    application.answer('/verdict', []);
    const line = await ringwire.lineWith(({ action }) => [
      {
        ...{ verb: 'transfer', mode: 'warm', target, actionHook: action },
        amd: { actionHook: '/verdict', thresholdWordCount: 6 },
        brief: { text: `tone_stream://%(600,0,${BRIEF_HZ})` },
      },
      after,
    ]);
    const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, 30_000) });
    const callee = await destination.nextCall();
    await callee.answered();
    void callee.play(samplesSource(greeting(ms)));
    t.match((await application.request('/verdict')).body, { type: verdict, direction: 'outbound' });
    if (who === 'a human') {
      await hearsTone(callee, BRIEF_HZ);
      await hearsTone(callee, CALLER_HZ);
      await callee.hangup();
    } else t.equal((await callee.finished).endedBy, 'them');
    t.match((await application.request(line.action)).body, outcome);
    await hearsTone(caller, 2_000);
    await caller.finished;
  });
}

/** A telephone whose SIP the test speaks, with a port for sound that nobody listens to. */
async function agent(): Promise<{ agent: UserAgent; sdp: string }> {
  const made = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'phone' });
  t.teardown(() => made.stop());
  const media = await RtpSocket.bind();
  t.teardown(() => media.close());
  return { agent: made, sdp: offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: 1 }) };
}

/** The next request within a dialog, answered with this status. */
function nextRequest(dialog: Dialog, status: number): Promise<SipMessage> {
  return new Promise((resolve) => {
    dialog.once('request', (transaction) => {
      transaction.reply(status);
      resolve(transaction.request);
    });
  });
}

/** Tells how the call goes that a REFER asked for (RFC 3515). */
async function notify(t: Test, dialog: Dialog, status: number, state: string): Promise<void> {
  const body = { body: `SIP/2.0 ${status} Told\r\n`, contentType: 'message/sipfrag;version=2.0' };
  const headers = { Event: 'refer', 'Subscription-State': state };
  t.equal((await dialog.request('NOTIFY', body, headers))?.status, 200);
}

const HOOK = (path: string) => ({ url: new URL(path, application.url).href, method: 'POST' });
const order = (body: object): Promise<{ sid: string }> =>
  ringwire.api('POST', `/v1/Accounts/${ringwire.instance.accountSid}/Calls`, { from: '15550002222', ...body });

for (const where of ['a caller, by the inbound edge', 'somebody who was called, by the outbound edge']) {
  t.test(`sip:refer: ${where}, hears of it, and each NOTIFY is told`, async (t) => {
    const { agent: phone, sdp } = await agent();
    const [events, done] = [`/refer-events-${where.length}`, `/refer-done-${where.length}`];
    application.answer(events, []);
    application.answer(done, []);
    const verbs = [
      { verb: 'answer' },
      { verb: 'sip:refer', referTo: '+15085551212', headers: { 'X-Own': '7' }, eventHook: events, actionHook: done },
    ];
    let dialog: Dialog;
    let referred: Promise<SipMessage>;
    if (where.startsWith('a caller')) {
      const { number } = await ringwire.line(verbs);
      const { host, port } = ringwire.instance.sip;
      const call = phone.invite({ uri: `sip:${number}@${host}:${port}`, sdp });
      [dialog] = (await once(call, 'answered')) as [Dialog];
      referred = nextRequest(dialog, 202);
    } else {
      application.answer('/ordered', verbs);
      const answered = new Promise<Dialog>((resolve, reject) => {
        phone.onInvite((incoming) => {
          const made = incoming.accept(sdp);
          if (made) resolve(made);
          else reject(new Error('the call was gone'));
        });
      });
      const { host, port } = phone.addresses[0] as { host: string; port: number };
      await order({ to: { type: 'sip', sipUri: `sip:phone@${host}:${port}` }, call_hook: HOOK('/ordered') });
      dialog = await answered;
      referred = nextRequest(dialog, 202);
    }
    const refer = await referred;
    t.equal(refer.method, 'REFER');
    t.match(refer.get('Refer-To'), /sip:\+15085551212@127\.0\.0\.1/, 'at its own host');
    t.equal(refer.get('X-Own'), '7');
    await notify(t, dialog, 180, 'active;expires=60');
    await notify(t, dialog, 486, 'terminated;reason=noresource');
    for (const status of [180, 486]) {
      t.match((await application.request(events)).body, { event: 'transfer-status', call_status: status });
    }
    t.match((await application.request(done)).body, { refer_status: 202, final_referred_call_status: 486 });
    await dialog.bye();
  });
}

t.test('amd of a call on order: a voicemail is told, its beep, and that it is silent', async (t) => {
  application.answer('/machine', []);
  application.answer('/after-amd', [{ verb: 'pause', length: 60 }]);
  const { sid } = await order({
    to: target[0],
    call_hook: HOOK('/after-amd'),
    amd: { actionHook: HOOK('/machine'), thresholdWordCount: 4 },
  });
  const callee = await destination.nextCall();
  await callee.answered();
  const greeted = await espeakReference('You have reached the voicemail of Jane.');
  const sound = Int16Array.from([...new Int16Array(2_000), ...greeted, ...new Int16Array(2_000), ...tone(1_000, 700)]);
  void callee.play(samplesSource(sound));
  const found: unknown[] = [];
  while (!found.includes('amd_machine_stopped_speaking')) {
    const { body } = await application.request('/machine', 20_000);
    t.match(body, { call_sid: sid, direction: 'outbound' });
    found.push(body.type);
  }
  t.same(found, ['amd_machine_detected', 'amd_tone_detected', 'amd_machine_stopped_speaking']);
  await callee.hangup();
});

t.test('dial with amd: a human who answers is told, and the two talk on', async (t) => {
  application.answer('/human', [{ verb: 'hangup' }]);
  const line = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target, amd: { actionHook: '/human' }, actionHook: action },
  ]);
  const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, 30_000) });
  const callee = await destination.nextCall();
  await hearsTone(callee, CALLER_HZ);
  const word = await espeakReference('Hello?');
  void callee.play(samplesSource(Int16Array.from([...new Int16Array(1_600), ...word, ...new Int16Array(16_000)])));
  const { body } = await application.request('/human');
  t.match(body, { type: 'amd_human_detected', reason: 'short greeting', parent_call_sid: String });
  void callee.play(samplesSource(tone(DESTINATION_HZ, 10_000)));
  await hearsTone(caller, DESTINATION_HZ);
  await callee.hangup();
  t.match((await application.request(line.action)).body, { dial_call_status: 'completed' });
  await caller.finished;
});

/** What is used of `@jambonz/sdk`. */
interface SocketSession {
  pause(options: object): SocketSession;
  send(): void;
  injectCommand(command: string, data: object): void;
}

t.test("dial, as a command of jambonz' WebSocket SDK, places another call with verbs of its own", async (t) => {
  const { createEndpoint } = createRequire(import.meta.url)('@jambonz/sdk/websocket') as {
    createEndpoint(options: object): (options: { path: string }) => {
      on(event: 'session:new', listener: (session: SocketSession) => void): void;
    };
  };
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  application.answer('/placed', [{ verb: 'play', url: 'tone_stream://%(600,0,1700)' }]);
  createEndpoint({ server })({ path: '/dials' }).on('session:new', (session) => {
    session.pause({ length: 60 }).send();
    session.injectCommand('dial', {
      ...{ from: '15550009999', to: target[0], call_hook: HOOK('/placed'), tag: { order: 7 } },
    });
  });
  const callHook = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/dials`;
  const line = await ringwire.specialLine({ callHook });
  const caller = await ringwire.call(line.number);
  const early = caller.finished.then(({ status }) => {
    throw new Error(`the call that orders another has ended: ${status}`);
  });
  const callee = await Promise.race([destination.nextCall(), early]);
  t.match((await application.request('/placed')).body, {
    ...{ direction: 'outbound', from: '15550009999', customer_data: { order: 7 } },
  });
  await hearsTone(callee, 1_700);
  t.equal((await callee.finished).endedBy, 'them');
  await caller.hangup();
  await t.rejects(early, /487/);
});
