import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { samplesSource } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { espeakReference, hears, hearsTone, tonePeriods, wavFile } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

/** What is used of `@jambonz/node-client-ws`, which has no types. */
interface SocketSession {
  on(event: string, listener: (data: Record<string, unknown>) => void): void;
  gather(options: object): SocketSession;
  play(options: object): SocketSession;
  hangup(options: object): SocketSession;
  send(): void;
  reply(): void;
}
const { createEndpoint } = createRequire(import.meta.url)('@jambonz/node-client-ws') as {
  createEndpoint(options: object): (options: { path: string }) => {
    on(event: 'session:new', listener: (session: SocketSession) => void): void;
  };
};

const ringwire = await openPlatform(t);
const { application } = ringwire;

const TONE_MS = 600;
const LONG_TONE_MS = 8_000;
application.answer('/low.wav', { text: wavFile(tone(500, TONE_MS)), contentType: 'audio/wav' });
application.answer('/high.wav', { text: wavFile(tone(1500, TONE_MS)), contentType: 'audio/wav' });
application.answer('/long.wav', { text: wavFile(tone(500, LONG_TONE_MS)), contentType: 'audio/wav' });
const low = `${application.url}/low.wav`;
const high = `${application.url}/high.wav`;
const long = `${application.url}/long.wav`;

t.test('say: the caller hears what espeak-ng speaks, and the call ends with the verbs', async (t) => {
  const text = 'Welcome to the test of speech.';
  const { number, status } = await ringwire.lineWith(() => [{ verb: 'say', text }]);
  const call = await ringwire.call(number);
  const { coefficient } = await hears(call, await espeakReference(text));
  t.ok(coefficient > 0.9, `correlation ${coefficient}`);
  const { status: sipStatus, endedBy } = await call.finished;
  t.equal(sipStatus, 200);
  t.equal(endedBy, 'them');
  const last = await application.request(
    (request) => request.path === status && request.body.call_status === 'completed',
  );
  t.equal(last.body.call_termination_by, 'jambonz');
});

t.test('say: a list is spoken in order', async (t) => {
  const { number } = await ringwire.lineWith(() => [
    { verb: 'say', text: ['First sentence here.', 'Second one there.'] },
  ]);
  const call = await ringwire.call(number);
  const first = await hears(call, await espeakReference('First sentence here.'));
  const second = await hears(call, await espeakReference('Second one there.'));
  t.ok(first.lag < second.lag, `${first.lag} before ${second.lag}`);
  await call.finished;
});

t.test('play: a file is heard and its end is reported', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'play', url: low, actionHook: hook },
  ]);
  const call = await ringwire.call(number);
  const { body } = await application.request(hook);
  t.match(body, { reason: 'playCompleted', playback_seconds: Number, playback_milliseconds: Number }, 'payload', {});
  const { heard } = await call.finished;
  const [period] = tonePeriods(heard, 500);
  t.ok(period && Math.abs(period[1] - period[0] - TONE_MS) <= 60, `tone of ${period?.[0]}–${period?.[1]} ms`);
});

t.test('play: a list of files is played in order', async (t) => {
  const { number } = await ringwire.lineWith(() => [{ verb: 'play', url: [low, high] }]);
  const { heard } = await (await ringwire.call(number)).finished;
  t.ok((tonePeriods(heard, 500)[0]?.[0] ?? Infinity) < (tonePeriods(heard, 1500)[0]?.[0] ?? -1));
});

t.test('play: a missing file is reported and the next verb runs', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'play', url: `${application.url}/missing.wav`, actionHook: hook },
    { verb: 'play', url: low },
  ]);
  application.answer('/missing.wav', { status: 404, text: 'no such file' });
  const call = await ringwire.call(number);
  t.match((await application.request(hook)).body, { status: 'fail', reason: 'playFailed' });
  await hearsTone(call, 500);
  await call.finished;
});

t.test('pause: between two tones there is silence of that length', async (t) => {
  const { number } = await ringwire.lineWith(() => [
    { verb: 'play', url: low },
    { verb: 'pause', length: 1 },
    { verb: 'play', url: high },
  ]);
  const { heard } = await (await ringwire.call(number)).finished;
  const silenceMs = (tonePeriods(heard, 1500)[0]?.[0] ?? 0) - (tonePeriods(heard, 500)[0]?.[1] ?? 0);
  t.ok(silenceMs > 950 && silenceMs < 1_900, `silence of ${silenceMs} ms`);
});

const noSphinx =
  existsSync('/usr/share/pocketsphinx/model') || process.env.TEST_NO_SKIP
    ? false
    : 'needs pocketsphinx: apt-get install --no-install-recommends pocketsphinx pocketsphinx-en-us';

t.test('gather: a word that the application expects is recognized without a key', { skip: noSphinx }, async (t) => {
  const recognizer = { vendor: 'pocketsphinx', hints: ['operator', 'yes'] };
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['speech', 'digits'], timeout: 60, recognizer, actionHook: hook, play: { url: low } },
  ]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  const word = await espeakReference('operator');
  const said = new Int16Array(word.length + 8_000);
  said.set(word.map((sample) => sample >> 1));
  let body: object | undefined;
  const asked = application.request(hook).then((request) => {
    body = request.body;
  });
  // A busy machine may lose a part of it: who is not understood says it again.
  for (let left = 8; left > 0 && !body; left--) await call.play(samplesSource(said));
  await asked;
  t.match(body, { reason: 'speechDetected', speech: { is_final: true, alternatives: [{ transcript: 'operator' }] } });
  await call.hangup();
});

t.test('gather: numDigits ends it and the digits are reported', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['digits'], numDigits: 2, actionHook: hook, play: { url: low } },
  ]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  await call.sendDtmf('42');
  t.match((await application.request(hook)).body, { reason: 'dtmfDetected', digits: '42' });
  await call.finished;
});

t.test('gather: a digit during the prompt stops it and is collected', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['digits'], numDigits: 1, actionHook: hook, play: { url: long } },
  ]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  await call.sendDtmf('7');
  t.match((await application.request(hook)).body, { reason: 'dtmfDetected', digits: '7' });
  const { heard } = await call.finished;
  const [period] = tonePeriods(heard, 500);
  t.ok(period && period[1] - period[0] < LONG_TONE_MS / 2, `prompt heard for ${period && period[1] - period[0]} ms`);
});

t.test('gather: with dtmfBargein false the prompt goes on', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    {
      verb: 'gather',
      input: ['digits'],
      numDigits: 2,
      timeout: 3,
      dtmfBargein: false,
      listenDuringPrompt: false,
      actionHook: hook,
      play: { url: low },
    },
  ]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  await call.sendDtmf('1');
  await application.request(hook);
  const { heard } = await call.finished;
  const [period] = tonePeriods(heard, 500);
  t.ok(period && period[1] - period[0] >= TONE_MS - 60, 'the whole prompt is heard');
});

t.test('gather: finishOnKey ends it and is not among the digits', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['digits'], maxDigits: 10, finishOnKey: '#', actionHook: hook, play: { url: low } },
  ]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  await call.sendDtmf('907#');
  t.match((await application.request(hook)).body, { reason: 'dtmfDetected', digits: '907' });
  await call.finished;
});

t.test('gather: a pause between digits longer than interDigitTimeout ends it', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    {
      verb: 'gather',
      input: ['digits'],
      minDigits: 1,
      maxDigits: 10,
      interDigitTimeout: 1,
      timeout: 20,
      actionHook: hook,
    },
  ]);
  const call = await ringwire.call(number);
  await call.answered();
  await call.sendDtmf('35');
  t.match((await application.request(hook)).body, { reason: 'dtmfDetected', digits: '35' });
  await call.finished;
});

t.test('gather: silence is reported as timeout', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['digits'], numDigits: 1, timeout: 1, actionHook: hook, say: { text: 'Press a key.' } },
  ]);
  const call = await ringwire.call(number);
  t.match((await application.request(hook)).body, { reason: 'timeout' });
  await call.finished;
});

t.test('gather: the verbs of the action hook replace what was queued', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'gather', input: ['digits'], numDigits: 1, actionHook: hook },
    { verb: 'play', url: low },
  ]);
  application.answer(hook, [{ verb: 'play', url: high }]);
  const call = await ringwire.call(number);
  await call.answered();
  await call.sendDtmf('1');
  const { heard } = await call.finished;
  t.equal(tonePeriods(heard, 1500).length, 1);
  t.equal(tonePeriods(heard, 500).length, 0);
});

t.test('redirect: the hook is asked and its verbs run', async (t) => {
  const { number, action: hook } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'redirect', actionHook: hook },
  ]);
  application.answer(hook, [{ verb: 'play', url: high }]);
  const call = await ringwire.call(number);
  t.match((await application.request(hook)).body, { direction: 'inbound', from: '15550001111', to: number });
  const { heard } = await call.finished;
  t.equal(tonePeriods(heard, 1500).length, 1);
});

t.test('tag: its data comes with every later hook, inner keys as given', async (t) => {
  const {
    number,
    action: hook,
    status,
  } = await ringwire.lineWith(({ action: hook }) => [
    { verb: 'tag', data: { orderId: 'A-17', inner: { camelCase: true } } },
    { verb: 'redirect', actionHook: hook },
  ]);
  application.answer(hook, [{ verb: 'play', url: low }]);
  const call = await ringwire.call(number);
  const customerData = { orderId: 'A-17', inner: { camelCase: true } };
  t.match((await application.request(hook)).body.customer_data, customerData);
  await call.finished;
  const last = await application.request(({ path, body }) => path === status && body.call_status === 'completed');
  t.match(last.body.customer_data, customerData);
});

t.test('config: the synthesizer becomes the default of the session', async (t) => {
  const text = 'The weather is rather nice today.';
  const { number } = await ringwire.lineWith(() => [
    { verb: 'config', synthesizer: { vendor: 'espeak', language: 'en-GB', voice: 'en-gb-scotland' } },
    { verb: 'say', text },
  ]);
  const call = await ringwire.call(number);
  await hears(call, await espeakReference(text, 'en-gb-scotland'));
  await call.finished;
  t.pass('heard in the configured voice');
});

t.test('hangup: the caller gets a BYE with the headers given', async (t) => {
  const { number } = await ringwire.lineWith(() => [
    { verb: 'answer' },
    { verb: 'hangup', headers: { 'X-Why': 'closing time' } },
  ]);
  const { status, endedBy, endHeaders } = await (await ringwire.call(number)).finished;
  t.equal(status, 200);
  t.equal(endedBy, 'them');
  t.equal(endHeaders['x-why'], 'closing time');
});

t.test('sip:decline: the caller gets that status, reason and headers', async (t) => {
  const { number, status } = await ringwire.lineWith(() => [
    { verb: 'sip:decline', status: 486, reason: 'Line Busy', headers: { 'X-Hint': 'later' } },
  ]);
  const result = await (await ringwire.call(number)).finished;
  t.equal(result.status, 486);
  t.equal(result.reason, 'Line Busy');
  t.equal(result.endHeaders['x-hint'], 'later');
  t.ok(result.endHeaders['x-reason'], 'X-Reason says why');
  const last = await application.request(({ path, body }) => path === status && body.call_status !== 'trying');
  t.match(last.body, { call_status: 'failed', sip_status: 486 });
  t.match(await ringwire.record(result.sipCallId), { answered: false, sip_status: 486 });
});

t.test('verbs stored with the application run without asking a hook', async (t) => {
  const { number, call: hook } = await ringwire.specialLine({ appJson: [{ verb: 'play', url: low }] });
  const { heard, status } = await (await ringwire.call(number)).finished;
  t.equal(status, 200);
  t.equal(tonePeriods(heard, 500).length, 1);
  t.notOk(application.requests.some(({ path }) => path === hook));
});

t.test('verbs that end without answering decline the call with 603', async (t) => {
  const { number } = await ringwire.lineWith(() => [{ verb: 'pause', length: 0.2 }]);
  const { status } = await (await ringwire.call(number)).finished;
  t.equal(status, 603);
});

t.test('the caller hangs up during speech: completed, by the caller, once', async (t) => {
  const { number, status } = await ringwire.lineWith(() => [{ verb: 'play', url: long }]);
  const call = await ringwire.call(number);
  await hearsTone(call, 500);
  const { sipCallId } = await call.hangup();
  const last = await application.request(({ path, body }) => path === status && body.call_status === 'completed');
  t.match(last.body, { call_termination_by: 'caller', duration: Number });
  t.match(await ringwire.record(sipCallId), { answered: true, termination_reason: 'caller hungup' });
  t.strictSame(application.statuses(status), ['trying', 'in-progress', 'completed']);
});

t.test('the caller gives up before the answer: 487, no-answer', async (t) => {
  const { number, call: hook, status } = await ringwire.line(() => 'never');
  const call = await ringwire.call(number);
  await application.request(hook);
  const result = await call.hangup();
  t.equal(result.status, 487);
  t.equal(result.endedBy, 'cancelled');
  await application.request(({ path, body }) => path === status && body.call_status === 'no-answer');
  t.match(await ringwire.record(result.sipCallId), {
    answered: false,
    sip_status: 487,
    termination_reason: 'caller abandoned',
  });
});

t.test("an application behind a WebSocket: jambonz' client gathers keys, and hears of the end", async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const statuses: unknown[] = [];
  const closed = new Promise<unknown>((resolve) => {
    createEndpoint({ server })({ path: '/app' }).on('session:new', (session) => {
      session.on('call:status', ({ call_status }) => statuses.push(call_status));
      session.on('close', resolve);
      session.on('/keys', ({ digits }) =>
        session
          .play({ url: low })
          .hangup({ headers: { 'X-Keys': digits } })
          .reply(),
      );
      session.gather({ input: ['digits'], numDigits: 3, actionHook: '/keys', timeout: 30 }).send();
    });
  });
  const { port } = server.address() as AddressInfo;
  const { number, status } = await ringwire.specialLine({ callHook: `ws://127.0.0.1:${port}/app` });
  const call = await ringwire.call(number);
  await call.answered();
  await call.sendDtmf('159');
  const { heard, endHeaders } = await call.finished;
  t.equal(tonePeriods(heard, 500).length, 1);
  t.equal(endHeaders['x-keys'], '159');
  t.equal(await closed, 1000);
  t.strictSame(statuses, ['trying', 'in-progress', 'completed']);
  await application.request(({ path, body }) => path === status && body.call_status === 'completed');
  t.strictSame(application.statuses(status), statuses, 'its http status hook heard the same');
});

t.test("config.record: the call's record names its recording, which the API hands out", async (t) => {
  const { number } = await ringwire.lineWith(() => [
    { verb: 'config', record: { action: 'startCallRecording', type: 'cloud' } },
    { verb: 'play', url: low },
  ]);
  const call = await ringwire.call(number);
  const { sipCallId } = await call.finished;
  const { recording_url: path } = await eventually(
    'record with a recording',
    () => ringwire.record(sipCallId),
    (record) => typeof record.recording_url === 'string',
  );
  const { url, key } = ringwire.instance.api;
  const response = await fetch(new URL(`/v1${path}`, url), { headers: { authorization: `Bearer ${key}` } });
  t.equal(response.headers.get('content-type'), 'audio/wav');
  const both = new Int16Array((await response.arrayBuffer()).slice(44));
  const right = both.filter((_, index) => index % 2 === 1);
  t.equal(tonePeriods(right, 500).length, 1, 'what the caller heard is right');
});
