import t, { type Test } from 'tap';
import type { AudioFork, ForkControl, ForkEvent, ForkOptions } from '../../media/forks.js';
import { Channel, FakeEndpoint, type FakePlayback } from '../../testing/fakes.js';
import { makeSession } from '../../testing/session-rig.js';
import { type AudioClip, PlayAudio } from './play-audio.js';

/** One fork, which says what it was told. */
class FakeForks implements ForkControl {
  readonly told = new Channel<string>();
  readonly started = new Channel<{ options: ForkOptions; say: (event: ForkEvent) => void }>();

  async start(options: ForkOptions, say: (event: ForkEvent) => void): Promise<AudioFork> {
    this.started.post({ options, say });
    const tell = async (what: string): Promise<void> => this.told.post(what);
    return {
      name: 'fork',
      sendText: (data) => tell(JSON.stringify(data)),
      pause: (how) => tell(how),
      resume: () => tell('resume'),
      stopPlay: () => tell('stopPlay'),
      stop: () => tell('stop'),
    };
  }
}

async function listeningCall(t: Test, verbs: unknown[]) {
  const forks = new FakeForks();
  const endpoint = Object.assign(new FakeEndpoint(), { forks });
  const mediaServer = { available: true, createEndpoint: async () => endpoint };
  const rig = await makeSession(t, verbs, { mediaServer });
  return { rig, forks, endpoint, running: rig.run() };
}

t.test('listen:status pauses, silences and resumes the listen that runs, and fails without one', async (t) => {
  const { rig, forks, running } = await listeningCall(t, [
    { verb: 'listen', url: '/audio', maxLength: 0 },
    { verb: 'gather', input: ['digits'], actionHook: '/x' },
  ]);
  const { options, say } = await forks.started.take();
  t.equal(options.url, `${rig.app.url.replace('http', 'ws')}/audio`, "relative to the application's address");
  t.same(options.bidirectional, { streaming: false, sampleRate: 8000 });
  say({ event: 'connect' });
  for (const status of ['silence', 'pause', 'resume'] as const) {
    t.same(await rig.session.execute({ command: 'listen:status', status }), { ok: true });
    t.equal(await forks.told.take(), status);
  }
  say({ event: 'disconnect' });
  t.equal(await forks.told.take(), 'stop');
  for (let result = await status(); result.ok; ) result = await status();
  t.match(await status(), { ok: false, because: 'wrong state', reason: 'no listen is running' });
  rig.session.hangup('enough');
  await running;

  async function status() {
    return rig.session.execute({ command: 'listen:status', status: 'pause' });
  }
});

t.test('a background listen takes listen:status, too, and its end may replace the verbs', async (t) => {
  const { rig, forks, running } = await listeningCall(t, [
    { verb: 'config', listen: { enable: true, url: 'wss://audio.invalid/x', actionHook: '/gone' } },
    { verb: 'gather', input: ['digits'], actionHook: '/x' },
  ]);
  rig.app.on('/gone', [{ verb: 'hangup', headers: { 'X-Bye': 'gone' } }]);
  const { say } = await forks.started.take();
  say({ event: 'connect' });
  t.same(await rig.session.execute({ command: 'listen:status', status: 'silence' }), { ok: true });
  say({ event: 'error', data: { reason: 'full' } });
  await running;
  t.match(rig.app.seen('/gone')[0]?.json, { dial_call_duration: 0 });
  t.ok(rig.sink.lines.some((line) => line.startsWith('warn media listen: the server reports an error')));
});

t.test('playAudio of a background listen waits until what a verb plays has ended, and does not cut it', async (t) => {
  const { rig, forks, endpoint, running } = await listeningCall(t, [
    { verb: 'config', listen: { enable: true, url: 'wss://audio.invalid/x' } },
    { verb: 'play', url: 'silence_stream://1' },
    { verb: 'play', url: 'silence_stream://2' },
    { verb: 'gather', input: ['digits'], actionHook: '/x' },
  ]);
  const { say } = await forks.started.take();
  const first: FakePlayback = await endpoint.plays.take();
  say({ event: 'play_audio', file: '/replaced', id: 'a', isQueued: false });
  say({ event: 'play_audio', file: '/clip', id: 'b', isQueued: false });
  t.same(JSON.parse(await forks.told.take()), { type: 'playDone', data: { id: 'a' } });
  t.notOk(first.isStopped, 'the verb plays on');
  t.equal(endpoint.plays.size, 0);
  first.finish();
  const [one, other] = [await endpoint.plays.take(), endpoint.plays.size];
  t.equal(other, 0, 'one at a time');
  const isClip = one.sources[0] === '/clip';
  if (!isClip) one.finish();
  const clip = isClip ? one : await endpoint.plays.take();
  t.same(clip.sources, ['/clip']);
  say({ event: 'kill_audio' });
  t.match(JSON.parse(await forks.told.take()), { type: 'playDone', data: { id: 'b' } });
  t.ok(clip.isStopped);
  if (isClip) (await endpoint.plays.take()).finish();
  rig.session.hangup('enough');
  await running;
});

t.test('a listen with transcribe tells its hook what is said until it ends', async (t) => {
  const { rig, forks, endpoint, running } = await listeningCall(t, [
    { verb: 'listen', url: 'ws://audio.invalid', transcribe: { transcriptionHook: '/said' } },
    { verb: 'gather', input: ['digits'], actionHook: '/x' },
  ]);
  rig.app.on('/said', [{ verb: 'hangup' }]);
  const { say } = await forks.started.take();
  await rig.recognizer.opened();
  rig.recognizer.hear('good morning');
  t.match((await rig.app.next('/said')).json, { speech: { alternatives: [{ transcript: 'good morning' }] } });
  t.notOk(endpoint.tap.streams[0]?.isClosed);
  say({ event: 'disconnect' });
  t.equal(await forks.told.take(), 'stop', 'what the hook answered changed nothing');
  await rig.session.execute({ command: 'hangup', reason: 'enough' });
  await running;
  t.ok(endpoint.tap.streams[0]?.isClosed);
  t.equal(endpoint.tap.streams.length, 1, 'one transcription');
  t.equal(rig.app.seen('/said').length, 1, 'told once');
});

t.test('a listen whose transcribe is not enabled transcribes nothing', async (t) => {
  const { rig, forks, endpoint, running } = await listeningCall(t, [
    { verb: 'listen', url: 'ws://audio.invalid', transcribe: { enable: false, transcriptionHook: '/said' } },
  ]);
  const { say } = await forks.started.take();
  say({ event: 'connect' });
  await rig.session.execute({ command: 'listen:status', status: 'silence' });
  rig.session.hangup('enough');
  await running;
  t.equal(endpoint.tap.streams.length, 0);
});

t.test('an alert that tells of no connection names no password of the URL', async (t) => {
  const { rig, forks, running } = await listeningCall(t, [{ verb: 'listen', url: 'ws://me:hidden@audio.invalid' }]);
  const { say } = await forks.started.take();
  say({ event: 'connect_failed', reason: 'refused' });
  await running;
  const [alert] = rig.sink.alerts;
  t.match(alert?.message, /no connection to .*audio\.invalid/);
  t.notMatch(alert?.message, /hidden/);
});

t.test('whisper is heard by the caller of a listen, which goes on', async (t) => {
  const { rig, forks, endpoint, running } = await listeningCall(t, [{ verb: 'listen', url: 'ws://audio.invalid' }]);
  const { say } = await forks.started.take();
  say({ event: 'connect' });
  const verbs = [{ verb: 'play' as const, url: 'silence_stream://100' }];
  for (let i = 0; i < 8; i++) t.same(await rig.session.execute({ command: 'whisper', verbs }), { ok: true });
  t.match(await rig.session.execute({ command: 'whisper', verbs }), { ok: false, reason: 'too many whispers at once' });
  const playback: FakePlayback = await endpoint.plays.take();
  t.equal(endpoint.plays.size, 0, 'one after the other');
  t.same(playback.sources, ['silence_stream://100']);
  playback.finish();
  t.same(await rig.session.execute({ command: 'listen:status', status: 'resume' }), { ok: true });
  rig.session.hangup('enough');
  await running;
});

t.test('a listen that does not take audio back plays none, and a redirect ends it', async (t) => {
  const { rig, forks, endpoint, running } = await listeningCall(t, [
    { verb: 'listen', url: 'ws://audio.invalid', disableBidirectionalAudio: true, playBeep: false },
  ]);
  const { options, say } = await forks.started.take();
  t.equal(options.bidirectional, undefined);
  say({ event: 'connect' });
  say({ event: 'play_audio', file: '/tmp/x.wav', id: 'x', isQueued: false });
  await rig.session.execute({ command: 'redirect', verbs: [{ verb: 'hangup' }] });
  await running;
  t.equal(await forks.told.take(), 'stop');
  t.equal(endpoint.plays.size, 0);
});

t.test(
  'playAudio: ten clips wait, an eleventh is refused; one that is not queued takes the place of all',
  async (t) => {
    const played = new Channel<{ file: string; finish: (result: object) => void }>();
    const done: string[] = [];
    const failed: string[] = [];
    const clips = new PlayAudio({
      play: (file, signal) =>
        new Promise((finish) => {
          played.post({ file, finish });
          signal.addEventListener('abort', () => finish({}), { once: true });
        }),
      done: ({ id }: AudioClip) => done.push(String(id)),
      failed: ({ id }: AudioClip, reason) => failed.push(`${id}: ${reason}`),
    });
    for (let id = 0; id < 12; id++) clips.add({ file: `/${id}`, id: String(id) }, { isQueued: true });
    t.same(failed, ['11: 10 are waiting already']);
    (await played.take()).finish({});
    t.equal((await played.take()).file, '/1');
    clips.add({ file: '/now' }, { isQueued: false });
    t.equal((await played.take()).file, '/now');
    clips.add({ file: '/next' }, { isQueued: true });
    clips.close();
    clips.add({ file: '/late' }, { isQueued: false });
    await new Promise(setImmediate);
    t.same(done, ['0', '1', 'undefined']);
    t.equal(played.size, 0);
  },
);
