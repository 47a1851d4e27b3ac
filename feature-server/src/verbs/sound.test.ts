/** Verbs and commands that make sound, over a WebSocket application and with a real telephone. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from '@ringwire/common/testing/until.js';
import type { PhoneCall } from '@ringwire/phone';
import { correlate, readWavAt, rms, tone, toneShare, writeWav } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { isFreeSwitch, withoutFreeSwitch } from '../testing/engines.js';
import { startPlatform, webhookOf } from '../testing/platform-rig.js';
import { type ServerSocket, SocketServer } from '../testing/socket-server.js';

const LOW_HZ = 500;
const HIGH_HZ = 1_500;
/** What is judged of what was heard last: 300 ms. */
const WINDOW = 2_400;

interface Setup {
  call: PhoneCall;
  socket: ServerSocket;
}

const server = await SocketServer.start();
t.teardown(() => server.stop());
const rig = await startPlatform(t, {}, () => ({ callHook: webhookOf(`${server.url}/app`), callStatusHook: null }));
for (const [path, hz] of [
  ['/low.wav', LOW_HZ],
  ['/high.wav', HIGH_HZ],
] as const) {
  const wav = writeWav(tone(hz, 2_000), 8_000);
  rig.app.on(path, (response) => response.writeHead(200, { 'Content-Type': 'audio/wav' }).end(wav));
}
const low = `${rig.app.url}/low.wav`;
// mod_dub decodes MP3 only.
const lowOnTrack = isFreeSwitch ? await asMp3('/low.mp3', tone(LOW_HZ, 10_000)) : low;
const high = `${rig.app.url}/high.wav`;
let calls = 0;

async function asMp3(path: string, samples: Int16Array): Promise<string> {
  const encoder = spawn('ffmpeg', ['-v', 'error', '-i', 'pipe:0', '-f', 'mp3', 'pipe:1']);
  encoder.stdin.end(writeWav(samples, 8_000));
  const mp3 = Buffer.concat(await encoder.stdout.toArray());
  rig.app.on(path, (response) => response.writeHead(200, { 'Content-Type': 'audio/mpeg' }).end(mp3));
  return `${rig.app.url}${path}`;
}

/** A call that is answered, and whose application holds the socket. */
async function setUp(t: Test, verbs: unknown[]): Promise<Setup> {
  const calling = rig.call({ headers: { 'X-Call-Sid': `call-${++calls}` } });
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), verbs);
  const call = await calling;
  t.teardown(async () => {
    await call.hangup();
    await socket.closed;
  });
  await call.answered();
  return { call, socket };
}

/** Of a tone in what was heard last: its share, and how loud all of it is. */
function last(call: PhoneCall, hz: number): { share: number; level: number } {
  const heard = call.heardSoFar();
  if (heard.length < WINDOW) return { share: 0, level: 0 };
  const start = heard.length - WINDOW;
  return { share: toneShare(heard, hz, 8_000, start, heard.length), level: rms(heard, start, heard.length) };
}

async function hears(call: PhoneCall, hz: number): Promise<void> {
  await until(`${hz} Hz is heard`, () => last(call, hz).share > 0.2 && last(call, hz).level > 100);
}

async function hearsNothing(call: PhoneCall): Promise<void> {
  await until('silence', () => last(call, LOW_HZ).level < 20);
}

async function spokenAs(text: string): Promise<Int16Array> {
  const run = promisify(execFile);
  const { stdout } = await run('espeak-ng', ['--stdout', '-v', 'en-us', text], { encoding: 'buffer' });
  return readWavAt(stdout, 8_000);
}

function alertsSince(event: number): unknown[] {
  return rig.sink.events.slice(event).flatMap(({ type, data }) => (type === 'alert' ? [data] : []));
}

/** Resolves when a text was heard, with where in samples; looked for now and then only, since looking stops the phone, which runs in this process. */
async function hearsText(call: PhoneCall, text: string): Promise<number> {
  const meant = await spokenAs(text);
  const found = await until(`"${text}" is heard`, async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const heard = call.heardSoFar();
    const match = heard.length < meant.length ? undefined : correlate(heard, meant);
    return match && match.coefficient > 0.5 ? match : undefined;
  });
  return found.lag;
}

t.test('dub: tracks sound beside what the call plays, as commands and as verbs, each with its loudness', async (t) => {
  const { call, socket } = await setUp(t, [
    { verb: 'answer' },
    { verb: 'dub', action: 'addTrack', track: 'back ground', play: lowOnTrack, loop: true, gain: '-6 dB' },
    { verb: 'dub', action: 'removeTrack', track: 'nobody' },
    { verb: 'play', url: high, loop: 'forever' },
  ]);
  await until('both are heard', () => last(call, LOW_HZ).share > 0.1 && last(call, HIGH_HZ).share > 0.4);
  // mod_dub gives no reasons.
  const reason = isFreeSwitch ? /Operation Failed$/ : /no such track/;
  const complaint = rig.sink.lines.find((line) => line.startsWith('error media dub: removeTrack nobody: '));
  t.match(complaint, reason);
  socket.command('dub', { action: 'silenceTrack', track: 'back ground' });
  await until('the track is silent', () => last(call, LOW_HZ).share < 0.02 && last(call, HIGH_HZ).share > 0.9);
  socket.command('redirect', [{ verb: 'pause', length: 60 }]);
  await hearsNothing(call);
  socket.command('dub', { action: 'sayOnTrack', track: 'back ground', say: { text: 'This is said on a track.' } });
  await hearsText(call, 'This is said on a track.');
  socket.command('dub', { action: 'playOnTrack', track: 'gone', play: lowOnTrack });
  t.match((await socket.next('jambonz:error')).data, { msg: /dub/, details: reason });
});

t.test(
  'dub and play: sound that cannot be had is named with the reason, the rest of a list is heard',
  withoutFreeSwitch('only logs what it cannot play'),
  async (t) => {
    const missing = `${rig.app.url}/missing.wav`;
    const before = rig.sink.events.length;
    const { socket } = await setUp(t, [
      { verb: 'dub', action: 'addTrack', track: 'a', play: missing },
      { verb: 'dub', action: 'addTrack', track: 'b' },
      { verb: 'dub', action: 'playOnTrack', track: 'b', play: 'http://127.0.0.1:1/other.wav' },
      { verb: 'play', url: [missing, 'silence_stream://500'], loop: 2, actionHook: '/played' },
      { verb: 'pause', length: 60 },
    ]);
    const played = await socket.next('verb:hook');
    t.match(played.data, { reason: 'playCompleted', playback_seconds: 1, playback_milliseconds: 1000 });
    socket.ack(played);
    const isTold = (line: RegExp) => () => rig.sink.lines.some((text) => line.test(text));
    await until('the track is named', isTold(/^error media dub: .*missing\.wav: .*404/));
    await until('the other track is named', isTold(/^error media dub: .*other\.wav: /));
    const ofPlay = rig.sink.lines.filter((line) => /^warn media media server: .*missing\.wav: .*404/.test(line));
    t.equal(ofPlay.length, 1, 'once, however often it repeats');
    await until('an alert tells of both', () => alertsSince(before).length === 2);
    t.match(alertsSince(before), Array(2).fill({ alertType: 'play-url-notfound' }));
  },
);

t.test('boostAudioSignal: what the call plays becomes softer, by config and by a command', async (t) => {
  const { call, socket } = await setUp(t, [{ verb: 'play', url: low, loop: 'forever' }]);
  await until('nothing but the tone is heard', () => last(call, LOW_HZ).share > 0.98);
  const full = last(call, LOW_HZ).level;
  const isSofterBy = (db: number) => () =>
    Math.abs(20 * Math.log10(last(call, LOW_HZ).level / full) + db) < 1.5 && last(call, LOW_HZ).share > 0.8;
  socket.command('boostAudioSignal', '-12 dB');
  await until('it is 12 dB softer', isSofterBy(12));
  socket.command('redirect', [
    { verb: 'config', boostAudioSignal: -20 },
    { verb: 'play', url: low, loop: 'forever' },
  ]);
  await until('it is 20 dB softer', isSofterBy(20));
  socket.command('redirect', [
    { verb: 'config', boostAudioSignal: 'loud' },
    { verb: 'pause', length: 60 },
  ]);
  await until('what is no gain is named', () => rig.sink.lines.includes('warn verb config: "loud" is no gain in dB'));
});

t.test('dtmf: the caller gets the keys of the verb, and then those of commands in their order', async (t) => {
  const { call, socket } = await setUp(t, [
    { verb: 'dtmf', dtmf: '1w2#', duration: 120 },
    { verb: 'dtmf', dtmf: '1x2' },
    { verb: 'pause', length: 60 },
  ]);
  await until('the keys of the verb have come', () => call.digits === '12#');
  await until('what is no key is named', () => rig.sink.lines.includes('error dtmf dtmf: "x" is no key'));
  socket.command('dtmf', { digit: '4', duration: 100 });
  socket.command('dtmf', { digit: '5', duration: 100 });
  await until('the keys of the commands have come', () => call.digits === '12#45');
});

t.test(
  'say and play tell a WebSocket application what happens: synthesis, start, end, and a vendor that fails',
  async (t) => {
    const { socket } = await setUp(t, [
      { verb: 'config', notifyEvents: true },
      { verb: 'say', id: 's1', text: 'One.', synthesizer: { vendor: 'google', language: 'en-US', voice: 'x' } },
      { verb: 'say', text: 'One.' },
      { verb: 'play', id: 'p1', url: low, loop: 'forever' },
    ]);
    const seen: unknown[] = [];
    while (seen.length < 12) {
      const { type, data } = await socket.messages.take('message');
      if (type === 'verb:status' || type === 'jambonz:error') seen.push(data);
    }
    socket.command('redirect', [{ verb: 'hangup' }]);
    t.match(
      seen.filter((data) => (data as { msg?: string }).msg),
      [{ msg: 'TTS error', details: /google.*not configured/, failover: 'in progress', verb: 'say', id: 's1' }],
    );
    const status = seen.filter((data) => !(data as { msg?: string }).msg);
    t.match(status.slice(0, 6), [
      { event: 'finished', name: 'config' },
      { event: 'starting', name: 'say', id: 's1' },
      { event: 'synthesized-audio', verb: 'say', id: 's1', vendor: 'espeak', characters: 4, served_from_cache: false },
      { event: 'start-playback', verb: 'say', id: 's1' },
      { event: 'stop-playback', verb: 'say', id: 's1' },
      { event: 'finished', name: 'say', id: 's1' },
    ]);
    t.match(status[7], { event: 'synthesized-audio', served_from_cache: true });
    t.match(await nextStatus(socket, 'start-playback'), { verb: 'play', id: 'p1' });
    t.match(await nextStatus(socket, 'kill-playback'), { verb: 'play', id: 'p1' });
  },
);

async function nextStatus(socket: ServerSocket, event: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { data } = await socket.next('verb:status');
    if (data.event === event) return data;
  }
}

t.test(
  'stream: what the application sends is spoken in order, sentence by sentence, and its end is told',
  async (t) => {
    const { call, socket } = await setUp(t, [
      { verb: 'config', trackTtsPlayout: true, ttsStream: { enable: true } },
      { verb: 'answer' },
    ]);
    t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_open' });
    const tokens = ['The first sen', 'tence is short. ', 'The second sentence is a little long', 'er than it'];
    for (const [id, text] of tokens.entries()) {
      socket.command('tts:tokens', { id, tokens: text });
      t.same((await socket.next('tts:tokens-result')).data, { id, status: 'ok' });
    }
    socket.command('tts:tokens', { id: 'x' });
    t.same((await socket.next('tts:tokens-result')).data, { id: 'x', status: 'failed', reason: 'missing tokens' });
    socket.command('tts:flush');
    const first = await hearsText(call, 'The first sentence is short.');
    const second = await hearsText(call, 'The second sentence is a little longer than it');
    t.ok(first < second, `${first} before ${second}`);
    t.same((await socket.next('tts:streaming-event')).data, {
      event_type: 'tts_spoken',
      text: 'The first sentence is short. The second sentence is a little longer than it',
      bargein: false,
    });
    socket.command('redirect', [{ verb: 'config', ttsStream: { enable: false } }]);
    t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_closed' });
  },
);

t.test(
  'stream: a full buffer pauses, clear makes silence at once, and say stream ends with what was sent',
  async (t) => {
    const { call, socket } = await setUp(t, [
      { verb: 'say', stream: true },
      { verb: 'play', url: high },
    ]);
    t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_open' });
    const sentence = 'This is one of very many sentences that nobody wants to hear to their end. ';
    socket.command('tts:tokens', { id: 1, tokens: sentence.repeat(12) });
    t.match((await socket.next('tts:tokens-result')).data, { status: 'ok' });
    socket.command('tts:tokens', { id: 2, tokens: sentence.repeat(12) });
    t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_paused' });
    t.match((await socket.next('tts:tokens-result')).data, { id: 2, status: 'failed', reason: 'full' });
    await until('it speaks', () => last(call, LOW_HZ).level > 100);
    socket.command('tts:clear');
    await hearsNothing(call);
    socket.command('tts:tokens', { id: 3, tokens: 'Enough of that.' });
    socket.command('tts:flush');
    await hearsText(call, 'Enough of that.');
    t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_closed' });
    await hears(call, HIGH_HZ);
  },
);

t.test('autoStreamTts: a text is heard sentence by sentence', async (t) => {
  const { call } = await setUp(t, [
    { verb: 'config', autoStreamTts: true },
    { verb: 'say', text: 'Here is the first one. And here is the second one.' },
    { verb: 'pause', length: 60 },
  ]);
  t.ok((await hearsText(call, 'Here is the first one.')) < (await hearsText(call, 'And here is the second one.')));
  t.equal(rig.sink.lines.filter((line) => /speech espeak: (22|27) characters/.test(line)).length, 2);
});

t.test('the caller who presses a key while the stream speaks interrupts it, and the application is told', async (t) => {
  const { call, socket } = await setUp(t, [
    {
      verb: 'config',
      bargeIn: { enable: true, sticky: true, input: ['digits'], numDigits: 1, actionHook: '/key' },
      ttsStream: { enable: true },
    },
  ]);
  t.match((await socket.next('tts:streaming-event')).data, { event_type: 'stream_open' });
  socket.command('tts:tokens', {
    id: 1,
    tokens: 'This sentence goes on and on without any hope of an end soon. '.repeat(5),
  });
  await until('it speaks', () => last(call, LOW_HZ).level > 100);
  await call.sendDtmf('5');
  t.match((await socket.next('tts:streaming-event')).data, { event_type: 'user_interruption' });
  const asked = await socket.next('verb:hook');
  t.match(asked, { hook: '/key', data: { reason: 'dtmfDetected', digits: '5' } });
  socket.ack(asked);
  await hearsNothing(call);
});

t.test(
  'actionHookDelayAction: an application without verbs that sends none is waited for with words, until it does',
  async (t) => {
    const { call, socket } = await setUp(t, [
      {
        verb: 'config',
        actionHookDelayAction: {
          enabled: true,
          noResponseTimeout: 0.2,
          actions: [{ verb: 'play', url: low, loop: 'forever' }],
        },
      },
      { verb: 'answer' },
    ]);
    await hears(call, LOW_HZ);
    socket.command('redirect', [{ verb: 'play', url: high, loop: 'forever' }]);
    await until('only the new verbs are heard', () => last(call, HIGH_HZ).share > 0.97);
  },
);
