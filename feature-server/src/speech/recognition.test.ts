import { once } from 'node:events';
import { createServer } from 'node:net';
import { until } from '@ringwire/common/testing/until.js';
import { samplesSource } from '@ringwire/phone';
import { rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { startPlatform } from '../testing/platform-rig.js';
import { RecognitionServer } from '../testing/recognition-server.js';
import { SocketServer } from '../testing/socket-server.js';
import { noSphinx, spoken } from '../testing/spoken.js';

t.test('custom recognizer: gets the caller as jambonz sends it, and what it says is the outcome', async (t) => {
  const rig = await startPlatform(t);
  const stt = await RecognitionServer.start(t);
  const recognizer = {
    vendor: 'custom:mine',
    language: 'fr-FR',
    hints: ['oui', { phrase: 'non', boost: 5 }],
    hintsBoost: 10,
    customOptions: { uri: stt.url, authToken: 'sesame', sampleRate: 16000, options: { model: 'big' } },
  };
  rig.app.on('/hook', [
    { verb: 'gather', input: ['speech'], actionHook: '/menu', partialResultHook: '/partial', recognizer },
  ]);
  rig.app.on('/partial', {});
  rig.app.on('/menu', [{ verb: 'hangup' }]);
  const call = await rig.call({ play: tone(700, 10_000, -10) });
  const client = await stt.next();
  t.equal(client.authorization, 'Bearer sesame');
  await client.until(() => client.texts.length > 0);
  t.same(client.texts[0], {
    type: 'start',
    language: 'fr-FR',
    format: 'raw',
    encoding: 'LINEAR16',
    interimResults: true,
    sampleRateHz: 16000,
    options: { model: 'big', hints: recognizer.hints, hintsBoost: 10, callSid: 'call-1' },
  });
  await client.until(() => toneShare(client.samples.subarray(-3200), 700, 16000) > 0.9);
  client.hear('ou', { isFinal: false });
  t.match((await rig.app.next('/partial')).json, { speech: { is_final: false, alternatives: [{ transcript: 'ou' }] } });
  client.hear('oui', { confidence: 0.8 });
  t.match((await rig.app.next('/menu')).json, {
    reason: 'speechDetected',
    speech: {
      language_code: 'fr-FR',
      alternatives: [{ transcript: 'oui', confidence: 0.8 }],
      vendor: { name: 'custom:mine', evt: { type: 'transcription', channel: 1 } },
    },
  });
  await client.until(() => client.isClosed);
  t.match(client.texts.at(-1), { type: 'stop' });
  await call.finished;
});

t.test('custom recognizer: errors, nonsense, refusals and bad URLs are told to the action hook', async (t) => {
  const rig = await startPlatform(t);
  const stt = await RecognitionServer.start(t);
  const refusing = createServer((socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'));
  refusing.listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  t.teardown(() => refusing.close());
  const gather = (uri: string) => ({
    verb: 'gather',
    input: ['speech'],
    actionHook: '/menu',
    recognizer: { vendor: 'custom:mine', customOptions: { uri } },
  });
  const { port } = refusing.address() as { port: number };
  const uris = [stt.url, stt.url, stt.url, `ws://127.0.0.1:${port}`, 'ftp://127.0.0.1'];
  rig.app.on('/hook', uris.map(gather));
  rig.app.on('/menu', {});
  const call = await rig.call();
  const errorOf = async (): Promise<unknown> => {
    const { reason, details } = (await rig.app.next('/menu')).json as { reason: string; details: { error: string } };
    return reason === 'error' && details.error;
  };
  (await stt.next()).say({ type: 'error', error: 'no such language' });
  t.equal(await errorOf(), 'no such language');
  (await stt.next()).socket.send('what is this');
  t.match(await errorOf(), /no JSON/);
  (await stt.next()).socket.close();
  t.match(await errorOf(), /closed the connection/);
  t.match(await errorOf(), /answers 401/);
  t.match(await errorOf(), /no ws:\/\/ or wss:\/\/ URL/);
  await call.finished;
});

t.test('transcribe: each party of a call apart, until it is switched off', async (t) => {
  const rig = await startPlatform(t);
  const stt = await RecognitionServer.start(t);
  const recognizer = { vendor: 'custom:mine', customOptions: { uri: stt.url } };
  rig.app.on('/hook', [
    { verb: 'transcribe', transcriptionHook: '/heard', channel: 2, recognizer },
    { verb: 'play', url: 'tone_stream://%(60000,0,500)' },
  ]);
  rig.app.on('/heard', {});
  const call = await rig.call({ play: tone(700, 10_000, -10) });
  const client = await stt.next();
  await client.until(() => toneShare(client.samples.subarray(-1600), 500) > 0.9);
  t.ok(toneShare(client.samples.subarray(-1600), 700) < 0.05, 'the caller is not in it');
  // Nobody asked for it.
  client.hear('a t', { isFinal: false });
  client.hear('a tone');
  t.match((await rig.app.next('/heard')).json, {
    speech: { channel_tag: 2, is_final: true, alternatives: [{ transcript: 'a tone' }] },
  });
  rig.app.on('/heard', [{ verb: 'transcribe', enable: false }, { verb: 'hangup' }]);
  client.hear('enough');
  await client.until(() => client.isClosed);
  await call.finished;
});

t.test('transcribe inside listen: results are told while it listens, and answers replace nothing', async (t) => {
  const rig = await startPlatform(t);
  const [stt, audio] = [await RecognitionServer.start(t), await RecognitionServer.start(t)];
  const recognizer = { vendor: 'custom:mine', customOptions: { uri: stt.url } };
  rig.app.on('/hook', [
    {
      verb: 'listen',
      url: audio.url,
      actionHook: '/listened',
      transcribe: { transcriptionHook: '/heard', recognizer },
    },
  ]);
  rig.app.on('/heard', [{ verb: 'hangup' }]);
  rig.app.on('/listened', [{ verb: 'hangup' }]);
  const call = await rig.call({ play: tone(700, 10_000, -10) });
  const [client, listener] = await Promise.all([stt.next(), audio.next()]);
  await client.until(() => toneShare(client.samples.subarray(-1600), 700) > 0.9);
  client.hear('one');
  t.match((await rig.app.next('/heard')).json, { speech: { alternatives: [{ transcript: 'one' }] } });
  client.hear('two');
  t.match((await rig.app.next('/heard')).json, { speech: { alternatives: [{ transcript: 'two' }] } });
  listener.say({ type: 'disconnect' });
  await rig.app.next('/listened');
  await client.until(() => client.isClosed);
  await call.finished;
});

t.test('vad: with it the vendor is asked when somebody speaks, and gets what was said from the begin', async (t) => {
  const rig = await startPlatform(t);
  const stt = await RecognitionServer.start(t);
  const recognizer = { vendor: 'custom:mine', customOptions: { uri: stt.url }, vad: { enable: true, voiceMs: 200 } };
  rig.app.on('/hook', [{ verb: 'gather', input: ['speech'], timeout: 0, actionHook: '/menu', recognizer }]);
  rig.app.on('/menu', [{ verb: 'hangup' }]);
  const call = await rig.call({ play: tone([500, 900], 10_000, -15), sayAfterMs: 300 });
  const asked = await stt.next();
  await asked.until(() => asked.samples.length > 2400 && rms(asked.samples.subarray(-800)) > 300);
  t.ok(rms(asked.samples.subarray(0, 400)) < 100, 'also the silence before it');
  asked.hear('hello');
  t.match((await rig.app.next('/menu')).json, { reason: 'speechDetected' });
  await call.finished;
});

t.test(
  'pocketsphinx: hears words that hints name, and any others for a vendor without a key',
  { skip: noSphinx },
  async (t) => {
    const rig = await startPlatform(t);
    const gather = { verb: 'gather', input: ['speech'], timeout: 0, actionHook: '/menu' };
    const recognizer = { vendor: 'pocketsphinx', hints: ['yes', 'operator'] };
    rig.app.on('/hook', [
      { ...gather, recognizer },
      { ...gather, recognizer: { vendor: 'google' } },
    ]);
    rig.app.on('/menu', {});
    const call = await rig.call();
    const answerTo = async (word: string, place: number): Promise<Record<string, unknown>> => {
      const listens = () => rig.sink.lines.filter((line) => line.endsWith('pocketsphinx listens')).length === place;
      await until('the recognizer listens', listens);
      const answer = () => rig.app.seen('/menu')[place - 1];
      // A busy machine may lose a part of it: who is not understood says it again.
      for (let left = 8; left > 0 && !answer(); left--) await call.play(samplesSource(spoken(word)));
      return (await until(`what became of "${word}"`, answer)).json;
    };
    t.match(await answerTo('operator', 1), {
      reason: 'speechDetected',
      speech: { language_code: 'en-US', alternatives: [{ transcript: 'operator' }], vendor: { name: 'pocketsphinx' } },
    });
    t.match(await answerTo('operator', 2), {
      speech: { vendor: { name: 'pocketsphinx' }, alternatives: [{ transcript: /^[a-z' ]+$/, confidence: Number }] },
    });
    t.match(rig.sink.alerts, [{ alertType: 'no-stt', message: /google/ }]);
    await call.finished;
  },
);

t.test(
  'config.bargeIn: the first word drops what a WebSocket application queued, up to the end of barge-in',
  async (t) => {
    const rig = await startPlatform(t);
    const [stt, app] = [await RecognitionServer.start(t), await SocketServer.start()];
    t.teardown(() => app.stop());
    const recognizer = { vendor: 'custom:mine', customOptions: { uri: stt.url } };
    const silence = { verb: 'play', url: 'silence_stream://60000' };
    const call = await rig.call({ headers: { 'X-Jambonz-Call-Hook': `${app.url}/app` } });
    const socket = await app.next();
    socket.ack(await socket.next('session:new'), [
      { verb: 'config', notifyEvents: true, recognizer, bargeIn: { enable: true, actionHook: '/said' } },
      { ...silence, id: 'first' },
      { ...silence, id: 'never' },
      { verb: 'config', bargeIn: { enable: false } },
      { ...silence, id: 'second' },
    ]);
    const client = await stt.next();
    const status = async (id: string, event: string): Promise<void> => {
      for (;;) {
        const { data } = await socket.next('verb:status');
        if (data.id === 'never') throw new Error('a verb runs that was dropped');
        if (data.id === id && data.event === event) return;
      }
    };
    await status('first', 'start-playback');
    client.hear('wait', { isFinal: false });
    await status('first', 'finished');
    await status('second', 'start-playback');
    client.hear('wait a moment');
    const said = await socket.next('verb:hook');
    t.match(said, { hook: '/said', data: { speech: { alternatives: [{ transcript: 'wait a moment' }] } } });
    const { url } = silence;
    socket.ack(said, [
      { verb: 'gather', id: 'g', input: ['speech'], actionHook: '/menu', bargein: true, play: { url } },
    ]);
    const second = await stt.next();
    second.hear('stop', { isFinal: false });
    await status('g', 'speech-bargein-detected');
    second.say({ type: 'error', error: 'out of order' });
    t.match(await socket.next('jambonz:error'), {
      data: { msg: 'ASR error', details: 'custom:mine: out of order', failover: false, verb: 'gather' },
    });
    const menu = await socket.next('verb:hook');
    t.match(menu, { hook: '/menu', data: { speech: { alternatives: [{ transcript: 'stop' }] } } });
    socket.ack(menu, [{ verb: 'hangup' }]);
    await call.finished;
  },
);
