import { existsSync } from 'node:fs';
import { resample, rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { AudioServer, type ForkSession } from '../test-audio-server.js';
import { chirp, comesRight, locate, startServer, type TestCall, TestCaller, wavFile } from '../test-peer.js';
import type { Teardown } from '../test-phone.js';

interface ForkedCall extends TestCall {
  audio: AudioServer;
  session: ForkSession;
}

/** A call with a fork of it; `rest` follows the URL. */
async function forkedCall(
  t: Teardown & { equal(found: unknown, wanted: unknown): boolean },
  rest: string,
  codecs?: Parameters<TestCaller['call']>[0],
): Promise<ForkedCall> {
  const caller = await TestCaller.create(t, await startServer(t));
  const call = await caller.call(codecs, {}, codecs ? { rateHz: 16000 } : {});
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  t.equal(await call.esl.api(`uuid_audio_fork ^^|${call.uuid}|start|${audio.url}/x?y=1|${rest}`), '+OK Success\n');
  const session = await connected;
  await forkEvent(call, 'connect');
  return { ...call, audio, session };
}

function forkEvent({ esl }: TestCall, name: string, bugname?: string): Promise<Record<string, string>> {
  return esl.event(
    (event) =>
      event['Event-Subclass'] === `mod_audio_fork::${name}` && (!bugname || event['media-bugname'] === bugname),
  );
}

function side(stereo: Int16Array, which: 0 | 1): Int16Array {
  return stereo.filter((_, i) => i % 2 === which);
}

t.test('audio fork: the metadata comes first, then what the caller says, without a gap', async (t) => {
  const call = await forkedCall(t, `mono|8000|mine|'{"a":"b|c d's"}'|true|false|`);
  const { session, media } = call;
  const said = chirp(1200);
  const isHeard = await comesRight(async () => {
    const from = session.length;
    media.say(said);
    await session.until(() => session.length > from + 8000 * 2);
    return locate(session.pcm.subarray(from), said).coefficient > 0.95;
  });
  t.ok(isHeard, 'what the caller says');
  t.same(session.texts, [`{"a":"b|c d's"}`]);
  t.equal(session.request.headers['sec-websocket-protocol'], 'audio.drachtio.org');
  t.equal(session.request.url, '/x?y=1');
  t.match(await forkEvent(call, 'connect'), { 'media-bugname': 'mine', 'Unique-ID': call.uuid });
});

t.test('audio fork: several forks of one call, each at its rate and pitch', async (t) => {
  const { session, media, esl, uuid, audio } = await forkedCall(t, 'mono|16000|||true|false|', ['G722']);
  const sessions = [{ rateHz: 16000, session }];
  media.say(tone(700, 30000, -10, 16000));
  for (const rateHz of [8000, 24000, 48000, 64000]) {
    const connected = audio.next();
    t.equal(await esl.api(`uuid_audio_fork ${uuid} start ${audio.url} mono ${rateHz} at${rateHz}`), '+OK Success\n');
    sessions.push({ rateHz, session: await connected });
  }
  const said = sessions.map(({ session, rateHz }) => ({ session, rateHz, from: session.length + 2 * rateHz }));
  for (const { rateHz, session, from } of said) {
    await session.until(() => session.length > from + rateHz);
    // By tenths of a second and the second best, since a pause of a busy machine spoils what is around it.
    const pcm = resample(session.pcm.subarray(from, from + rateHz), rateHz, 8000);
    const shares = Array.from({ length: 10 }, (_, i) => toneShare(pcm, 700, 8000, i * 800, (i + 1) * 800));
    t.ok(shares.sort((a, b) => b - a)[1]! > 0.9, `${rateHz}: ${shares}`);
  }
});

t.test('audio fork: mixed has both voices, stereo has them on two sides', async (t) => {
  const call = await forkedCall(t, 'stereo|16000|two|{"m":2}|true|false|');
  const { session, media, esl, uuid, audio } = call;
  const connected = audio.next();
  await esl.api(`uuid_audio_fork ${uuid} start ${audio.url} mixed 8k one`);
  const mixed = await connected;
  media.say(tone(500, 60_000, -10, 8000));
  const path = await wavFile(t, tone(900, 30_000, -10, 8000));
  const playing = esl.execute(uuid, 'playback', path);
  // The caller is left, what it hears is right, of the last half second.
  await session.until(() => {
    const both = session.pcm.subarray(-16_000);
    return toneShare(side(both, 0), 500, 16000) > 0.9 && toneShare(side(both, 1), 900, 16000) > 0.9;
  });
  await mixed.until(() => {
    const sum = mixed.pcm.subarray(-4000);
    return toneShare(sum, 500, 8000) > 0.3 && toneShare(sum, 900, 8000) > 0.3;
  });
  await esl.api(`uuid_audio_fork ${uuid} stop one {"bye":1}`);
  await mixed.until(() => mixed.isClosed);
  t.same(mixed.texts, ['{"bye":1}']);
  t.equal(mixed.closeCode, 1000);
  t.notOk(session.isClosed, 'the other fork goes on');
  await esl.api(`uuid_break ${uuid}`);
  await playing;
});

t.test('audio fork: what the server streams is heard, and a mark comes back when it was heard', async (t) => {
  const call = await forkedCall(t, 'mono|16000|s||true|true|24000');
  const { session, media } = call;
  const spoken = chirp(1500, 24000);
  session.stream(spoken, 3333);
  session.say({ type: 'mark', data: { name: 'half way' } });
  session.stream(spoken.slice(0, 12000));
  session.say({ type: 'mark', data: { name: 'the end' } });
  await session.until(() => session.texts.length >= 1);
  const heardAtFirst = media.heard.length;
  await session.until(() => session.texts.length >= 2);
  const heardAtEnd = media.heard.length;
  await media.hears(100);
  t.same(
    session.texts.map((text) => JSON.parse(text)),
    ['half way', 'the end'].map((name) => ({ type: 'mark', data: { name, event: 'playout' } })),
  );
  const { lag, coefficient } = locate(media.heard, resample(spoken, 24000, 8000));
  t.ok(coefficient > 0.9, `found with ${coefficient}`);
  const ends = lag + 1500 * 8;
  t.ok(heardAtFirst >= ends - 1600 && heardAtFirst < ends + 4000, `mark at ${heardAtFirst}, played to ${ends}`);
  t.ok(heardAtEnd >= ends + 4000 - 1600, `mark at ${heardAtEnd}, played to ${ends + 4000}`);
});

t.test('audio fork: every mark is answered: 30 may be outstanding, those beyond are cleared at once', async (t) => {
  const { session } = await forkedCall(t, 'mono|8000|s||true|true|8000');
  session.stream(tone(700, 400, -10, 8000));
  const names = Array.from({ length: 35 }, (_, i) => `m${i}`);
  for (const name of names) session.say({ type: 'mark', data: { name } });
  session.say({ type: 'mark', data: { name: 'x'.repeat(300_000) } });
  await session.until(() => session.texts.length === 36);
  const answers = session.texts.map((text) => JSON.parse(text).data as { name: string; event: string });
  t.same(
    answers.slice(0, 6).map(({ name, event }) => `${name.slice(0, 5)} ${event}`),
    ['m30 cleared', 'm31 cleared', 'm32 cleared', 'm33 cleared', 'm34 cleared', 'xxxxx cleared'],
  );
  t.same(
    answers.slice(6),
    names.slice(0, 30).map((name) => ({ name, event: 'playout' })),
  );
});

t.test('audio fork: killAudio ends what is streamed and clears its marks, clearMarks only the marks', async (t) => {
  const call = await forkedCall(t, 'mono|8000|s||true|true|8000');
  const { session, media } = call;
  session.stream(tone(700, 20000, -10, 8000));
  session.say({ type: 'mark', data: { name: 'a' } });
  session.say({ type: 'clearMarks' });
  await media.hears(400);
  session.say({ type: 'mark', data: { name: 'b' } });
  session.say({ type: 'killAudio' });
  await forkEvent(call, 'kill_audio');
  await session.until(() => session.texts.length === 2);
  t.same(
    session.texts.map((text) => JSON.parse(text).data),
    [
      { name: 'a', event: 'cleared' },
      { name: 'b', event: 'cleared' },
    ],
  );
  session.stream(tone(1100, 600, -10, 8000));
  session.say({ type: 'mark', data: { name: 'c' } });
  await session.until(() => session.texts.length === 3);
  t.same(JSON.parse(session.texts[2]!).data, { name: 'c', event: 'playout' });
  t.ok(media.heard.length < 8000 * 5, 'the rest of the 20 s is not heard');
  const end = media.heard.subarray(-2400);
  t.ok(toneShare(end, 1100, 8000) > 0.5, 'what came after is');
});

t.test('audio fork: playAudio becomes a file that can be played and goes with the fork', async (t) => {
  const call = await forkedCall(t, 'mono|8000|||true|false|');
  const { session, media, esl, uuid } = call;
  const pcm = chirp(800, 16000);
  const audioContent = Buffer.from(pcm.buffer).toString('base64');
  session.say({ type: 'playAudio', data: { audioContentType: 'raw', sampleRate: 16000, audioContent, id: 7 } });
  const event = await forkEvent(call, 'play_audio');
  const body = JSON.parse(event._body!) as { file: string; id: number; audioContent?: string };
  t.match(body, { id: 7, audioContentType: 'raw', sampleRate: 16000 });
  t.notOk(body.audioContent);
  await esl.execute(uuid, 'playback', body.file);
  await media.hears(100);
  t.ok(locate(media.heard, resample(pcm, 16000, 8000)).coefficient > 0.9);
  const playing = esl.execute(uuid, 'playback', 'silence_stream://60000');
  session.say({ type: 'killAudio' });
  await playing;
  t.equal(await esl.api(`uuid_audio_fork ${uuid} stop`), '+OK Success\n');
  await session.until(() => session.isClosed);
  while (existsSync(body.file)) await new Promise((resolve) => setTimeout(resolve, 10));
});

t.test('audio fork: text frames become events, garbage becomes nothing', async (t) => {
  const call = await forkedCall(t, 'mono|8000|||true|false|');
  const { session, esl, uuid } = call;
  for (const garbage of [
    '{',
    '',
    '[1',
    'null',
    '"x"',
    '{"type":{}}',
    '{"type":"playAudio"}',
    '{"type":"mark"}',
    '\0',
  ]) {
    session.socket.send(garbage);
  }
  session.say({ type: 'playAudio', data: { audioContentType: 'raw', audioContent: '!!!' } });
  session.say({ type: 'playAudio', data: { audioContentType: 'mp9', audioContent: 12 } });
  session.socket.send(Buffer.alloc(333, 7));
  for (const type of ['transcription', 'transfer', 'error', 'disconnect']) session.say({ type, data: { of: type } });
  session.say({ hello: 1 });
  for (const type of ['transcription', 'transfer', 'error', 'disconnect']) {
    t.equal((await forkEvent(call, type))._body, JSON.stringify({ of: type }));
  }
  await esl.event((event) => event._body === '{"hello":1}');
  t.equal(await esl.api(`uuid_audio_fork ${uuid} send_text '{"event":"dtmf","dtmf":"1 2"}'`), '+OK Success\n');
  await session.until(() => session.texts.length === 1);
  t.same(session.texts, ['{"event":"dtmf","dtmf":"1 2"}']);
});

t.test('audio fork: pause sends nothing or silence, resume goes on, graceful-shutdown says so', async (t) => {
  const { session, media, esl, uuid } = await forkedCall(t, 'mono|8000|p||true|false|');
  media.say(tone(700, 30000, -10, 8000));
  await session.until(() => session.length > 4000);
  await esl.api(`uuid_audio_fork ${uuid} pause p silence`);
  const silentFrom = session.length + 800;
  await session.until(() => session.length > silentFrom + 4000);
  t.equal(rms(session.pcm.subarray(silentFrom, silentFrom + 3000)), 0);
  await esl.api(`uuid_audio_fork ${uuid} pause p blank`);
  await esl.api(`uuid_audio_fork ${uuid} send_text p {"now":1}`);
  await session.until(() => session.texts.length === 1);
  let before = 0;
  const isStill = await comesRight(async () => {
    before = session.length;
    await media.hears(200);
    return session.length === before;
  });
  t.ok(isStill, 'nothing is sent');
  await esl.api(`uuid_audio_fork ${uuid} resume p`);
  await session.until(() => session.length > before + 4000);
  t.ok(toneShare(session.pcm.subarray(before + 800), 700, 8000) > 0.9);
  await esl.api(`uuid_audio_fork ${uuid} graceful-shutdown p`);
  await session.until(() => session.binaries[session.binaries.length - 1]?.length === 0);
  session.socket.close();
});

t.test('audio fork: hangup sends what was said and closes', async (t) => {
  const { session, dialog } = await forkedCall(t, 'mono|8000|||true|false|');
  await session.until(() => session.length > 1600);
  await dialog.bye();
  await session.until(() => session.isClosed);
  t.equal(session.closeCode, 1000);
});

t.test('audio fork: a server that stalls costs audio, counted and told, not memory', async (t) => {
  const server = await startServer(t);
  const call = await (await TestCaller.create(t, server)).call();
  const audio = await AudioServer.start(t);
  const connected = audio.next();
  await call.esl.api(`uuid_audio_fork ${call.uuid} start ${audio.url} stereo 16000`);
  const session = await connected;
  session.socket.pause();
  // What the system itself buffers is filled with texts, which are faster than audio.
  const text = JSON.stringify({ text: 'x'.repeat(50_000) });
  for (let i = 0; i < 400; i++) await call.esl.api(`uuid_audio_fork ${call.uuid} send_text ${text}`);
  await forkEvent(call, 'buffer_overrun');
  t.ok(server.counters.forkDroppedMs > 0);
  session.socket.resume();
  const before = session.length;
  await session.until(() => session.length > before + 32000);
  t.equal(await call.esl.api(`uuid_audio_fork ${call.uuid} stop`), '+OK Success\n');
});

t.test('audio fork: a server that is not there is an event; wrong commands are refused', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const audio = await AudioServer.start(t);
  const fork = (words: string): Promise<string> => esl.api(`uuid_audio_fork ${words}`);
  t.match(await fork(uuid), /^-USAGE: <uuid> \[start/);
  t.match(await fork(`${uuid} start ws://x`), /^-USAGE/);
  for (const words of [
    'nobody stop',
    `${uuid} stop`,
    `${uuid} pause`,
    `${uuid} dance`,
    `${uuid} send_text x y`,
    `${uuid} start ftp://127.0.0.1 mono 8k`,
    `${uuid} start ws://[ mono 8k`,
    `${uuid} start ${audio.url} both 8k`,
    `${uuid} start ${audio.url} mono 11025`,
  ]) {
    t.equal(await fork(words), '-ERR Operation Failed\n', words);
  }
  t.equal(await fork(`${uuid} start ws://127.0.0.1:1 mono 8k gone`), '+OK Success\n');
  t.match(JSON.parse((await forkEvent(call, 'connect_failed'))._body!), { reason: /ECONNREFUSED/ });
  t.equal(await fork(`${uuid} start ${audio.url} mono 8k gone`), '-ERR Operation Failed\n', 'the name is taken');
  t.equal(await fork(`${uuid} stop gone`), '+OK Success\n');
});

t.test(
  'audio fork: basic authentication and headers; a server without subprotocols; its leaving is an event',
  async (t) => {
    const call = await (await TestCaller.create(t, await startServer(t))).call();
    const { esl, uuid } = call;
    const audio = await AudioServer.start(t, { handleProtocols: () => false });
    await esl.api(`uuid_setvar ${uuid} MOD_AUDIO_BASIC_AUTH_USERNAME me`);
    await esl.api(`uuid_setvar ${uuid} MOD_AUDIO_BASIC_AUTH_PASSWORD se:cret`);
    await esl.api(`uuid_setvar ${uuid} MOD_AUDIO_FORK_HEADERS {"X-Tenant":"7","Bad Name":"x"}`);
    const connected = audio.next();
    await esl.api(`uuid_audio_fork ${uuid} start ${audio.url.replace('ws:', 'http:')} mono 8k`);
    const session = await connected;
    t.equal(session.request.headers.authorization, `Basic ${Buffer.from('me:se:cret').toString('base64')}`);
    t.equal(session.request.headers['x-tenant'], '7');
    await session.until(() => session.length > 800);
    session.socket.close();
    t.equal((await forkEvent(call, 'disconnect'))._body, undefined);
  },
);

t.test('audio fork: goes to the addresses that were judged, whatever its name says by now', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const audio = await AudioServer.start(t);
  const url = audio.url.replace('127.0.0.1', 'no-such-host.invalid');
  await esl.api(`uuid_setvar ${uuid} ringwire_audio_fork_addresses 127.0.0.1`);
  const connected = audio.next();
  await esl.api(`uuid_audio_fork ${uuid} start ${url} mono 8k`);
  t.match((await connected).request.headers.host, 'no-such-host.invalid');
  await esl.api(`uuid_setvar ${uuid} ringwire_audio_fork_addresses 127.0.0.9`);
  await esl.api(`uuid_audio_fork ${uuid} start ${audio.url.replace('127.0.0.1', 'localhost')} mono 8k other`);
  t.match(JSON.parse((await forkEvent(call, 'connect_failed'))._body!), { reason: /ECONNREFUSED.*127\.0\.0\.9/ });
});

t.test('audio fork: a muted caller is silence in the fork', async (t) => {
  const { session, media, esl, uuid } = await forkedCall(t, 'mono|8000|||true|false|');
  media.say(tone(700, 30000, -10, 8000));
  await session.until(() => session.length > 8000);
  await esl.api(`uuid_audio ${uuid} start read mute -1`);
  const from = session.length + 1600;
  await session.until(() => session.length > from + 3200);
  t.equal(rms(session.pcm.subarray(from, from + 2400)), 0);
});
