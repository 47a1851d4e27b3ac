import { type AnswerCallsOptions, type AnsweringPhone, answerCalls } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { hearsTone } from './support/audio.js';
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
async function carrier(name: string, gateways: readonly AnsweringPhone[]): Promise<void> {
  const { accountSid } = ringwire.instance;
  const { sid } = await ringwire.api<{ sid: string }>('POST', '/v1/VoipCarriers', { name, account_sid: accountSid });
  for (const [priority, { host, port }] of gateways.entries()) {
    const columns = { voip_carrier_sid: sid, ipv4: host, port, inbound: false, outbound: true, priority };
    await ringwire.api('POST', '/v1/SipGateways', columns);
  }
}

// Provisioned before the first line is made: then the call path knows them.
const good = await phone();
const failing = await phone({ reject: { status: 503 } });
const busy = await phone({ reject: { status: 486 } });
const silent = await phone({ answerAfterMs: 'never' });
const slow = await phone({ answerAfterMs: 1_000 });
await carrier('plain', [good]);
await carrier('second answers', [failing, good]);
await carrier('busy', [busy, good]);
await carrier('silent', [silent]);
await carrier('slow', [slow]);

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
  const { number: line, action } = await ringwire.lineWith(({ action }) => [
    { verb: 'dial', target: number('busy'), actionHook: action },
    after,
  ]);
  const caller = await ringwire.call(line);
  t.match((await application.request(action)).body, { dial_call_status: 'busy', dial_sip_status: 486 });
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
  const { number: ringing } = await ringwire.lineWith(() => [
    { verb: 'dial', target: number('silent'), answerOnBridge: true },
  ]);
  const second = await ringwire.call(ringing);
  const rung = await silent.nextCall();
  await second.hangup();
  t.equal((await rung.finished).endedBy, 'cancelled');
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
