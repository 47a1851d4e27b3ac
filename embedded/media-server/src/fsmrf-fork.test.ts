import { goertzel, resample, rms, tone, toneShare } from '@ringwire/rtp';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t, { type Test } from 'tap';
import { AudioServer, type ForkSession } from './test-audio-server.js';
import {
  connectFsmrf,
  connectFsmrfToProcess,
  type Endpoint,
  type EslEvent,
  type ForkStart,
  type MediaServerClient,
} from './test-fsmrf.js';
import { chirp, comesRight, locate, PhoneMedia, wavFile } from './test-peer.js';

interface Call {
  ep: Endpoint;
  media: PhoneMedia;
}

async function call(t: Test, ms: MediaServerClient): Promise<Call> {
  const media = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({ remoteSdp: media.offer() });
  media.start(ep.local.sdp);
  return { ep, media };
}

interface CustomEvent {
  body: unknown;
  bugname: string;
}

/** The next event of mod_audio_fork of that name. */
function forkEvent(ep: Endpoint, name: string): Promise<CustomEvent> {
  return new Promise((resolve) => {
    const listener = (body: unknown, event: EslEvent): void => {
      ep.removeCustomEventListener(`mod_audio_fork::${name}`, listener);
      resolve({ body, bugname: event.getHeader('media-bugname') ?? '' });
    };
    ep.addCustomEventListener(`mod_audio_fork::${name}`, listener);
  });
}

/** Starts a fork and resolves when its server has it and the client knows. */
async function fork(ep: Endpoint, audio: AudioServer, options: Omit<ForkStart, 'wsUrl'>): Promise<ForkSession> {
  const [session, connected] = [audio.next(), forkEvent(ep, 'connect')];
  await ep.forkAudioStart({ wsUrl: audio.url, ...options });
  await connected;
  return session;
}

t.test('fsmrf: a fork gets metadata, the voice, texts, silence while paused, and a last text', async (t) => {
  const { ms } = await connectFsmrf(t);
  const { ep, media } = await call(t, ms);
  const audio = await AudioServer.start(t);
  const metadata = { callSid: 'a b', text: "it's | fine" };
  const session = await fork(ep, audio, {
    mixType: 'mono',
    sampling: '8000',
    bugname: 'ear',
    metadata,
  });
  await session.until(() => session.texts.length === 1);
  t.same(session.texts, [JSON.stringify(metadata)]);
  const said = chirp(1500);
  const isHeard = await comesRight(async () => {
    const from = session.length;
    media.say(said);
    await session.until(() => session.length > from + 8000 * 2);
    return locate(session.pcm.subarray(from), said).coefficient > 0.95;
  });
  t.ok(isHeard, 'the voice');

  await ep.forkAudioSendText('ear', { event: 'dtmf', dtmf: '1' });
  await ep.forkAudioSendText('ear', 'plain words');
  await session.until(() => session.texts.length === 3);
  t.same(session.texts.slice(1), ['{"event":"dtmf","dtmf":"1"}', 'plain words']);
  await t.rejects(ep.forkAudioSendText('nobody', 'x'), /Operation Failed/);

  media.say(tone(700, 30_000, -10));
  await session.until(() => toneShare(session.pcm.subarray(-1600), 700) > 0.9);
  await ep.forkAudioPause('ear', true);
  const silent = session.length + 1600;
  await session.until(() => session.length > silent + 3200);
  t.equal(rms(session.pcm, silent, silent + 3200), 0, 'silence');
  await ep.forkAudioPause('ear');
  await ep.forkAudioSendText('ear', 'blank');
  await session.until(() => session.texts.length === 4);
  const before = session.length;
  await media.hears(200);
  t.equal(session.length, before, 'nothing');
  await ep.forkAudioResume('ear');
  await session.until(() => session.length > before + 4000);
  t.ok(toneShare(session.pcm.subarray(-1600), 700) > 0.9, 'the voice again');

  await ep.forkAudioStop('ear', { bye: 'bye bye' });
  await session.until(() => session.isClosed);
  t.equal(session.texts[4], '{"bye":"bye bye"}');
  t.equal(session.texts.length, 5);
  t.equal(session.closeCode, 1000);
  await t.rejects(ep.forkAudioStop('ear'), /Operation Failed/);
});

t.test('fsmrf: a fork without a name, by callback, in stereo at 16 kHz', async (t) => {
  const { ms } = await connectFsmrf(t);
  const { ep, media } = await call(t, ms);
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  const error = await new Promise<Error | null>((resolve) => {
    t.equal(ep.forkAudioStart({ wsUrl: audio.url, mixType: 'stereo', sampling: '16000' }, resolve), ep);
  });
  t.equal(error, null);
  const session = await connected;
  media.say(tone(500, 30_000, -10));
  const playing = ep.play(await wavFile(t, tone(900, 1500, -10)));
  await session.until(() => session.length > 32000 * 1.2);
  const both = session.pcm.subarray(-16000);
  const [left, right] = [0, 1].map((which) => both.filter((_, i) => i % 2 === which));
  t.ok(toneShare(left!, 500, 16000) > 0.9, 'the caller is left');
  t.ok(toneShare(right!, 900, 16000) > 0.9, 'what it hears is right');
  t.same(session.texts, [], 'no metadata, no text');
  await ep.forkAudioPause();
  await ep.forkAudioSendText({ a: 1 });
  await ep.forkAudioResume();
  await ep.forkAudioStop({ b: 2 });
  await session.until(() => session.isClosed);
  t.same(session.texts, ['{"a":1}', '{"b":2}']);
  await playing;
});

t.test('fsmrf: what the server says becomes events; its file is played, killAudio ends that', async (t) => {
  const { ms } = await connectFsmrf(t);
  const { ep, media } = await call(t, ms);
  const session = await fork(ep, await AudioServer.start(t), { bugname: 'bot' });
  for (const type of ['transcription', 'transfer', 'error', 'disconnect']) {
    const event = forkEvent(ep, type);
    await ep.api('echo', 'subscribed');
    session.say({ type, data: { of: type } });
    t.same(await event, { body: { of: type }, bugname: 'bot' });
  }
  const json = forkEvent(ep, 'json');
  await ep.api('echo', 'subscribed');
  session.say({ anything: [1] });
  t.same((await json).body, { anything: [1] });

  const pcm = chirp(900, 16000);
  const event = forkEvent(ep, 'play_audio');
  await ep.api('echo', 'subscribed');
  session.say({
    type: 'playAudio',
    data: {
      audioContentType: 'raw',
      sampleRate: 16000,
      audioContent: Buffer.from(pcm.buffer).toString('base64'),
      id: 'x',
    },
  });
  const { file, id } = (await event).body as { file: string; id: string };
  t.equal(id, 'x');
  t.match(await ep.play(file), { playbackMilliseconds: '900' });
  t.ok(locate(media.heard, resample(pcm, 16000, 8000)).coefficient > 0.9);
  const killed = forkEvent(ep, 'kill_audio');
  const started = new Promise((resolve) => ep.once('playback-start', resolve));
  const playing = ep.play('silence_stream://60000');
  await started;
  session.say({ type: 'killAudio' });
  await Promise.all([killed, playing]);

  const left = forkEvent(ep, 'disconnect');
  await ep.api('echo', 'subscribed');
  session.socket.close();
  t.match(await left, { bugname: 'bot' });
});

t.test('fsmrf: streamed audio is heard, marks come back when it was, beside a second fork', async (t) => {
  const { ms } = await connectFsmrf(t);
  const { ep, media } = await call(t, ms);
  const audio = await AudioServer.start(t);
  const bidirectionalAudio = { enabled: 'true', streaming: 'true', sampleRate: '16000' };
  const session = await fork(ep, audio, { bugname: 'bot', sampling: '16000', bidirectionalAudio });
  const ear = await fork(ep, audio, { bugname: 'ear', mixType: 'mixed' });
  const spoken = chirp(1200, 16000);
  session.stream(spoken);
  session.say({ type: 'mark', data: { name: 'said' } });
  await session.until(() => session.texts.length === 1);
  t.same(JSON.parse(session.texts[0]!), { type: 'mark', data: { name: 'said', event: 'playout' } });
  await media.hears(100);
  t.ok(locate(media.heard, resample(spoken, 16000, 8000)).coefficient > 0.9, 'the caller hears it');
  await ear.until(() => ear.length > 8000 * 1.5);
  t.ok(locate(ear.pcm, resample(spoken, 16000, 8000)).coefficient > 0.9, 'so does the other fork');
  await ep.forkAudioStop('bot');
  await session.until(() => session.isClosed);
  t.notOk(ear.isClosed);
  const closed = new Promise<void>((resolve) => ear.socket.once('close', () => resolve()));
  await ep.destroy();
  await closed;
});

t.test('fsmrf: a server that is not there, or wants another password, is connect_failed', async (t) => {
  const { ms } = await connectFsmrf(t);
  const { ep } = await call(t, ms);
  const audio = await AudioServer.start(t, { credentials: 'me:secret' });
  const attempt = async (wsUrl: string, bugname: string): Promise<unknown> => {
    const failed = forkEvent(ep, 'connect_failed');
    await ep.forkAudioStart({ wsUrl, bugname });
    return (await failed).body;
  };
  t.match(await attempt('ws://127.0.0.1:1', 'a'), { reason: /ECONNREFUSED/ });
  t.match(await attempt(audio.url, 'b'), { reason: /401/ });
  await ep.set({ MOD_AUDIO_BASIC_AUTH_USERNAME: 'me', MOD_AUDIO_BASIC_AUTH_PASSWORD: 'wrong' });
  t.match(await attempt(audio.url, 'c'), { reason: /401/ });
  await ep.set({ MOD_AUDIO_BASIC_AUTH_PASSWORD: 'secret' });
  await fork(ep, audio, { bugname: 'd' });
  await t.rejects(ep.forkAudioStart({ wsUrl: 'mailto:me' }), /Operation Failed/);
});

/** The fork's server hears the caller. */
async function hears(t: Test, { media }: Call, session: ForkSession): Promise<void> {
  media.say(tone(700, 30_000, -10));
  await session.until(() => session.length > 1600 && toneShare(session.pcm.subarray(-1600), 700) > 0.9);
  t.ok(goertzel(session.pcm.subarray(-1600), 700) > 5000);
}

t.test('fsmrf, TLS: a self-signed certificate is refused, and taken when the channel allows it', async (t) => {
  const { ms } = await connectFsmrf(t);
  const one = await call(t, ms);
  const { ep } = one;
  const authority = makeAuthority(t);
  const certificates = [authority.selfSigned('audio.example'), authority.issue('audio.example')];
  const servers = await Promise.all(certificates.map((tls) => AudioServer.start(t, { tls, credentials: 'me:s' })));
  for (const [i, { url }] of servers.entries()) {
    const failed = forkEvent(ep, 'connect_failed');
    await ep.forkAudioStart({ wsUrl: url, bugname: `no-${i}` });
    t.match((await failed).body, { reason: /certificate/ }, 'nobody known vouches for it');
    t.equal(servers[i]!.sessions.length, 0);
  }
  await ep.set({
    MOD_AUDIO_FORK_ALLOW_SELFSIGNED: 'true',
    MOD_AUDIO_BASIC_AUTH_USERNAME: 'me',
    MOD_AUDIO_BASIC_AUTH_PASSWORD: 's',
    MOD_AUDIO_FORK_HEADERS: '{"X-Tenant":"seven"}',
  });
  for (const [i, audio] of servers.entries()) {
    const session = await fork(ep, audio, { bugname: `yes-${i}` });
    t.equal(session.request.headers['x-tenant'], 'seven');
    await hears(t, one, session);
  }
});

t.test('fsmrf, TLS: a certificate of a known authority is taken, for its own name only', async (t) => {
  const authority = makeAuthority(t);
  const ms = await connectFsmrfToProcess(t, { NODE_EXTRA_CA_CERTS: authority.caFile });
  const one = await call(t, ms);
  const { ep } = one;
  const credentials = 'me:s';
  const good = await AudioServer.start(t, { tls: authority.issue('audio.example'), credentials });
  const other = await AudioServer.start(t, { tls: authority.issue('other.example', '127.0.0.2'), credentials });
  await ep.set({
    MOD_AUDIO_BASIC_AUTH_USERNAME: 'me',
    MOD_AUDIO_BASIC_AUTH_PASSWORD: 's',
    MOD_AUDIO_FORK_HEADERS: '{"X-Tenant":"seven"}',
  });
  const session = await fork(ep, good, { bugname: 'good' });
  t.equal(session.request.headers['x-tenant'], 'seven');
  await hears(t, one, session);
  const failed = forkEvent(ep, 'connect_failed');
  await ep.forkAudioStart({ wsUrl: other.url, bugname: 'other' });
  t.match((await failed).body, { reason: /IP: 127.0.0.1 is not in the cert/ });
  await ep.set({ MOD_AUDIO_FORK_SKIP_SERVER_CERT_HOSTNAME_CHECK: 'true' });
  await hears(t, one, await fork(ep, other, { bugname: 'anyway' }));
});
