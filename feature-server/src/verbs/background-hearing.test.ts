import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { makeSession } from '../testing/session-rig.js';

t.test(
  'config.bargeIn: what is said while a verb runs goes to its hook, whose verbs take the place of all others',
  async (t) => {
    const rig = await makeSession(t, [
      { verb: 'config', bargeIn: { enable: true, sticky: true, actionHook: '/said' } },
      { verb: 'play', url: 'https://a.invalid/long.wav' },
      { verb: 'say', text: 'never' },
    ]);
    rig.app.on('/said', [{ verb: 'play', url: 'https://a.invalid/second.wav' }, { verb: 'hangup' }]);
    const running = rig.run();
    await rig.recognizer.opened();
    const first = await rig.media.endpoint.plays.take();
    rig.recognizer.hear('operator');
    t.match((await rig.app.next('/said')).json, { reason: 'speechDetected', speech: { is_final: true } });
    await first.done;
    t.ok(first.isStopped);
    const second = await rig.media.endpoint.plays.take();
    t.same(second.sources, ['https://a.invalid/second.wav']);
    await rig.recognizer.opened();
    t.pass('it listens again, for it is sticky');
    second.finish();
    await running;
    t.ok(rig.media.endpoint.tap.streams.every(({ isClosed }) => isClosed));
  },
);

t.test('config.bargeIn: without sticky it hears once, and it can be switched off', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', bargeIn: { enable: true, actionHook: '/said', input: ['speech', 'digits'], numDigits: 1 } },
    { verb: 'play', url: 'https://a.invalid/1.wav' },
    { verb: 'config', bargeIn: { enable: true } },
    { verb: 'config', bargeIn: { enable: false } },
    { verb: 'play', url: 'https://a.invalid/2.wav' },
  ]);
  rig.app.on('/said', {});
  const running = rig.run();
  const first = await rig.media.endpoint.plays.take();
  await rig.recognizer.opened();
  rig.media.endpoint.press('5');
  t.match((await rig.app.next('/said')).json, { reason: 'dtmfDetected', digits: '5' });
  t.notOk(first.isStopped, 'an answer without verbs changes nothing');
  first.finish();
  const second = await rig.media.endpoint.plays.take();
  t.ok(rig.media.endpoint.tap.streams.every(({ isClosed }) => isClosed));
  second.finish();
  await running;
});

t.test('config.bargeIn: a call whose verbs are done waits for what its hook answers', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', bargeIn: { enable: true, actionHook: '/said' } },
    { verb: 'play', url: 'https://a.invalid/1.wav' },
  ]);
  let answer = (): void => {};
  rig.app.on('/said', (response) => {
    const verbs = JSON.stringify([{ verb: 'play', url: 'https://a.invalid/2.wav' }]);
    answer = () => response.writeHead(200, { 'Content-Type': 'application/json' }).end(verbs);
  });
  const running = rig.run();
  const first = await rig.media.endpoint.plays.take();
  await rig.recognizer.opened();
  rig.recognizer.hear('goodbye');
  await rig.app.next('/said');
  first.finish();
  await until('the verb is done', () => rig.sink.lines.some((line) => /play done/.test(line)));
  answer();
  (await rig.media.endpoint.plays.take()).finish();
  await running;
});

t.test('config.bargeIn: a gather in front has the caller for itself', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', bargeIn: { enable: true, actionHook: '/said' } },
    { verb: 'gather', input: ['speech'], actionHook: '/menu' },
    { verb: 'play', url: 'https://a.invalid/1.wav' },
  ]);
  rig.app.on('/menu', {});
  rig.app.on('/said', [{ verb: 'hangup' }]);
  const running = rig.run();
  // The one in the background may have been sent away before its vendor was asked.
  const listening = () => rig.recognizer.listeners.length - rig.recognizer.closed;
  await until('the gather listens alone', () => listening() === 1 && rig.media.endpoint.tap.streams.length >= 2);
  rig.recognizer.hear('for the gather');
  t.match((await rig.app.next('/menu')).json, { speech: { alternatives: [{ transcript: 'for the gather' }] } });
  await rig.media.endpoint.plays.take();
  await until('the background listens again', () => listening() === 1);
  rig.recognizer.hear('for the background');
  await running;
  t.match(rig.app.seen('/said')[0]?.json, { speech: { alternatives: [{ transcript: 'for the background' }] } });
});

t.test('transcribe: every result goes to the hook while the verbs after it run', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'transcribe', id: 't1', transcriptionHook: '/heard', recognizer: { vendor: 'google', interim: true } },
    { verb: 'play', url: 'https://a.invalid/1.wav' },
    { verb: 'say', text: 'never' },
  ]);
  rig.app.on('/heard', {});
  const running = rig.run();
  await rig.recognizer.opened();
  await rig.media.endpoint.plays.take();
  rig.recognizer.hear('good', { isFinal: false });
  rig.recognizer.hear('good morning');
  rig.recognizer.say({ type: 'vendor-event', event: { type: 'end-of-turn' } });
  t.match((await rig.app.next('/heard')).json, { verb_id: 't1', speech: { is_final: false, channel_tag: 1 } });
  t.match((await rig.app.next('/heard')).json, {
    speech: { is_final: true, alternatives: [{ transcript: 'good morning' }] },
  });
  t.match((await rig.app.next('/heard')).json, { speech_event: { type: 'end-of-turn' } });
  const [stream] = rig.media.endpoint.tap.streams;
  for (const status of ['pause', 'silence', 'resume'] as const) {
    t.same(await rig.session.execute({ command: 'transcribe:status', status }), { ok: true });
  }
  t.same(stream?.told, ['pause', 'silence', 'resume']);
  rig.app.on('/heard', [{ verb: 'hangup' }]);
  rig.recognizer.hear('stop');
  await running;
  t.ok(stream?.isClosed);
  t.match(await rig.session.execute({ command: 'transcribe:status', status: 'pause' }), { ok: false });
});

t.test('transcribe: as the last verb it keeps the call up, and ends with its vendor', async (t) => {
  const rig = await makeSession(t, [{ verb: 'transcribe', transcriptionHook: '/heard' }]);
  const running = rig.run();
  await rig.recognizer.opened();
  rig.recognizer.say({ type: 'failed', reason: 'gone' });
  await running;
  t.match(rig.sink.alerts, [{ alertType: 'stt-failure' }]);
  t.ok(rig.media.endpoint.tap.streams.every(({ isClosed }) => isClosed));
});

t.test('config.transcribe: begins and ends it; channel 2 is the other party', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', transcribe: { enable: true, transcriptionHook: '/heard', channel: 2 } },
    { verb: 'play', url: 'https://a.invalid/1.wav' },
    { verb: 'config', transcribe: { enable: false } },
    { verb: 'play', url: 'https://a.invalid/2.wav' },
  ]);
  rig.app.on('/heard', {});
  const running = rig.run();
  await rig.recognizer.opened();
  const first = await rig.media.endpoint.plays.take();
  t.equal(rig.media.endpoint.tap.streams[0]?.channels, 2);
  rig.recognizer.hear('from the other side');
  t.match((await rig.app.next('/heard')).json, { speech: { channel_tag: 2 } });
  first.finish();
  const second = await rig.media.endpoint.plays.take();
  t.ok(rig.media.endpoint.tap.streams[0]?.isClosed);
  second.finish();
  await running;
});
