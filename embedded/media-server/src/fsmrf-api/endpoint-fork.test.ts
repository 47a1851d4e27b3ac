import t from 'tap';
import { AudioServer, type ForkSession } from '../test-audio-server.js';
import { connectAny, type Endpoint, type EslEvent, isOurs, resemblance } from '../test-fsmrf.js';
import { chirp } from '../test-peer.js';

const any = await connectAny(t);

/** The next event of mod_audio_fork. */
function forkEvent(ep: Endpoint, name: string): Promise<EslEvent> {
  return new Promise((resolve) => {
    ep.addCustomEventListener(`mod_audio_fork::${name}`, (_body, event) => resolve(event));
  });
}

/** The module that one builds oneself tells the fork's name in no event; the one of jambonz and ours do. */
function named(name: string): string | null {
  return isOurs ? name : null;
}

t.test('Endpoint#forkAudioStart: metadata, then audio; send_text, pause, resume, stop with a last text', async (t) => {
  const { ep, media } = await any.phone(t);
  const audio = await AudioServer.start(t);
  const connected = forkEvent(ep, 'connect');
  const connection = audio.next();
  await ep.forkAudioStart({
    wsUrl: audio.url,
    mixType: 'mono',
    sampling: '8000',
    bugname: 'mine',
    metadata: { hello: 'you' },
  });
  const session = await connection;
  t.equal((await connected).getHeader('media-bugname'), named('mine'));
  const said = chirp(1200);
  media.say(said);
  await session.until(() => session.length > 8000 * 2);
  t.ok(resemblance(session.pcm, said.subarray(0, 4800)) > 0.95);
  await ep.forkAudioSendText('mine', 'simple');
  await ep.forkAudioSendText('mine', { bar: 'baz' });
  await session.until(() => session.texts.length === 3);
  // The module that one builds oneself takes what follows the metadata for a part of it.
  if (isOurs) t.equal(session.texts[0], '{"hello":"you"}');
  t.ok(session.texts[0]!.startsWith('{"hello":"you"}'));
  t.same(session.texts.slice(1), ['simple', '{"bar":"baz"}']);
  await ep.forkAudioPause('mine');
  const closed = new Promise((resolve) => session.socket.once('close', resolve));
  await ep.forkAudioResume('mine');
  const from = session.length;
  await session.until(() => session.length > from + 1600);
  await ep.forkAudioStop('mine', { last: 'words' });
  await closed;
  t.equal(session.texts[3], '{"last":"words"}');
  await t.rejects(ep.forkAudioStop('mine'), /-ERR/);
});

t.test('Endpoint#forkAudioStart: named forks beside each other, stereo at 16 kHz', async (t) => {
  const { ep, media } = await any.phone(t);
  const audio = await AudioServer.start(t);
  const sessions: ForkSession[] = [];
  for (const bugname of ['one', 'two']) {
    const connection = audio.next();
    await ep.forkAudioStart({ wsUrl: audio.url, mixType: 'stereo', sampling: '16000', bugname });
    sessions.push(await connection);
  }
  // In stereo FreeSWITCH sends only while it says something itself.
  const playing = ep.play('silence_stream://-1');
  const starts = sessions.map(({ length }) => length);
  media.say(chirp(900));
  for (const [i, session] of sessions.entries()) {
    await session.until(() => session.length > starts[i]! + 2 * 16000 * 1.5);
    const left = session.pcm.filter((_, i) => i % 2 === 0);
    const coefficient = resemblance(left, chirp(900, 16000).subarray(1600, 9600));
    t.ok(coefficient > 0.9, `${coefficient}`);
  }
  await ep.api('uuid_break', ep.uuid);
  await playing;
  await ep.forkAudioPause('one', true);
  await ep.forkAudioResume('one');
  await ep.forkAudioSendText('one', 'only one');
  await sessions[0]!.until(() => sessions[0]!.texts.length > 0);
  const closed = Promise.all(sessions.map(({ socket }) => new Promise((resolve) => socket.once('close', resolve))));
  for (const bugname of ['one', 'two']) await ep.forkAudioStop(bugname, { bye: bugname });
  await closed;
  t.same(sessions[1]!.texts.slice(-1), ['{"bye":"two"}']);
  t.same(sessions[0]!.texts.slice(-2), ['only one', '{"bye":"one"}']);
  if (isOurs) t.equal(sessions[0]!.texts.length, 2);
});

t.test('Endpoint#forkAudioStart: nobody listens there', async (t) => {
  const { ep } = await any.phone(t);
  const failed = forkEvent(ep, 'connect_failed');
  await ep.forkAudioStart({ wsUrl: 'ws://127.0.0.1:1/x', mixType: 'mono', sampling: '8000' });
  t.equal((await failed).getHeader('media-bugname'), named('audio_fork'));
});
