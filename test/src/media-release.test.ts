/** Who talks to whom without the media server: the sound of a `dial` between the edges, or past them. */
import { type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { hearsTone, tonePeriods } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t, { ALLOW_MEDIA_BYPASS: 'true' });
const { application, instance } = ringwire;
const CALLEE_HZ = 1_500;
const CALLER_HZ = 500;
const TALK_MS = 40_000;

const far: AnsweringPhone = await answerCalls({ play: tone(CALLEE_HZ, TALK_MS) });
t.teardown(() => far.close());
const { sid: carrierSid } = await ringwire.api<{ sid: string }>('POST', '/v1/VoipCarriers', {
  name: 'far',
  account_sid: instance.accountSid,
});
await ringwire.api('POST', '/v1/SipGateways', {
  ...{ voip_carrier_sid: carrierSid, ipv4: far.host, port: far.port, inbound: false, outbound: true },
});

interface Talk {
  caller: PhoneCall;
  callee: PhoneCall;
  callSid: string;
  legSid: string;
  action: string;
}

/** Two who hear each other. */
async function talk(dial: Record<string, unknown> = {}, after: unknown[] = []): Promise<Talk> {
  const line = await ringwire.lineWith(({ action }) => [
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
    if (process.env.DEBUG_TL)
      for (const e of await ringwire.timeline(both.callSid)) t.comment(e.offset_ms, e.kind, e.text);
  },
);
