/** The verb transfer on real calls: who answers is found out, told what it is about, and connected, or the caller goes on. */
import { type AnsweringPhone, answerCalls, type PhoneCall, samplesSource } from '@ringwire/phone';
import { rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
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
      brief: { text: `tone_stream://%(2500,0,${BRIEF_HZ})` },
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
