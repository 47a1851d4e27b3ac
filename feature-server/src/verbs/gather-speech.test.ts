import { until } from '@ringwire/common/testing/until.js';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { RecognitionError } from '../errors.js';
import { RecognitionService } from '../speech/recognition-service.js';
import { FakeRecognizer } from '../testing/fake-recognizer.js';
import { makeSession, type SessionRig } from '../testing/session-rig.js';

/** Nothing listens any more. */
function isDeaf({ media, recognizer }: SessionRig): boolean {
  const { streams } = media.endpoint.tap;
  return streams.every(({ isClosed }) => isClosed) && recognizer.closed === recognizer.listeners.length;
}

t.test('gather: what is said goes to the action hook, and nobody listens any more', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'gather',
      id: 'g1',
      input: ['speech'],
      actionHook: '/menu',
      recognizer: { vendor: 'google', hints: ['yes'] },
    },
  ]);
  rig.app.on('/menu', []);
  const running = rig.run();
  const order = await rig.recognizer.opened();
  t.same(order.settings.hints, ['yes']);
  rig.media.endpoint.tap.streams[0]?.hear(new Int16Array(800));
  await until('the sound goes to the vendor', () => rig.recognizer.written >= 800);
  rig.recognizer.hear('', { confidence: 0.5 });
  rig.recognizer.hear('yes please');
  await running;
  const payload = rig.app.seen('/menu')[0]?.json;
  t.match(payload, {
    reason: 'speechDetected',
    verb_id: 'g1',
    speech: {
      language_code: 'en-US',
      channel_tag: 1,
      is_final: true,
      alternatives: [{ transcript: 'yes please', confidence: 0.9 }],
      vendor: { name: 'google', evt: { raw: 'yes please' } },
    },
  });
  t.notOk(payload && 'stt_latency_ms' in payload);
  t.ok(isDeaf(rig));
});

t.test('gather: digits come before speech', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'gather', input: ['speech', 'digits'], numDigits: 2, actionHook: '/menu', say: { text: 'speak or press' } },
  ]);
  rig.app.on('/menu', []);
  const running = rig.run();
  await rig.recognizer.opened();
  const prompt = await rig.media.endpoint.plays.take();
  rig.recognizer.hear('one', { isFinal: false });
  rig.media.endpoint.press('1');
  await prompt.done;
  rig.recognizer.hear('one');
  rig.media.endpoint.press('2');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'dtmfDetected', digits: '12' });
  t.ok(isDeaf(rig));
});

t.test(
  'gather: so many words as asked for interrupt the prompt; interim results are told, and answers to them are left',
  async (t) => {
    const rig = await makeSession(t, [
      {
        verb: 'gather',
        input: ['speech'],
        bargein: true,
        minBargeinWordCount: 2,
        partialResultHook: '/partial',
        actionHook: '/menu',
        play: { url: 'https://a.invalid/prompt.wav' },
      },
    ]);
    rig.app.on('/menu', []);
    rig.app.on('/partial', [{ verb: 'hangup' }]);
    const running = rig.run();
    const order = await rig.recognizer.opened();
    t.ok(order.settings.interim, 'interim results are asked for');
    const prompt = await rig.media.endpoint.plays.take();
    rig.recognizer.hear('operator', { isFinal: false });
    rig.recognizer.hear('operator');
    t.notOk(prompt.isStopped, 'one word is not enough');
    rig.recognizer.hear('the operator', { isFinal: false });
    t.ok(prompt.isStopped);
    rig.recognizer.hear('the operator please');
    await running;
    t.match(rig.app.seen('/menu')[0]?.json, { speech: { alternatives: [{ transcript: 'the operator please' }] } });
    const partials = rig.app.seen('/partial').map(({ json }) => json.speech as Record<string, unknown>);
    t.match(partials, [
      { is_final: false, alternatives: [{ transcript: 'operator' }] },
      { alternatives: [{ transcript: 'the operator' }] },
    ]);
  },
);

t.test('gather: with minBargeinWordCount 0 the first sound interrupts the prompt', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'gather',
      input: ['speech'],
      bargein: true,
      minBargeinWordCount: 0,
      actionHook: '/menu',
      play: { url: 'https://a.invalid/prompt.wav' },
    },
  ]);
  rig.app.on('/menu', []);
  const running = rig.run();
  await rig.recognizer.opened();
  const prompt = await rig.media.endpoint.plays.take();
  const [stream] = rig.media.endpoint.tap.streams;
  stream?.hear(new Int16Array(4000));
  stream?.hear(tone([300, 700], 400, -20));
  await prompt.done;
  t.ok(prompt.isStopped);
  rig.recognizer.hear('hello');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'speechDetected' });
});

t.test('gather: without listening during the prompt the vendor is asked after it', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'gather',
      input: ['speech'],
      listenDuringPrompt: false,
      actionHook: '/menu',
      play: { url: 'https://a.invalid/prompt.wav' },
    },
  ]);
  rig.app.on('/menu', []);
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  t.equal(rig.recognizer.orders.length, 0);
  prompt.finish();
  await rig.recognizer.opened();
  rig.recognizer.hear('hello');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'speechDetected' });
});

t.test('gather: continuous recognition puts results together until silence, or the key', async (t) => {
  const verb = { verb: 'gather', input: ['speech'], timeout: 0, actionHook: '/menu' };
  const recognizer = { vendor: 'google', asrTimeout: 0.15, asrDtmfTerminationDigit: '#' };
  const rig = await makeSession(t, [
    { ...verb, recognizer },
    { ...verb, recognizer: { ...recognizer, asrTimeout: 60 } },
  ]);
  rig.app.on('/menu', {});
  const running = rig.run();
  await rig.recognizer.opened();
  rig.recognizer.hear('12', { confidence: 0.8 });
  rig.recognizer.hear('34', { confidence: 0.6 });
  rig.recognizer.hear('that is it', { confidence: 0.7 });
  t.match((await rig.app.next('/menu')).json, {
    reason: 'speechDetected',
    speech: {
      alternatives: [{ transcript: '1234 that is it', confidence: 0.7 }],
      vendor: { evt: [{ raw: '12' }, { raw: '34' }, { raw: 'that is it' }] },
    },
  });
  await rig.recognizer.opened();
  rig.recognizer.hear('my number is');
  rig.recognizer.hear('seven', { isFinal: false });
  rig.media.endpoint.press('#');
  await running;
  t.match(rig.app.seen('/menu')[1]?.json, { speech: { alternatives: [{ transcript: 'my number is seven' }] } });
});

t.test(
  'gather: a result that is not sure enough is told as such; an interim one that stays counts as final',
  async (t) => {
    const verb = { verb: 'gather', input: ['speech'], timeout: 0, actionHook: '/menu' };
    const rig = await makeSession(t, [
      { ...verb, recognizer: { vendor: 'google', minConfidence: 0.5 } },
      { ...verb, recognizer: { vendor: 'google', fastRecognitionTimeout: 0.05, interim: true } },
    ]);
    rig.app.on('/menu', {});
    const running = rig.run();
    await rig.recognizer.opened();
    rig.recognizer.hear('maybe', { confidence: 0.3 });
    t.match((await rig.app.next('/menu')).json, {
      reason: 'stt-low-confidence',
      speech: { alternatives: [{ transcript: 'maybe' }] },
    });
    await rig.recognizer.opened();
    rig.recognizer.hear('quick', { isFinal: false });
    await running;
    t.match(rig.app.seen('/menu')[1]?.json, {
      reason: 'speechDetected',
      speech: { is_final: true, alternatives: [{ transcript: 'quick' }] },
    });
  },
);

t.test('gather: time that is up waits for who speaks', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', notifySttLatency: true, vad: { voiceMs: 100 } },
    { verb: 'gather', input: ['speech'], timeout: 0.2, actionHook: '/menu' },
  ]);
  rig.app.on('/menu', []);
  const running = rig.run();
  await rig.recognizer.opened();
  const [stream] = rig.media.endpoint.tap.streams;
  stream?.hear(new Int16Array(1600));
  stream?.hear(tone([300, 700], 300, -20));
  stream?.hear(new Int16Array(4000));
  // Longer than the timeout: nobody could say that it was waited for otherwise.
  await new Promise((resolve) => setTimeout(resolve, 400));
  rig.recognizer.hear('late');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, {
    reason: 'speechDetected',
    speech: { alternatives: [{ transcript: 'late' }] },
    stt_latency_ms: /^\d+$/,
    stt_talkspurts: /^\[\[\d+,\d+\]\]$/,
    stt_start_time: /^2/,
    stt_stop_time: /^2/,
  });
});

t.test('gather: silence is a timeout', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', input: ['speech'], timeout: 0.03, actionHook: '/menu' }]);
  rig.app.on('/menu', []);
  await rig.run();
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'timeout' });
  t.ok(isDeaf(rig));
});

t.test('gather: a vendor that fails is replaced by the fallback, once', async (t) => {
  const [first, second] = [new FakeRecognizer('google'), new FakeRecognizer('aws')];
  const recognition = new RecognitionService({ vendors: [first, second], defaultVendor: 'google' });
  const recognizer = { vendor: 'google', fallbackVendor: 'aws', fallbackLanguage: 'en-GB' };
  const rig = await makeSession(
    t,
    [
      { verb: 'gather', input: ['speech'], actionHook: '/menu', recognizer },
      { verb: 'gather', input: ['speech'], actionHook: '/menu', recognizer },
    ],
    { recognition },
  );
  rig.app.on('/menu', {});
  first.failures = [new RecognitionError('no quota')];
  const running = rig.run();
  t.equal((await second.opened()).settings.language, 'en-GB');
  second.hear('hello');
  t.match((await rig.app.next('/menu')).json, {
    reason: 'speechDetected',
    speech: { language_code: 'en-GB', vendor: { name: 'aws' } },
  });
  await first.opened();
  rig.media.endpoint.tap.streams[1]?.hear(tone(300, 100));
  await until('the sound goes to the vendor', () => first.written > 0);
  first.say({ type: 'failed', reason: 'connection lost' });
  await second.opened();
  await until('what was said before goes to the fallback', () => second.written > 0);
  second.say({ type: 'failed', reason: 'me too' });
  await running;
  t.match(rig.app.seen('/menu')[1]?.json, { reason: 'error', details: { vendor: 'aws', error: 'me too' } });
  t.same(
    rig.sink.alerts.map(({ alertType, message }) => `${alertType} ${message}`),
    ['stt-failure google: no quota', 'stt-failure google: connection lost', 'stt-failure aws: me too'],
  );
  t.equal(first.closed + second.closed, 3);
});

t.test('gather: a vendor that is not configured is an error, or leaves the digits', async (t) => {
  const recognition = new RecognitionService({ vendors: [], defaultVendor: 'pocketsphinx' });
  const rig = await makeSession(
    t,
    [
      { verb: 'gather', input: ['speech'], actionHook: '/menu' },
      { verb: 'gather', input: ['speech', 'digits'], numDigits: 1, actionHook: '/menu' },
    ],
    { recognition },
  );
  rig.app.on('/menu', {});
  const running = rig.run();
  t.match((await rig.app.next('/menu')).json, {
    reason: 'error',
    details: { vendor: 'google', error: /not configured/ },
  });
  const goesOn = () => rig.sink.lines.some((line) => line.includes('digits are still taken'));
  await until('the gather goes on without speech', goesOn);
  rig.media.endpoint.press('7');
  await running;
  t.match(rig.app.seen('/menu')[1]?.json, { reason: 'dtmfDetected', digits: '7' });
  t.match(rig.sink.alerts, [{ alertType: 'no-stt' }]);
});

t.test('gather: a hang-up while somebody listens leaves nothing behind', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', input: ['speech'], actionHook: '/menu' }]);
  const running = rig.run();
  await rig.recognizer.opened();
  rig.leg.end({ how: 'bye', headers: {} });
  await running;
  t.ok(isDeaf(rig));
  t.equal(rig.app.seen('/menu').length, 0);
});
