import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { correlate, readWavAt, tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { type AnswerCallsOptions, answerCalls } from './answer-calls.js';
import type { CallResult, PhoneCall } from './phone-call.js';
import { type PlaceCallOptions, placeCall } from './place-call.js';

async function connect(
  t: Test,
  answering: AnswerCallsOptions = {},
  placing: Partial<PlaceCallOptions> = {},
): Promise<{ caller: PhoneCall; callee: PhoneCall }> {
  const phone = await answerCalls(answering);
  t.teardown(() => phone.close());
  const next = phone.nextCall();
  const caller = await placeCall({ target: phone.uri, ...placing });
  return { caller, callee: await next };
}

/** Share of a tone's energy in the middle second of what was heard. */
function share({ heard }: CallResult, frequencyHz: number): number {
  const middle = Math.floor(heard.length / 2);
  return toneShare(heard, frequencyHz, 8_000, middle - 800, middle + 800);
}

t.test('both sides hear the tone of the other, without loss', async (t) => {
  const { caller, callee } = await connect(
    t,
    { play: tone(600, 3_000) },
    { play: tone(1_400, 3_000), hangupAfterMs: 1_500 },
  );
  const [atCaller, atCallee] = await Promise.all([caller.finished, callee.finished]);
  t.ok(share(atCaller, 600) > 0.9, 'the caller hears 600 Hz');
  t.ok(share(atCallee, 1_400) > 0.9, 'the callee hears 1400 Hz');
  t.match(atCaller, { status: 200, endedBy: 'us', lost: 0, duplicates: 0 });
  t.match(atCallee, { status: 200, endedBy: 'them', lost: 0 });
  t.ok(atCaller.firstSoundMs !== null, 'the first sound has a time');
});

t.test('the callee hangs up', async (t) => {
  const { caller, callee } = await connect(t);
  await caller.answered();
  await callee.hangup({ 'X-Why': 'enough' });
  t.match(await caller.finished, { endedBy: 'them', endHeaders: { 'x-why': 'enough' } });
  t.match(await callee.finished, { endedBy: 'us' });
});

t.test('keys arrive once each, in order, both ways', async (t) => {
  const { caller, callee } = await connect(t);
  await caller.answered();
  await Promise.all([caller.sendDtmf('159#'), callee.sendDtmf('0*D')]);
  await caller.sendDtmf('1');
  await caller.hangup();
  t.equal((await callee.finished).digits, '159#1');
  t.equal((await caller.finished).digits, '0*D');
});

t.test('A-law is used when it is offered alone', async (t) => {
  const { caller } = await connect(t, { play: tone(600, 2_000) }, { codecs: ['PCMA'], hangupAfterMs: 1_000 });
  const result = await caller.finished;
  t.ok(share(result, 600) > 0.9);
  t.ok(caller.arrivals.every(({ payloadType }) => payloadType === 8));
});

t.test('a call that rings is cancelled', async (t) => {
  const { caller, callee } = await connect(t, { answerAfterMs: 'never' });
  if (!caller.responses.length) await new Promise((resolve) => caller.once('provisional', resolve));
  t.match(await caller.hangup(), { status: 487, endedBy: 'cancelled', answeredAt: null });
  t.match(await callee.finished, { endedBy: 'cancelled' });
});

t.test('a refusal is reported with status, reason and headers', async (t) => {
  const phone = await answerCalls({ reject: { status: 486, reason: 'Gone Fishing', headers: { 'X-Reason': 'fish' } } });
  t.teardown(() => phone.close());
  const caller = await placeCall({ target: phone.uri });
  await t.rejects(caller.answered(), { code: 'phone/not-answered' });
  t.match(await caller.finished, {
    status: 486,
    reason: 'Gone Fishing',
    endedBy: 'refused',
    endHeaders: { 'x-reason': 'fish' },
  });
});

t.test('nobody there: the call ends as timeout or transport error', async (t) => {
  const phone = await answerCalls();
  await phone.close();
  const caller = await placeCall({ target: `${phone.uri};transport=tcp` });
  t.match(await caller.finished, { answeredAt: null, endedBy: 'transport' });
});

t.test('early media is kept apart from what is heard after the answer', async (t) => {
  const { caller } = await connect(t, { earlyMedia: tone(900, 5_000), answerAfterMs: 700 }, { hangupAfterMs: 300 });
  const result = await caller.finished;
  t.equal(result.responses[0]?.status, 183);
  t.ok(result.early.length > 2_000, `${result.early.length} samples before the answer`);
  t.ok(toneShare(result.early, 900, 8_000, 800, 2_000) > 0.9);
});

t.test('the recording is what was played', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'phone-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const record = join(folder, 'heard.wav');
  const sweep = Int16Array.from(
    { length: 8_000 },
    (_, i) => 8_000 * Math.sin((2 * Math.PI * (300 + i / 8) * i) / 8_000),
  );
  const { caller } = await connect(t, { play: sweep }, { record, hangupAfterMs: 1_400 });
  const { recordError } = await caller.finished;
  t.equal(recordError, undefined);
  const { coefficient } = correlate(readWavAt(await readFile(record), 8_000), sweep);
  t.ok(coefficient > 0.95, `correlation ${coefficient}`);
});

t.test('calls over TCP and aborting work', async (t) => {
  const phone = await answerCalls();
  t.teardown(() => phone.close());
  const abort = new AbortController();
  const caller = await placeCall({ target: `${phone.uri};transport=tcp`, signal: abort.signal });
  await caller.answered();
  abort.abort();
  t.match(await caller.finished, { status: 200, endedBy: 'us' });
});

t.test('a target that cannot be called is refused', async (t) => {
  await t.rejects(placeCall({ target: '15551234' }), { code: 'phone/bad-target' });
  await t.rejects(placeCall({ target: 'mailto:a@b' }), { code: 'phone/bad-target' });
});

t.test('keys cannot be sent where telephone-event was not agreed, nor what is no key', async (t) => {
  const { caller } = await connect(t);
  await caller.answered();
  await t.rejects(caller.sendDtmf('x'), { code: 'phone/bad-digits' });
  await caller.hangup();
});
