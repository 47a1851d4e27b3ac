/** Answering-machine detection on real calls, whose far ends speak, or beep. */
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { isFreeSwitch } from '../testing/engines.js';
import { startPlatform } from '../testing/platform-rig.js';

t.setTimeout(120_000);
const rig = await startPlatform(t);
const RATE = 8_000;

/** Syllables of noise: loud for most of the time, as speech is. */
function speech(ms: number): Int16Array {
  let seed = 1;
  return Int16Array.from({ length: (ms * RATE) / 1000 }, (_, at) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const isGap = at % 1_600 > 1_300;
    return isGap ? 0 : Math.round((seed / 2 ** 31 - 0.5) * 12_000);
  });
}
const silence = (ms: number): Int16Array => new Int16Array((ms * RATE) / 1000);
const joined = (...parts: Int16Array[]): Int16Array => Int16Array.from(parts.flatMap((part) => [...part]));
let calls = 0;

/** Calls, speaks, and hangs up when the hook says so. */
async function callFrom(sound: Int16Array, amd: Record<string, unknown>): Promise<void> {
  rig.app.on('/hook', [
    { verb: 'answer' },
    { verb: 'config', amd: { actionHook: '/amd', ...amd } },
    { verb: 'pause', length: 60 },
  ]);
  calls += 1;
  const call = await rig.call({ headers: { 'X-Call-Sid': `amd-${calls}` }, play: joined(silence(500), sound) });
  await call.finished;
}

t.test('who greets in a word and waits is a human, and the verbs of the answer replace the application', async (t) => {
  rig.app.on('/amd', [{ verb: 'hangup' }]);
  await callFrom(joined(speech(600), silence(6_000)), {});
  const { json } = await rig.app.next('/amd');
  t.match(json, {
    call_sid: 'amd-1',
    type: 'amd_human_detected',
    reason: 'short greeting',
    call_status: 'in-progress',
  });
});

t.test('who speaks on and beeps is a machine: greeting, beep and silence are told in order', async (t) => {
  rig.app.on('/amd', (response, { json }) => {
    const verbs = json.type === 'amd_machine_stopped_speaking' ? [{ verb: 'hangup' }] : [];
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
  });
  const greeting = joined(speech(2_500), silence(300), tone(1_000, 600), silence(8_000));
  await callFrom(greeting, { thresholdWordCount: 5, timers: { greetingCompletionTimeoutMs: 3_000 } });
  t.match((await rig.app.next('/amd')).json, { type: 'amd_machine_detected', reason: 'long greeting' });
  // Of a call that comes to FreeSWITCH its mod_avmd listens to what the call hears.
  if (!isFreeSwitch) {
    const beep = (await rig.app.next('/amd')).json;
    t.match(beep, { type: 'amd_tone_detected', frequency: Number, variance: Number });
    t.ok(Math.abs(Number(beep.frequency) - 1_000) < 50, `${beep.frequency} Hz`);
  }
  t.match((await rig.app.next('/amd')).json, { type: 'amd_machine_stopped_speaking' });
});

t.test('silence is told, and what is stopped before says so', async (t) => {
  rig.app.on('/amd', [{ verb: 'hangup' }]);
  await callFrom(silence(5_000), { timers: { noSpeechTimeoutMs: 400 } });
  t.match((await rig.app.next('/amd')).json, { type: 'amd_no_speech_detected' });
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'config', amd: { actionHook: '/amd' } }, { verb: 'hangup' }]);
  await (await rig.call({ headers: { 'X-Call-Sid': 'amd-last' } })).finished;
  t.match((await rig.app.next('/amd')).json, { call_sid: 'amd-last', type: 'amd_stopped' });
});
