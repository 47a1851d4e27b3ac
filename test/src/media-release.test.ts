/** Who talks to whom without the media server: the sound of a `dial` between the edges, or past them. */
import { once } from 'node:events';
import { type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { offerAudio, RtpSocket, tone } from '@ringwire/rtp';
import { createUserAgent, type Dialog } from '@ringwire/sip';
import t from 'tap';
import { hearsTone, tonePeriods } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import { rtpengineSessions } from './support/rtpengine.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t, { ALLOW_MEDIA_BYPASS: 'true' });
const { application, instance } = ringwire;
const CALLEE_HZ = 1_500;
const CALLER_HZ = 500;
const TALK_MS = 40_000;

const far: AnsweringPhone = await answerCalls({ play: tone(CALLEE_HZ, TALK_MS) });
t.teardown(() => far.close());
/** A telephone whose SIP the test speaks itself. */
const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'far' });
t.teardown(() => agent.stop());
for (const [name, { host: ipv4, port }] of Object.entries({ far, agent: agent.addresses[0]! })) {
  const { sid } = await ringwire.api<{ sid: string }>('POST', '/v1/VoipCarriers', {
    ...{ name, account_sid: instance.accountSid },
  });
  const row = { voip_carrier_sid: sid, ipv4, port, inbound: false, outbound: true };
  await ringwire.api('POST', '/v1/SipGateways', row);
}

interface Talk {
  caller: PhoneCall;
  callee: PhoneCall;
  callSid: string;
  legSid: string;
  action: string;
}

/** Two who hear each other. */
async function talk(dial: Record<string, unknown> = {}, after: unknown[] = [], before: unknown[] = []): Promise<Talk> {
  const line = await ringwire.lineWith(({ action }) => [
    ...before,
    {
      ...{ verb: 'dial', target: [{ type: 'phone', number: '+4930123456', trunk: 'far' }], actionHook: action },
      ...dial,
    },
    ...after,
  ]);
  const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, TALK_MS) });
  const callee = await far.nextCall();
  await hearsTone(callee, CALLER_HZ);
  await hearsTone(caller, CALLEE_HZ);
  const { body } = await application.request(line.call);
  const leg = await application.request(
    ({ path, body: told }) =>
      path === line.status && told.parent_call_sid === body.call_sid && told.call_status === 'in-progress',
  );
  return { caller, callee, callSid: String(body.call_sid), legSid: String(leg.body.call_sid), action: line.action };
}

/** Waits until a phone hears a tone at this moment, and nothing of what it heard before is taken for it. */
async function hearsNow(call: PhoneCall, hz: number): Promise<void> {
  const from = call.heardSoFar().length;
  await eventually(
    `${hz} Hz is heard now`,
    () => tonePeriods(call.heardSoFar().slice(from), hz).some(([start, end]) => end - start >= 200),
    Boolean,
    { timeoutMs: 15_000 },
  );
}

const bothHear = ({ caller, callee }: Talk): Promise<unknown> =>
  Promise.all([hearsNow(caller, CALLEE_HZ), hearsNow(callee, CALLER_HZ)]);

/** Waits until the media server has so many channels. */
async function channels(count: number): Promise<void> {
  await eventually(
    `${count} channels of the media server`,
    async () => (await ringwire.metrics('media-server')).sum(/^media_server_sessions\b/),
    (now) => now === count,
    { timeoutMs: 15_000 },
  );
}

async function control(callSid: string, body: unknown): Promise<number> {
  const response = await fetch(new URL(`/v1/Accounts/${instance.accountSid}/Calls/${callSid}`, instance.api.url), {
    method: 'PUT',
    headers: { authorization: `Bearer ${instance.api.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

const skip = instance.rtpengine ? false : 'rtpengine is not running';

t.test(
  'dial: the media server leaves the call, comes back for a whisper, and for the next verb',
  { skip },
  async (t) => {
    const both = await talk({}, [{ verb: 'play', url: 'tone_stream://%(600,0,2000)' }]);
    await channels(0);
    await bothHear(both);
    t.equal(await control(both.legSid, { whisper: { verb: 'play', url: 'tone_stream://%(900,0,700)' } }), 202);
    await hearsTone(both.callee, 700);
    await channels(2);
    await bothHear(both);
    t.equal(await control(both.callSid, { media_path: 'partial-media' }), 202);
    await channels(0);
    await bothHear(both);
    await both.callee.hangup();
    await hearsTone(both.caller, 2_000);
    t.match((await application.request(both.action)).body, { dial_call_status: 'completed' });
    t.equal((await both.caller.finished).endedBy, 'them');
  },
);

t.test(
  'dial: exitMediaPath has the two talk past rtpengine, too, and a command brings both back',
  { skip },
  async (t) => {
    const both = await talk({ exitMediaPath: true });
    await channels(0);
    const sessions = () => rtpengineSessions(instance.rtpengine!);
    await eventually('no session of rtpengine', sessions, ({ length }) => length === 0);
    await bothHear(both);
    t.equal(await control(both.callSid, { media_path: 'full-media' }), 202);
    await channels(2);
    await bothHear(both);
    t.equal((await sessions()).length, 2);
    const record = (action: string) => control(both.callSid, { record: { action, type: 'cloud' } });
    t.equal(await record('startCallRecording'), 202);
    t.equal(await control(both.callSid, { media_path: 'no-media' }), 422, 'a recording needs the media server');
    t.equal(await record('stopCallRecording'), 202);
    t.equal(await control(both.callSid, { dtmf: { digit: '12345678' } }), 202);
    t.equal(await control(both.callSid, { media_path: 'no-media' }), 422, 'so do keys that are being sent');
    await eventually(
      'all keys are out',
      () => control(both.callSid, { media_path: 'no-media' }),
      (status) => status === 202,
    );
    await channels(0);
    await bothHear(both);
    await both.caller.hangup();
    t.equal((await both.callee.finished).endedBy, 'them');
  },
);

t.test(
  'dial: the sound stays at the media server where the application wants or needs it there',
  { skip },
  async (t) => {
    const both = await talk({ dtmfCapture: ['5'], dtmfHook: '/keys' });
    t.equal(await control(both.callSid, { media_path: 'partial-media' }), 422);
    await both.callee.sendDtmf('5');
    t.match((await application.request('/keys')).body, { dtmf: '5' });
    await channels(2);
    await both.callee.hangup();
    await both.caller.finished;
    for (const verb of [
      { verb: 'config', boostAudioSignal: 3 },
      { verb: 'dub', action: 'addTrack', track: 'music' },
    ]) {
      const louder = await talk({}, [], [verb]);
      t.equal(await control(louder.callSid, { media_path: 'partial-media' }), 422, `after ${verb.verb}`);
      await channels(2);
      await louder.caller.hangup();
      await louder.callee.finished;
    }
    const anchored = await talk({ anchorMedia: true });
    await bothHear(anchored);
    await channels(2);
    await anchored.caller.hangup();
    await anchored.callee.finished;
  },
);

t.test('dial: who holds the call brings the sound back, who refreshes its session does not', { skip }, async (t) => {
  application.answer('/hold', [{ verb: 'play', url: 'tone_stream://%(600,0,900)' }]);
  const media = await RtpSocket.bind();
  t.teardown(() => media.close());
  let packets = 0;
  media.onPacket = () => packets++;
  const moreCome = async (): Promise<void> => {
    const wanted = packets + 25;
    await eventually(
      'sound of the caller',
      () => packets,
      (count) => count > wanted,
    );
  };
  let version = 0;
  const sdp = (direction: string): string =>
    offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: ++version }).replace(
      'a=sendrecv',
      `a=${direction}`,
    );
  const answered = new Promise<Dialog>((resolve) => {
    agent.onInvite((call) => {
      const dialog = call.accept(sdp('sendrecv'));
      if (dialog) resolve(dialog);
    });
  });
  const target = [{ type: 'phone', number: '+4930123456', trunk: 'agent' }];
  const line = await ringwire.lineWith(() => [{ verb: 'dial', target, onHoldHook: '/hold' }]);
  const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, TALK_MS) });
  const dialog = await answered;
  await moreCome();
  await channels(0);
  t.equal((await dialog.reinvite(sdp('sendrecv'))).status, 200);
  await moreCome();
  await channels(0);
  t.equal((await dialog.reinvite(sdp('sendonly'))).status, 200);
  await hearsTone(caller, 900);
  t.equal((await dialog.reinvite(sdp('sendrecv'))).status, 200);
  await moreCome();
  await channels(2);
  // What follows is by an offer of ours, which its ACK answers.
  const { call_sid: callSid } = (await application.request(line.call)).body;
  t.equal(await control(String(callSid), { media_path: 'partial-media' }), 202);
  await channels(0);
  await moreCome();
  t.equal((await dialog.reinvite(undefined, { onOffer: () => sdp('sendrecv') })).status, 200);
  await channels(2);
  await moreCome();
  await dialog.bye();
  await caller.finished;
});

t.test(
  'dial: a telephone that does not answer when it is to send past the edges costs nobody the sound, and is told again when it answers late',
  { skip },
  async (t) => {
    const media = await RtpSocket.bind();
    t.teardown(() => media.close());
    let packets = 0;
    media.onPacket = () => packets++;
    const moreCome = async (): Promise<void> => {
      const wanted = packets + 25;
      await eventually(
        'sound of the caller',
        () => packets,
        (count) => count > wanted,
      );
    };
    const sdp = offerAudio({ host: '127.0.0.1', port: media.port, sessionId: '1', sessionVersion: 1 });
    const answered = new Promise<Dialog>((resolve) => {
      agent.onInvite((call) => {
        const dialog = call.accept(sdp);
        if (dialog) resolve(dialog);
      });
    });
    const target = [{ type: 'phone', number: '+4930123456', trunk: 'agent' }];
    const line = await ringwire.lineWith(() => [{ verb: 'dial', target }]);
    const caller = await ringwire.call(line.number, { play: tone(CALLER_HZ, TALK_MS) });
    const dialog = await answered;
    const { call_sid: callSid } = (await application.request(line.call)).body;
    await moreCome();
    await channels(0);
    const asked = once(dialog, 'reinvite');
    t.equal(await control(String(callSid), { media_path: 'no-media' }), 422);
    const [silent] = await asked;
    await channels(0);
    await moreCome();
    const again = once(dialog, 'reinvite');
    silent.accept(sdp);
    const [told] = await again;
    t.not(told.sdp, silent.sdp, 'it is told again where it is to send');
    told.accept(sdp);
    await moreCome();
    const leg = await application.request(
      ({ path, body }) =>
        path === line.status && body.parent_call_sid === callSid && body.call_status === 'in-progress',
    );
    t.equal(await control(String(leg.body.call_sid), { media_path: 'full-media' }), 202, 'by the sid of the other leg');
    await channels(2);
    await moreCome();
    t.equal(await control(String(callSid), { media_path: 'partial-media' }), 202);
    await channels(0);
    t.equal(await control(String(callSid), { dub: { action: 'removeTrack', track: 'none' } }), 422);
    await channels(0);
    await moreCome();
    await dialog.bye();
    t.equal((await caller.finished).endedBy, 'them');
  },
);

t.test(
  'dial: two whom the media server has left go on when it dies, and can be called back to it',
  { skip },
  async (t) => {
    const both = await talk();
    await channels(0);
    const server = ringwire.platform.processes.get('media-server');
    if (!server?.pid) throw new Error('no media server');
    const isBack = once(server, 'ready');
    process.kill(server.pid, 'SIGKILL');
    await isBack;
    await bothHear(both);
    await eventually(
      'a whisper',
      () => control(both.legSid, { whisper: { verb: 'play', url: 'tone_stream://%(900,0,700)' } }),
      (status) => status === 202,
    );
    await hearsTone(both.callee, 700);
    await bothHear(both);
    await both.callee.hangup();
    t.equal((await both.caller.finished).endedBy, 'them');
  },
);
