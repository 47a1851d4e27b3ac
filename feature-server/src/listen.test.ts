import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AudioStream, createEndpoint, type Session } from '@jambonz/sdk/websocket';
import { AudioServer, type ForkSession } from '@ringwire/media-server/test-audio-server.js';
import { goertzel, rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { isFreeSwitch } from './testing/engines.js';
import { type PlatformRig, startPlatform } from './testing/platform-rig.js';

const CALLER_HZ = 500;
const PROMPT_HZ = 900;
const CLIP_HZ = 1300;
/** What the caller says, for longer than any of these calls lasts. */
const SPEECH = tone(CALLER_HZ, 60_000, -12);
const PROMPT = `tone_stream://L=-1;%(20000,0,${PROMPT_HZ})`;

// Server and client share this process and a busy machine.
const rig = await startPlatform(t, { WS_HANDSHAKE_TIMEOUT_MS: '30000', WS_ACK_TIMEOUT_MS: '30000' });
let calls = 0;

/** Calls while the application answers with these verbs. */
async function callWith(verbs: unknown[], options: Parameters<PlatformRig['call']>[0] = {}) {
  rig.app.on('/hook', verbs);
  calls += 1;
  const sid = `call-${calls}`;
  return { sid, phone: await rig.call({ play: SPEECH, headers: { 'X-Call-Sid': sid }, ...options }) };
}

/** The next request of a path that is about a call. */
async function toldOf(path: string, sid: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { json } = await rig.app.next(path);
    if (json.call_sid === sid) return json;
  }
}

/** Every second sample from the first, or second, on. */
const side = (pcm: Int16Array, which: 0 | 1): Int16Array => pcm.filter((_, index) => index % 2 === which);

/** Resolves when the last part of what came is the tone. */
async function hearsTone(session: ForkSession, hz: number, rateHz = 8000): Promise<void> {
  const samples = rateHz / 5;
  await session.until(() => session.length > samples && toneShare(session.pcm.subarray(-samples), hz, rateHz) > 0.9);
}

const json = (text: string | undefined): Record<string, unknown> => JSON.parse(text ?? '{}');

t.test(
  'listen: the server gets the call as metadata and the caller in mono, keys as texts, until finishOnKey',
  async (t) => {
    const audio = await AudioServer.start(t, { credentials: 'jane:s e:cret' });
    rig.app.on('/heard', [{ verb: 'hangup', headers: { 'X-Bye': 'heard' } }]);
    const connected = audio.next();
    const { sid, phone } = await callWith([
      {
        verb: 'listen',
        id: 'ear',
        url: audio.url.replace('ws:', 'http:'),
        wsAuth: { username: 'jane', password: 's e:cret' },
        metadata: { note: `it's "so" \${uuid}`, mixType: 'mine' },
        passDtmf: true,
        finishOnKey: '#',
        actionHook: '/heard',
      },
    ]);
    const session = await connected;
    await session.until(() => session.texts.length > 0);
    t.match(json(session.texts[0]), {
      sampleRate: 8000,
      mixType: 'mine',
      callSid: sid,
      direction: 'inbound',
      from: '15551234567',
      to: '15550100',
      callStatus: 'in-progress',
      sipStatus: 200,
      note: `it's "so" \${uuid}`,
    });
    await hearsTone(session, CALLER_HZ);
    await phone.sendDtmf('7#');
    const told = await toldOf('/heard', sid);
    t.match(told, { digits: '#', verb_id: 'ear' });
    t.type(told.dial_call_duration, 'number');
    t.match((await phone.finished).endHeaders, { 'x-bye': 'heard' });
    await session.until(() => session.isClosed);
    t.equal(session.closeCode, 1000);
    t.match(json(session.texts[1]), { event: 'dtmf', dtmf: '7', duration: /^\d+$/ });
    t.match(json(session.texts[2]), { event: 'dtmf', dtmf: '#' });
  },
);

t.test('listen: at 16 kHz, until maxLength; without an action hook the next verb follows', async (t) => {
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  const { phone } = await callWith([
    { verb: 'stream', url: audio.url, sampleRate: 16000, maxLength: 1, playBeep: true },
    { verb: 'hangup', headers: { 'X-Bye': 'next' } },
  ]);
  const session = await connected;
  await hearsTone(session, CALLER_HZ, 16000);
  const { endHeaders, heard } = await phone.finished;
  t.match(endHeaders, { 'x-bye': 'next' });
  await session.until(() => session.isClosed);
  const beep = Array.from({ length: heard.length / 400 }, (_, part) =>
    goertzel(heard, 1500, 8000, part * 400, (part + 1) * 400),
  );
  t.ok(beep.filter((amplitude) => amplitude > 1000).length >= 6, 'the beep was heard');
});

t.test(
  'listen: the background fork has the caller left and what it hears right, goes on over verbs, and ends when told',
  async (t) => {
    const [stereo, mixed] = [await AudioServer.start(t), await AudioServer.start(t)];
    const connected = [stereo.next(), mixed.next()];
    rig.app.on('/menu', [
      { verb: 'config', listen: { enable: true, url: mixed.url, mixType: 'mixed', sampleRate: 16000 } },
      { verb: 'gather', input: ['digits'], numDigits: 1, play: { url: PROMPT }, actionHook: '/menu2' },
    ]);
    rig.app.on('/menu2', [
      { verb: 'config', stream: { enable: false } },
      { verb: 'play', url: PROMPT },
    ]);
    const { phone } = await callWith([
      { verb: 'config', listen: { enable: true, url: stereo.url, mixType: 'stereo' } },
      { verb: 'gather', input: ['digits'], numDigits: 1, play: { url: PROMPT }, actionHook: '/menu' },
    ]);
    const first = await connected[0]!;
    await first.until(() => {
      const last = first.pcm.subarray(-3200);
      return toneShare(side(last, 0), CALLER_HZ) > 0.9 && toneShare(side(last, 1), PROMPT_HZ) > 0.9;
    });
    await phone.sendDtmf('1');
    const second = await connected[1]!;
    await first.until(() => first.isClosed);
    await second.until(() => {
      const last = second.pcm.subarray(-3200);
      return last.length === 3200 && toneShare(last, CALLER_HZ, 16000) > 0.3 && toneShare(last, PROMPT_HZ, 16000) > 0.3;
    });
    await phone.sendDtmf('1');
    await second.until(() => second.isClosed);
    t.equal((await phone.hangup()).endedBy, 'us', 'the call had gone on');
  },
);

t.test('listen: the caller hears playAudio, in its order, and the server hears when it was played', async (t) => {
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  const { phone } = await callWith([{ verb: 'listen', url: audio.url }, { verb: 'hangup' }]);
  const session = await connected;
  const clip = (id: string, hz: number, ms: number, queuePlay?: boolean) =>
    session.say({
      type: 'playAudio',
      data: {
        ...{ id, audioContentType: 'raw', sampleRate: 8000, ...(queuePlay && { queuePlay }) },
        audioContent: Buffer.from(tone(hz, ms, -10).buffer).toString('base64'),
      },
    });
  const done = () => session.texts.map(json).filter(({ type }) => type === 'playDone');
  clip('first', CLIP_HZ, 300);
  clip('second', PROMPT_HZ, 300, true);
  await session.until(() => done().length === 2);
  t.match(done(), [
    { data: { id: 'first', playbackMilliseconds: /^\d+$/ } },
    { data: { id: 'second', playbackMilliseconds: /^\d+$/ } },
  ]);
  clip('third', CLIP_HZ, 60_000);
  await heardBy(phone, CLIP_HZ);
  clip('waiting', PROMPT_HZ, 300, true);
  session.say({ type: 'killAudio' });
  await session.until(() => done().length === 3);
  t.match(done()[2], { data: { id: 'third' } });
  clip('fourth', CLIP_HZ, 60_000);
  await heardBy(phone, CLIP_HZ);
  clip('fifth', PROMPT_HZ, 300);
  await session.until(() => done().length === 5);
  t.match(done().slice(3), [{ data: { id: 'fourth' } }, { data: { id: 'fifth' } }]);
  session.say({ type: 'disconnect' });
  const { heard } = await phone.finished;
  const order = [CLIP_HZ, PROMPT_HZ].map((hz) => firstAt(heard, hz));
  t.ok(order[0]! >= 0 && order[0]! < order[1]!, `first ${order[0]}, second ${order[1]}`);
});

t.test('listen: audio that is streamed back is heard, and its marks are told', async (t) => {
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  const { phone } = await callWith([
    { verb: 'listen', url: audio.url, bidirectionalAudio: { enabled: true, streaming: true, sampleRate: 16000 } },
    { verb: 'hangup' },
  ]);
  const session = await connected;
  await session.until(() => session.texts.length > 0);
  session.stream(tone(CLIP_HZ, 400, -10, 16000));
  session.say({ type: 'mark', data: { name: 'said' } });
  await session.until(() => session.texts.length > 1);
  t.same(json(session.texts[1]), { type: 'mark', data: { name: 'said', event: 'playout' } });
  session.stream(tone(CLIP_HZ, 20_000, -10, 16000));
  session.say({ type: 'mark', data: { name: 'unsaid' } });
  session.say({ type: 'killAudio' });
  await session.until(() => session.texts.length > 2);
  t.same(json(session.texts[2]), { type: 'mark', data: { name: 'unsaid', event: 'cleared' } });
  session.socket.close();
  t.ok(firstAt((await phone.finished).heard, CLIP_HZ) >= 0);
});

t.test(
  'listen: a server that is not there, refuses, or may not be reached is alerted, and the call goes on',
  async (t) => {
    const guarded = await AudioServer.start(t, { credentials: 'jane:secret' });
    rig.app.on('/after', [{ verb: 'hangup', headers: { 'X-Bye': 'after' } }]);
    const faults: [Record<string, unknown>, RegExp][] = [
      [{ url: 'ws://127.0.0.1:1/none' }, /no connection to ws:\/\/127\.0\.0\.1:1/],
      [{ url: guarded.url, wsAuth: { username: 'jane', password: 'wrong' } }, /no connection/],
      [{ url: 'ftp://example.invalid/' }, /audio goes to ws, wss, http or https, not to ftp:/],
      [{ url: guarded.url, sampleRate: 11025 }, /sampleRate must be a multiple of 8000 up to 64000, not 11025/],
      [{ url: guarded.url, metadata: { much: 'x'.repeat(9000) } }, /metadata of an audio fork may have 8192 bytes/],
      [{ url: guarded.url, auth: { username: 'a', password: 'b\nc' } }, /password must not have control characters/],
    ];
    for (const [fault, reason] of faults) {
      const before = rig.sink.alerts.length;
      const { sid, phone } = await callWith([{ verb: 'listen', ...fault, actionHook: '/after' }]);
      t.match(await toldOf('/after', sid), { dial_call_duration: 0 });
      t.match((await phone.finished).endHeaders, { 'x-bye': 'after' });
      t.match(rig.sink.alerts.slice(before), [
        { alertType: /invalid-app-payload|webhook-connection-failure/, message: reason },
      ]);
    }
  },
);

t.test('listen: a server that goes away ends the verb; a caller who hangs up ends the connection', async (t) => {
  const audio = await AudioServer.start(t);
  rig.app.on('/after', [{ verb: 'listen', url: audio.url, actionHook: '/gone' }]);
  rig.app.on('/gone', []);
  let connected = audio.next();
  const { sid, phone } = await callWith([{ verb: 'listen', url: audio.url, actionHook: '/after' }]);
  const first = await connected;
  await hearsTone(first, CALLER_HZ);
  connected = audio.next();
  first.socket.terminate();
  t.notOk((await toldOf('/after', sid)).digits);
  const second = await connected;
  await hearsTone(second, CALLER_HZ);
  await phone.hangup();
  await second.until(() => second.isClosed);
  t.match(await toldOf('/gone', sid), { call_status: 'completed', dial_call_duration: Number });
});

t.test(
  '@jambonz/sdk: its audio server beside its WebSocket application, with pause, silence, resume and whisper',
  async (t) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    const makeService = createEndpoint({ server, logger: { info: () => {}, error: () => {}, debug: () => {} } });
    const sessions = new Once<Session>();
    makeService({ path: '/app' }).on('session:new', (session: Session) => {
      session.listen({ url: '/audio', sampleRate: 16000, passDtmf: true, actionHook: '/done' }).send();
      session.on('/done', () => session.hangup({ headers: { 'X-Bye': 'done' } }).reply());
      sessions.post(session);
    });
    const streams = new Once<AudioStream>();
    makeService.audio({ path: '/audio' }).on('connection', (stream: AudioStream) => streams.post(stream));
    const { port } = server.address() as AddressInfo;
    calls += 1;
    const headers = { 'X-Call-Sid': `call-${calls}`, 'X-Jambonz-Call-Hook': `ws://127.0.0.1:${port}/app` };
    const phone = await rig.call({ play: SPEECH, headers });
    const session = await sessions.take();
    const stream = await streams.take();
    t.match(stream.metadata, { callSid: `call-${calls}`, sampleRate: 16000, mixType: 'mono' });
    let last = new Int16Array();
    let frames = 0;
    stream.on('audio', (bytes: Buffer) => {
      last = new Int16Array(new Uint8Array(bytes).buffer);
      frames += 1;
    });
    const isTone = () => toneShare(last, CALLER_HZ, 16000) > 0.9;
    await until(isTone);
    // Public versions of mod_audio_fork know one kind of pause only.
    if (!isFreeSwitch) {
      session.injectCommand('listen:status', { listen_status: 'silence' });
      await until(() => last.every((sample) => sample === 0));
      session.injectListenStatus('resume');
      await until(isTone);
    }
    session.injectListenStatus('pause');
    await until(() => rig.sink.lines.some((line) => line === 'info media listen: pause'));
    // The key comes behind all that was sent before the pause.
    const pressed = new Promise<{ digit: string }>((resolve) => stream.on('dtmf', resolve));
    await phone.sendDtmf('5');
    t.equal((await pressed).digit, '5');
    const before = frames;
    session.injectWhisper({ verb: 'play', url: `tone_stream://%(2000,0,${PROMPT_HZ})` });
    await heardBy(phone, PROMPT_HZ);
    t.equal(frames, before, 'nothing is sent meanwhile');
    session.injectListenStatus('resume');
    await until(isTone);
    const played = new Promise<{ id?: string }>((resolve) => stream.on('playDone', resolve));
    stream.playAudio(Buffer.from(tone(CLIP_HZ, 200, -10, 16000).buffer).toString('base64'), { id: 'clip' });
    t.equal((await played).id, 'clip');
    stream.disconnect();
    t.equal((await phone.finished).endHeaders['x-bye'], 'done');
  },
);

t.test('nothing of these calls is left at the media server', async () => {
  await rig.server.drain();
  await until(async () => (await rig.media.held()).length === 0);
});

/** A value that comes once, however long that takes on a busy machine. */
class Once<T> {
  post: (value: T) => void = () => {};
  readonly #value = new Promise<T>((resolve) => {
    this.post = resolve;
  });

  take(): Promise<T> {
    return this.#value;
  }
}

/** Resolves when a phone hears a tone now. */
async function heardBy(phone: { heardSoFar(): Int16Array }, hz: number): Promise<void> {
  await until(() => toneShare(phone.heardSoFar().subarray(-800), hz) > 0.9);
}

/** The first part of 50 ms, by its number, that is a tone; -1 where none is. */
function firstAt(heard: Int16Array, hz: number): number {
  for (let part = 0; (part + 1) * 400 <= heard.length; part++) {
    const piece = heard.subarray(part * 400, (part + 1) * 400);
    if (rms(piece) > 1000 && toneShare(piece, hz) > 0.8) return part;
  }
  return -1;
}

/** Looks again until it is so; fails after twenty seconds. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + 20_000; Date.now() < giveUpAt; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come about within 20 s');
}
