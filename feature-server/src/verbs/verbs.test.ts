import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { PlaybackNotFoundError, SynthesisError } from '../errors.js';
import { SpeechService } from '../speech/speech-service.js';
import { TtsCache } from '../speech/tts-cache.js';
import { FakeSynthesizer, silentLogger } from '../testing/fakes.js';
import { makeSession, statuses } from '../testing/session-rig.js';

t.test(
  'say: entries of a list are spoken in order, URLs are played as they are, and loops repeat the whole',
  async (t) => {
    const rig = await makeSession(t, [
      { verb: 'say', text: ['one', 'https://example.invalid/a.wav', ' ', 'silence_stream://500'], loop: 2 },
    ]);
    const running = rig.run();
    for (let round = 0; round < 2; round++) {
      const playback = await rig.media.endpoint.plays.take();
      t.match(playback.sources, [/\.wav$/, 'https://example.invalid/a.wav', 'silence_stream://500']);
      playback.finish();
    }
    await running;
    t.equal(rig.vendor.made, 1);
  },
);

t.test('say: when nobody can speak the call goes on with the next verb', async (t) => {
  const rig = await makeSession(t, [{ verb: 'say', text: 'x' }, { verb: 'hangup' }]);
  rig.vendor.failures = [new SynthesisError('out of breath'), new SynthesisError('still')];
  await rig.run();
  t.match(rig.sink.alerts, [{ alertType: 'tts-failure' }]);
  t.ok(rig.sink.lines.some((line) => line.startsWith('error verb say failed: nobody could speak')));
  await rig.leg.actions.take();
  t.match(await rig.leg.actions.take(), { sent: 'BYE' });
});

t.test('say: a vendor that is not configured is replaced by the default, with one warning and one alert', async (t) => {
  const voice = { vendor: 'google', language: 'en-GB', voice: 'en-GB-Wavenet-A' };
  const rig = await makeSession(t, [
    { verb: 'say', text: 'a', synthesizer: voice },
    { verb: 'say', text: 'b', synthesizer: voice },
  ]);
  rig.media.endpoint.playsInstantly = true;
  await rig.run();
  const request = await rig.vendor.requests.take();
  t.match(request, { vendor: 'espeak', language: 'en-GB' });
  t.equal(request.voice, undefined, "another vendor's voice is not asked for");
  t.equal(rig.sink.lines.filter((line) => line.startsWith('warn speech')).length, 1);
  t.match(rig.sink.alerts, [{ alertType: 'no-tts', message: /google/ }]);
  t.equal(rig.sink.alerts.length, 1);
});

t.test(
  'say: a vendor that fails gives way to its fallback for the whole text, which speaks on until another voice is chosen',
  async (t) => {
    const vendors = [new FakeSynthesizer('main'), new FakeSynthesizer('spare'), new FakeSynthesizer()] as const;
    const [main, spare] = vendors;
    const dir = await mkdtemp(join(tmpdir(), 'ringwire-say-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const cache = await TtsCache.open({ dir, maxBytes: 1_000_000, logger: silentLogger });
    const synthesizer = { vendor: 'main', language: 'en-US', fallbackVendor: 'spare', fallbackVoice: 'anna' };
    const rig = await makeSession(
      t,
      [
        { verb: 'config', synthesizer },
        { verb: 'say', text: ['one', 'two'], instructions: 'friendly' },
        { verb: 'say', text: 'three' },
        { verb: 'config', synthesizer },
        { verb: 'say', text: 'four' },
      ],
      { speech: new SpeechService({ vendors, defaultVendor: 'espeak', cache }) },
    );
    main.failures = [new SynthesisError('quota')];
    rig.media.endpoint.playsInstantly = true;
    await rig.run();
    const asked = async (vendor: FakeSynthesizer, count: number) =>
      Promise.all(Array.from({ length: count }, async () => (await vendor.requests.take()).text));
    t.same(await asked(main, 3), ['one', 'two', 'four'], 'the failed vendor is not asked for the third');
    // Both are synthesized at once: either may be the first that turns to the other vendor.
    const first = await spare.requests.take();
    t.match(first, { voice: 'anna', language: 'en-US' });
    const [second, third] = await asked(spare, 2);
    t.same([first.text, second].sort(), ['one', 'two']);
    t.equal(third, 'three');
    t.match(rig.sink.alerts, [{ alertType: 'tts-failure', message: /main: quota/ }]);
  },
);

t.test(
  'say and play: 0 and forever repeat until something else happens, and sources without sound do not take the process with them',
  async (t) => {
    const rig = await makeSession(t, [
      { verb: 'play', url: 'https://a.invalid/1.wav', loop: 0, timeoutSecs: '0.2' },
      { verb: 'say', text: 'silence_stream://1', loop: 'forever' },
    ]);
    rig.media.endpoint.playsInstantly = true;
    const running = rig.run();
    let rounds = 0;
    for (;;) {
      const { sources } = await rig.media.endpoint.plays.take();
      if (sources[0]?.startsWith('silence')) break;
      rounds += 1;
    }
    t.ok(rounds > 1 && rounds < 50, `${rounds} rounds of nothing in 200 ms`);
    rig.leg.end({ how: 'bye', headers: {} });
    await running;
  },
);

t.test('play: dots in a query do not look like the name of a kind of file', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'play', url: ['https://a.invalid/p?v=1.2&x=a.b', 'https://a.invalid/p?file=x.wav', 'https://a.invalid/p'] },
  ]);
  const running = rig.run();
  const { sources } = await rig.media.endpoint.plays.take();
  t.same(sources, ['https://a.invalid/p?v=1%2E2&x=a%2Eb', 'https://a.invalid/p?file=x.wav', 'https://a.invalid/p']);
  rig.leg.end({ how: 'bye', headers: {} });
  await running;
});

t.test('sip:decline and hangup: what no header may hold is not sent', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'sip:decline', status: 486, reason: 'no\r\nVia: x', headers: { 'X-A': 'a\r\nX-B: b', 'X C': 'c' } },
  ]);
  await rig.run();
  const { headers, ...rest } = (await rig.leg.actions.take()) as { headers: Record<string, string> };
  t.match(rest, { sent: 'final', status: 486, reason: 'no Via: x' });
  t.equal(headers['X-A'], 'a X-B: b');
  t.notOk('X C' in headers);
});

t.test('play: the action hook hears how it went and its answer replaces what waits', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'play',
      id: 'p1',
      url: ['https://a.invalid/1.wav', '/2.wav'],
      seekOffset: 800,
      loop: 2,
      actionHook: '/played',
    },
    { verb: 'say', text: 'never' },
  ]);
  rig.app.on('/played', [{ verb: 'hangup' }]);
  const running = rig.run();
  const first = await rig.media.endpoint.plays.take();
  t.same(first.sources, ['https://a.invalid/1.wav', `${rig.app.url}/2.wav`], 'relative URLs are resolved');
  t.equal(first.options.seekOffset, 800);
  first.finish();
  const second = await rig.media.endpoint.plays.take();
  t.equal(second.options.seekOffset, undefined, 'the offset counts for the first round');
  second.finish({ playbackSeconds: '3', playbackMilliseconds: '3200', playbackLastOffsetPos: '25600' });
  await running;
  t.match(rig.app.seen('/played')[0]?.json, {
    reason: 'playCompleted',
    // Of both rounds.
    playback_seconds: 4,
    playback_milliseconds: 4400,
    playback_last_offset_pos: '25600',
    verb_id: 'p1',
    call_sid: 'call-1',
    call_status: 'in-progress',
  });
  t.equal(rig.vendor.made, 0);
});

t.test('play: a missing file is told to the action hook and raises an alert', async (t) => {
  const rig = await makeSession(t, [{ verb: 'play', url: 'https://a.invalid/1.wav', actionHook: '/played' }]);
  rig.app.on('/played', {});
  const running = rig.run();
  (await rig.media.endpoint.plays.take()).fail(new PlaybackNotFoundError('not there'));
  await running;
  t.match(rig.app.seen('/played')[0]?.json, { status: 'fail', reason: 'playFailed' });
  t.match(rig.sink.alerts, [{ alertType: 'play-url-notfound' }]);
});

t.test('play: files of the media server are refused unless allowed', async (t) => {
  const refused = await makeSession(t, [{ verb: 'play', url: 'file:///etc/passwd', actionHook: '/played' }]);
  refused.app.on('/played', {});
  await refused.run();
  t.match(refused.app.seen('/played')[0]?.json, { reason: 'playFailed' });
  const allowed = await makeSession(t, [{ verb: 'play', url: 'ivr/hello.wav' }], {}, { allowFiles: true });
  const running = allowed.run();
  const playback = await allowed.media.endpoint.plays.take();
  t.same(playback.sources, ['ivr/hello.wav']);
  playback.finish();
  await running;
});

t.test('play: timeoutSecs ends it, which is a normal end', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'play', url: 'https://a.invalid/1.wav', loop: 'forever', timeoutSecs: 0.05, actionHook: '/played' },
  ]);
  rig.app.on('/played', {});
  await rig.run();
  t.match(rig.app.seen('/played')[0]?.json, { reason: 'playCompleted' });
});

t.test('gather: a digit stops the prompt and the digits go to the action hook', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'gather', id: 'g1', say: { text: 'press two keys' }, numDigits: 2, actionHook: '/menu' },
    { verb: 'say', text: 'never' },
  ]);
  rig.app.on('/menu', [{ verb: 'hangup' }]);
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  rig.media.endpoint.press('4');
  await prompt.done;
  t.ok(prompt.isStopped);
  rig.media.endpoint.press('2');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'dtmfDetected', digits: '42', verb_id: 'g1', call_sid: 'call-1' });
  t.ok(rig.sink.lines.some((line) => line.startsWith('info dtmf digit 4')));
});

t.test('gather: finishOnKey ends the input and is not part of it; digits by SIP INFO count too', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', finishOnKey: '#', timeout: 0, actionHook: '/menu' }]);
  rig.app.on('/menu', {});
  const running = rig.run();
  await rig.app.next('/status');
  await rig.app.next('/status');
  rig.media.endpoint.press('12');
  rig.leg.info('3');
  rig.leg.info('#');
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'dtmfDetected', digits: '123' });
});

t.test('gather: with dtmfBargein false the prompt plays on and digits are kept', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'gather', play: { url: 'https://a.invalid/p.wav' }, maxDigits: 2, dtmfBargein: false, actionHook: '/menu' },
  ]);
  rig.app.on('/menu', {});
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  rig.media.endpoint.press('1');
  t.notOk(prompt.isStopped);
  rig.media.endpoint.press('2');
  await running;
  t.ok(prompt.isStopped, 'when the digits are complete the prompt ends');
  t.match(rig.app.seen('/menu')[0]?.json, { digits: '12' });
});

t.test('gather: without listening during the prompt, digits before its end do not count', async (t) => {
  const rig = await makeSession(t, [
    {
      verb: 'gather',
      say: { text: 'listen' },
      maxDigits: 1,
      dtmfBargein: false,
      listenDuringPrompt: false,
      timeout: 0.05,
      actionHook: '/menu',
    },
  ]);
  rig.app.on('/menu', {});
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  rig.media.endpoint.press('1');
  prompt.finish();
  await running;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'timeout' });
});

t.test('gather: the timeout starts after the prompt, and silence is reported', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', say: { text: 'hm' }, timeout: 0.03, actionHook: '/menu' }]);
  rig.app.on('/menu', {});
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(rig.app.seen('/menu').length, 0, 'nothing is reported while the prompt plays');
  prompt.finish();
  await running;
  const payload = rig.app.seen('/menu')[0]?.json;
  t.equal(payload?.reason, 'timeout');
  t.notOk(payload && 'digits' in payload);
});

t.test('gather: a hang-up ends it without an action hook', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', say: { text: 'hm' }, actionHook: '/menu' }]);
  const running = rig.run();
  const prompt = await rig.media.endpoint.plays.take();
  rig.leg.end({ how: 'bye', headers: {} });
  await running;
  t.ok(prompt.isStopped);
  t.equal(rig.app.seen('/menu').length, 0);
});

t.test('gather: an action hook that fails raises an alert and the next verb runs', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'gather', timeout: 0.01, actionHook: '/menu' },
    { verb: 'say', text: 'next' },
  ]);
  rig.app.on('/menu', (response) => response.writeHead(500).end());
  rig.media.endpoint.playsInstantly = true;
  await rig.run();
  t.equal(rig.vendor.made, 1);
  t.match(rig.sink.alerts, [{ alertType: 'webhook-failure' }]);
});

t.test('gather: invalid verbs from the action hook are told to the status hook', async (t) => {
  const rig = await makeSession(t, [{ verb: 'gather', timeout: 0.01, actionHook: '/menu' }]);
  rig.app.on('/menu', [{ verb: 'sey' }]);
  await rig.run();
  t.same(statuses(rig), ['trying', 'in-progress', 'in-progress', 'completed']);
  t.match(rig.app.seen('/status')[2]?.json, { error: 'invalid actionHook response', reason: /sey/ });
});

t.test('alert: raises an alert of the application', async (t) => {
  const rig = await makeSession(t, [{ verb: 'alert', message: 'look here' }]);
  await rig.run();
  t.match(rig.sink.alerts, [{ alertType: 'alert-from-application', detail: 'look here', targetSid: 'call-1' }]);
});

t.test('what has no sense is named: rooms and queues without a name, no keys, numbers that do nothing', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', vad: { mode: 99, threshold: 0.5 } },
    { verb: 'conference', name: '', maxParticipants: -1 },
    { verb: 'enqueue', name: ' ' },
    { verb: 'dequeue', name: '' },
    { verb: 'dtmf', dtmf: ' - ' },
    { verb: 'dtmf', dtmf: 'w', duration: -3 },
    { verb: 'conference', name: 'room', maxParticipants: -1, endConferenceDuration: -5 },
  ]);
  await rig.run();
  for (const line of [
    'warn verb config: vad.mode must be 0 to 3, got 99',
    'error verb conference failed: "name" is empty',
    'error verb enqueue failed: "name" is empty',
    'error verb dequeue failed: "name" is empty',
    'error dtmf dtmf: there are no keys',
    'warn dtmf dtmf: -3 ms is too short for a key, each sounds 50 ms',
    'warn verb conference: maxParticipants -1 has no effect',
    'warn verb conference: endConferenceDuration -5 has no effect',
  ])
    t.ok(rig.sink.lines.includes(line), line);
});
