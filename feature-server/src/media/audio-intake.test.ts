import { once } from 'node:events';
import { tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { silentLogger } from '../testing/fakes.js';
import { type PlatformRig, startPlatform } from '../testing/platform-rig.js';
import { AudioIntake } from './audio-intake.js';
import type { AudioStream } from './audio-streams.js';
import type { MediaEndpoint } from './media.js';
import { MediaServerLink } from './media-server-link.js';

/** Samples of a stream until there are so many for which `isRight`; its reader is done then. */
async function hear(
  stream: AudioStream,
  count: number,
  isRight: (samples: Int16Array) => boolean,
): Promise<Int16Array> {
  let heard = new Int16Array();
  for await (const { samples } of stream) {
    const joined = new Int16Array(heard.length + samples.length);
    joined.set(heard);
    joined.set(samples, heard.length);
    heard = joined.subarray(-count);
    if (heard.length >= count && isRight(heard)) return heard;
  }
  throw new Error('the stream ended before that was heard');
}

/** Two endpoints that hear each other, of a link with an intake of its own. */
async function twoEnds(t: Test, rig: PlatformRig): Promise<{ one: MediaEndpoint; other: MediaEndpoint }> {
  const intake = await AudioIntake.open({ host: '127.0.0.1', port: 0, logger: silentLogger });
  const { host, port, password } = rig.media;
  const link = new MediaServerLink({
    srf: rig.srf,
    logger: silentLogger,
    host,
    port,
    password,
    listenAddress: '127.0.0.1',
    listenPort: 0,
    intake,
  });
  t.teardown(async () => {
    await link.close();
    await intake.close();
  });
  await link.connected;
  const one = await link.createEndpoint({ callSid: 'call-a' });
  const other = await link.createEndpoint({ callSid: 'call-b', remoteSdp: one.localSdp });
  await one.modify(other.localSdp);
  t.teardown(() => Promise.all([one.destroy(), other.destroy()]));
  return { one, other };
}

t.test('audio streams: the far end alone, in stereo with what it hears, paused, and back to it', async (t) => {
  const { one, other } = await twoEnds(t, await startPlatform(t));
  const playing = new AbortController();
  t.teardown(() => playing.abort());
  const signal = playing.signal;
  void other.play(['tone_stream://%(60000,0,700)'], { signal });

  const mono = await one.tap.open({ mixType: 'mono', sampleRate: 8000 });
  await hear(mono, 1600, (samples) => toneShare(samples, 700) > 0.9);
  await mono.close();
  await mono.close();
  for await (const _ of mono) t.fail('nothing comes after the end');

  void one.play(['tone_stream://%(60000,0,500)'], { signal });
  const stereo = await one.tap.open({ mixType: 'stereo', sampleRate: 16000 });
  t.equal(stereo.channels, 2);
  const side = (both: Int16Array, which: number) => both.filter((_, i) => i % 2 === which);
  await hear(
    stereo,
    6400,
    (both) => toneShare(side(both, 0), 700, 16000) > 0.9 && toneShare(side(both, 1), 500, 16000) > 0.9,
  );
  await stereo.pause('silence');
  await hear(stereo, 3200, (samples) => samples.every((sample) => sample === 0));
  await stereo.resume();
  await hear(stereo, 6400, (both) => toneShare(side(both, 0), 700, 16000) > 0.9);
  await stereo.close();

  playing.abort();
  const listening = await other.tap.open({ mixType: 'mono', sampleRate: 8000 });
  const speaking = await one.tap.open({ mixType: 'mono', sampleRate: 8000, back: { sampleRate: 16000 } });
  t.ok(speaking.send(tone(900, 5000, -10, 16000)));
  await hear(listening, 1600, (samples) => toneShare(samples, 900) > 0.9);
  await speaking.clear();
  await hear(listening, 1600, (samples) => toneShare(samples, 900) < 0.1);
  await speaking.close();
  t.notOk(speaking.send(new Int16Array(160)), 'nothing goes out after the end');

  await other.destroy();
  await listening.ended;
  t.pass('the stream ends with its endpoint');
});

t.test('audio intake: who was not told to come is refused, and who was told comes once', async (t) => {
  const intake = await AudioIntake.open({ host: '127.0.0.1', port: 0, logger: silentLogger });
  t.teardown(() => intake.close());
  const expected = intake.expect();
  const refusal = async (url: string): Promise<unknown> => {
    const socket = new WebSocket(url);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    return response.statusCode;
  };
  t.equal(await refusal(new URL('/audio/guess', expected.url).href), 404);
  const client = new WebSocket(expected.url, 'audio.drachtio.org');
  const [socket] = await Promise.all([expected.socket, once(client, 'open')]);
  t.equal(socket.protocol, 'audio.drachtio.org');
  t.equal(await refusal(expected.url), 404);
  const forgotten = intake.expect();
  forgotten.giveUp(new Error('too late'));
  t.equal(await refusal(forgotten.url), 404);
  await t.rejects(forgotten.socket, /too late/);
  t.equal((await fetch(expected.url.replace('ws', 'http'))).status, 404);
});
