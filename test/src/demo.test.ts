import type { CallResult } from '@ringwire/phone';
import { correlate, findDepartures } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { espeakReference, listens, trimSilence } from './support/audio.js';
import { openPlatform } from './support/platform.js';
import { hasValidSignature } from './support/signature.js';
import { type StallWatch, watchStalls } from './support/stall-watch.js';

/** From the answer to the begin of the audio. */
const AUDIO_WITHIN_MS = 200;
/** Longest gap or click that nobody minds. */
const MAX_GAP_MS = 40;
const PACKET_MS = 20;
const SAMPLES_PER_MS = 8;
/** Listen a little longer than the prompt is: it begins some time after the answer. */
const MARGIN_SAMPLES = 400 * SAMPLES_PER_MS;

const ringwire = await openPlatform(t);
const { application, instance } = ringwire;

/** The prompt is heard whole: where it should be, as it should be. */
function checkPrompt(
  t: Test,
  { heard, lost }: CallResult,
  reference: Int16Array,
  arrivals: readonly { atMs: number }[],
  stalls: StallWatch,
): void {
  const { lag, coefficient } = correlate(heard, reference);
  t.ok(coefficient > 0.9, `correlation with the synthesized speech: ${coefficient.toFixed(3)}`);
  t.ok(lag / SAMPLES_PER_MS <= AUDIO_WITHIN_MS, `audio begins ${lag / SAMPLES_PER_MS} ms after the answer`);
  const departures = findDepartures(heard, reference, lag).map(({ length }) => length / SAMPLES_PER_MS);
  t.ok(
    Math.max(0, ...departures) <= MAX_GAP_MS,
    `departures from the reference: ${departures.join(', ') || 'none'} (ms)`,
  );
  const during = arrivals.filter((_, index) => index * PACKET_MS < (lag + reference.length) / SAMPLES_PER_MS);
  const pauses = during.slice(1).map(({ atMs }, index) => {
    const before = during[index]?.atMs ?? atMs;
    return {
      atMs: before - (during[0]?.atMs ?? 0),
      overMs: atMs - before - PACKET_MS,
      ownMs: stalls.longest(before, atMs),
    };
  });
  // For what held up this process, which listens, the platform is not to blame.
  const unexplained = ({ overMs, ownMs }: (typeof pauses)[number]): number => overMs - ownMs;
  const worst = pauses.reduce((a, b) => (unexplained(b) > unexplained(a) ? b : a));
  const text = `${worst.overMs.toFixed(1)} ms over their 20 ms, ${worst.atMs.toFixed(0)} ms after the first`;
  t.ok(
    unexplained(worst) <= MAX_GAP_MS,
    `longest pause between packets: ${text}; this process was held up for ${worst.ownMs.toFixed(1)} ms`,
  );
  t.equal(lost, 0, 'no packet is lost');
}

t.test('the demo number: the caller hears the menu, presses a key, hears the choice', async (t) => {
  const menu = await fetch(new URL('/menu', instance.examples.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ call_sid: 'none', direction: 'inbound' }),
  });
  const [gather] = (await menu.json()) as { verb: string; say: { text: string } }[];
  const prompt = trimSilence(await espeakReference(gather?.say.text ?? ''));
  const stalls = watchStalls();
  t.teardown(() => stalls.stop());
  const call = await ringwire.call('15550102');
  await listens(call, prompt.length + MARGIN_SAMPLES);
  await call.sendDtmf('1');
  const result = await call.finished;
  t.match(result, { status: 200, endedBy: 'them' });
  const reference = prompt.subarray(0, Math.min(prompt.length, 8_000 * 3));
  checkPrompt(t, result, reference, call.arrivals, stalls);
  t.ok(result.heard.length > prompt.length, 'something is said after the key');
  const timeline = await ringwire.timeline(result.sipCallId);
  t.notOk(
    timeline.some(({ level }) => level === 'error'),
    'nothing went wrong on the way',
  );
});

t.test('the menu of a customer: speech, key, hooks, record and timeline are right', async (t) => {
  const text = 'Welcome. Press one for sales, or two for support.';
  const line = await ringwire.lineWith(({ action }) => [
    { verb: 'gather', id: 'menu', input: ['digits'], numDigits: 1, actionHook: action, say: { text } },
  ]);
  application.answer(line.action, [{ verb: 'say', text: 'Support.' }, { verb: 'hangup' }]);
  const reference = trimSilence(await espeakReference(text));
  const before = Date.now();
  const stalls = watchStalls();
  t.teardown(() => stalls.stop());
  const call = await ringwire.call(line.number, { from: '15553334444' });
  await listens(call, reference.length + MARGIN_SAMPLES);
  await call.sendDtmf('2');
  const result = await call.finished;
  const after = Date.now();
  const secret = await ringwire.webhookSecret();

  await t.test('audio', (t) => {
    checkPrompt(t, result, reference, call.arrivals, stalls);
    t.end();
  });

  const first = await application.request(line.call);
  const { call_sid: callSid } = first.body;
  const common = {
    call_sid: String(callSid),
    account_sid: instance.accountSid,
    application_sid: line.applicationSid,
    direction: 'inbound',
    from: '15553334444',
    to: line.number,
    sbc_callid: result.sipCallId,
  };

  await t.test('the call hook', (t) => {
    t.match(first.body, {
      ...common,
      call_status: 'trying',
      sip_status: 100,
      originating_sip_ip: /^127\.0\.0\.1/,
      originating_sip_trunk_name: String,
      service_provider_sid: instance.serviceProviderSid,
      defaults: { synthesizer: { vendor: String, language: String }, recognizer: { vendor: String } },
      sip: { method: 'INVITE', headers: Object },
    });
    t.match(callSid, /^[0-9a-f]{8}-/);
    t.ok(hasValidSignature(first, secret), 'its signature is valid');
    t.notOk(hasValidSignature(first, `${secret}x`), 'and not with another secret');
    t.end();
  });

  await t.test('the action hook', async (t) => {
    const action = await application.request(line.action);
    t.match(action.body, {
      ...common,
      reason: 'dtmfDetected',
      digits: '2',
      verb_id: 'menu',
      call_status: 'in-progress',
      sip_status: 200,
    });
    t.ok(hasValidSignature(action, secret));
  });

  await t.test('the call status hooks', async (t) => {
    const completed = await application.request(
      ({ path, body }) => path === line.status && body.call_status === 'completed',
    );
    t.strictSame(application.statuses(line.status), ['trying', 'in-progress', 'completed']);
    t.match(completed.body, { ...common, call_termination_by: 'jambonz', duration: Number, call_id: String });
    for (const request of application.requests.filter(({ path }) => path === line.status)) {
      t.ok(hasValidSignature(request, secret), `${request.body.call_status} is signed`);
      t.match(request.body, common);
    }
  });

  await t.test('the call record', async (t) => {
    const record = await ringwire.record(result.sipCallId);
    t.match(record, {
      call_sid: String(callSid),
      account_sid: instance.accountSid,
      application_sid: line.applicationSid,
      from: '15553334444',
      to: line.number,
      answered: true,
      sip_status: 200,
      direction: 'inbound',
      termination_reason: 'called party hungup',
    });
    const { attempted_at: attempted, terminated_at: terminated } = record;
    const answered = record.answered_at ?? 0;
    const times = [attempted, answered, terminated];
    t.ok(
      before - 50 <= attempted && attempted <= answered && answered < terminated && terminated <= after + 50,
      `${times} within ${before}–${after}`,
    );
    t.ok(Math.abs(answered - (result.answeredAt ?? 0)) < 1_000, 'answered when the phone was');
    t.ok(Math.abs(record.duration - (terminated - answered) / 1000) <= 1, `duration ${record.duration} s`);
  });

  await t.test('the timeline', async (t) => {
    const timeline = await ringwire.timeline(String(callSid));
    const kinds = new Set(timeline.map(({ kind }) => kind));
    for (const kind of ['call', 'routing', 'hook', 'verb', 'dtmf']) t.ok(kinds.has(kind), `has ${kind}`);
    const told = timeline.filter(({ data }) => data?.wire !== true);
    t.match(told[0], { kind: 'call', text: /INVITE/ });
    t.match(timeline[0], { kind: 'sip', text: /→ edge: INVITE sip:/ }, 'SIP messages come with it');
    t.ok(
      timeline.some(({ kind, data }) => kind === 'call' && data?.final === true),
      'has the end of the call',
    );
    const offsets = timeline.map(({ offset_ms }) => offset_ms);
    t.strictSame(
      offsets,
      [...offsets].sort((a, b) => a - b),
      'in the order in which it happened',
    );
    t.notOk(JSON.stringify(timeline).includes(secret), 'no secret is shown');
    t.notOk(
      timeline.some(({ level }) => level === 'error'),
      'no error',
    );
  });
});
