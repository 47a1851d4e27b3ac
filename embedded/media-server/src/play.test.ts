import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { correlate, findSilences, tone, toneShare, writeWav } from '@ringwire/rtp';
import t from 'tap';
import { chirp, comesRight, folder, startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

/** The last `ms` that the phone heard. */
function lately({ media }: TestCall, ms: number): Int16Array {
  const { heard } = media;
  return heard.subarray(Math.max(0, heard.length - ms * 8));
}

t.test('WAV files of every usual rate, mono and stereo, sound right', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const sound = chirp(400);
  for (const [rate, channels] of [
    [8000, 2],
    [16000, 1],
    [22050, 1],
    [44100, 2],
    [48000, 1],
    [48000, 2],
  ] as const) {
    const mono = chirp(400, rate);
    const pcm = new Int16Array(mono.length * channels).map((_, i) => mono[Math.floor(i / channels)]!);
    const path = await wavFile(t, pcm, rate, channels);
    const isRight = await comesRight(async () => {
      const done = await call.esl.execute(call.uuid, 'playback', path);
      t.equal(done['Application-Response'], 'FILE PLAYED');
      t.equal(done.variable_playback_ms, '400');
      await call.media.hears(60);
      return correlate(lately(call, 600), sound).coefficient > 0.98;
    });
    t.ok(isRight, `${rate} Hz, ${channels} channels`);
  }
});

t.test('a list plays without a gap, skips what is missing, and tells of each file', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const [one, two] = [await wavFile(t, tone(500, 300)), await wavFile(t, tone(900, 310))];
  await esl.execute(uuid, 'set', 'playback_delimiter=!');
  const list = `${one}!/no/such.wav!${two}!silence_stream://100!tone_stream://%(200,0,1300)`;
  const done = await esl.execute(uuid, 'playback', list);
  t.equal(done['Application-Response'], 'FILE PLAYED');
  t.equal(done.variable_playback_ms, '910');
  const names = (event: string): (string | undefined)[] =>
    esl.events.filter((e) => e['Event-Name'] === event).map((e) => e['Playback-File-Path']);
  const files = [one, two, 'silence_stream://100', 'tone_stream://%(200,0,1300)'];
  t.same(names('PLAYBACK_START'), files);
  t.same(names('PLAYBACK_STOP'), files);
  await call.media.hears(60);
  const heard = lately(call, 1200);
  const start = correlate(heard, tone(500, 300)).lag;
  t.ok(toneShare(heard, 500, 8000, start + 100, start + 2300) > 0.98);
  t.ok(toneShare(heard, 900, 8000, start + 2500, start + 4800) > 0.98);
  t.ok(toneShare(heard, 1300, 8000, start + 5800, start + 7200) > 0.98);
  t.same(findSilences(heard, 100, 8, start + 200, start + 4700), [], 'no gap between the two files');
  const strung = await esl.execute(uuid, 'playback', `file_string://${one}!${two}`);
  t.equal(strung.variable_playback_ms, '610');
});

t.test('what is not there or not audio is FILE NOT FOUND, counted, and the call goes on', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  const dir = await folder(t);
  await writeFile(join(dir, 'garbage.wav'), 'this is not audio');
  await writeFile(join(dir, 'cut.wav'), writeWav(tone(440, 20), 8000).subarray(0, 30));
  const wrong = ['garbage.wav', 'cut.wav', 'none.wav', '.'].map((name) => join(dir, name));
  wrong.push('local_stream://moh', 'silence_stream://0', 'http://127.0.0.1:1/x.wav', '/\0', 'say:{a}b');
  for (const file of wrong) {
    const done = await esl.execute(uuid, 'playback', file);
    t.equal(done['Application-Response'], 'FILE NOT FOUND', JSON.stringify(file));
  }
  t.equal(server.counters.playsNotFound, wrong.length);
  t.equal((await esl.execute(uuid, 'playback', ''))['Application-Response'], 'PLAYBACK ERROR');
  const fine = await esl.execute(uuid, 'playback', await wavFile(t, tone(440, 100)));
  t.equal(fine['Application-Response'], 'FILE PLAYED');
});

t.test('a URL is fetched once and played; a server that fails is FILE NOT FOUND', async (t) => {
  const server = await startServer(t);
  const call = await (await TestCaller.create(t, server)).call();
  let requests = 0;
  const web = createServer((req, res) => {
    requests++;
    if (req.url === '/tone.wav?x=1') res.end(writeWav(tone(600, 300), 8000));
    else res.writeHead(404).end('<html>');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => web.once('listening', resolve));
  t.teardown(() => web.close());
  const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  for (let i = 0; i < 2; i++) {
    const done = await call.esl.execute(call.uuid, 'playback', `${base}/tone.wav?x=1`);
    t.equal(done.variable_playback_ms, '300');
  }
  const isTone = (heard: Int16Array): boolean => {
    for (let at = 0; at + 1600 <= heard.length; at += 80)
      if (toneShare(heard, 600, 8000, at, at + 1600) > 0.95) return true;
    return false;
  };
  await call.media.hearsThat('600 Hz', isTone);
  t.equal(requests, 1);
  const missing = await call.esl.execute(call.uuid, 'playback', `${base}/none.wav`);
  t.equal(missing['Application-Response'], 'FILE NOT FOUND');
  t.match(server.counters, { urlFetches: 2, urlFetchFailures: 1, urlCacheHits: 1 });
});

t.test(
  'a URL that must not be kept, or for which there is no room, is on disk only while it plays, by whatever plays it',
  async (t) => {
    const cacheDir = await folder(t);
    const server = await startServer(t, ['--cache-dir', cacheDir, '--cache-mb', '1']);
    const { esl, uuid } = await (await TestCaller.create(t, server)).call();
    const sound = writeWav(tone(600, 70_000), 8000);
    const web = createServer((req, res) => {
      if (req.url?.startsWith('/no-store')) res.setHeader('cache-control', 'no-store');
      res.end(sound);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => web.once('listening', resolve));
    t.teardown(() => web.close());
    const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    const files = async (): Promise<number> => (await readdir(cacheDir)).length;
    const untilFiles = async (wanted: number): Promise<void> => {
      for (let tries = 0; (await files()) !== wanted && tries < 250; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      t.equal(await files(), wanted);
    };
    for (const name of ['/no-store.wav', '/large.wav']) {
      const playing = esl.execute(uuid, 'playback', base + name);
      await untilFiles(1);
      await esl.api(`uuid_break ${uuid}`);
      await playing;
      await untilFiles(0);
    }
    await esl.api(`uuid_displace ${uuid} start ${base}/large.wav 0 mux`);
    t.equal(await files(), 1);
    await esl.api(`uuid_displace ${uuid} stop ${base}/large.wav`);
    await untilFiles(0);
    await esl.api(`uuid_dub ${uuid} addTrack a`);
    await esl.api(`uuid_dub ${uuid} playOnTrack a ${base}/large.wav loop`);
    await untilFiles(1);
    await esl.api(`uuid_dub ${uuid} silenceTrack a`);
    await untilFiles(0);
    await esl.api(`uuid_dub ${uuid} playOnTrack a ${base}/large.wav loop`);
    await untilFiles(1);
    await esl.api(`uuid_kill ${uuid}`);
    await untilFiles(0);
  },
);

t.test('uuid_break stops a playback at once', async (t) => {
  const { media, esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const playing = esl.execute(uuid, 'playback', 'tone_stream://%(60000,0,400)');
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  t.equal(await esl.api(`uuid_break ${uuid}`), '+OK\n');
  const done = await playing;
  t.equal(done['Application-Response'], 'FILE PLAYED');
  t.ok(Number(done.variable_playback_ms) < 1000);
  const stop = await esl.event((event) => event['Event-Name'] === 'PLAYBACK_STOP');
  t.equal(stop['Playback-Status'], 'break');
  await media.hearsThat('silence', (heard) => heard.subarray(-800).every((sample) => sample === 0));
});

t.test('seek, time limit and nested playback work as in FreeSWITCH', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const path = await wavFile(t, tone(500, 1000, -10, 16000), 16000);
  const seeked = await esl.execute(uuid, 'playback', `${path}@@12000`);
  t.match(seeked, { variable_playback_ms: '250', variable_playback_last_offset_pos: '16000' });
  await esl.execute(uuid, 'set', 'playback_timeout_sec=1');
  const limited = await esl.execute(uuid, 'playback', 'silence_stream://-1');
  t.equal(limited.variable_playback_ms, '1000');
  await esl.execute(uuid, 'unset', 'playback_timeout_sec');
  const outer = esl.execute(uuid, 'playback', 'tone_stream://%(600,0,500)');
  const inner = await esl.execute(uuid, 'playback', 'tone_stream://%(200,0,1500)');
  t.equal(inner.variable_playback_ms, '200', 'the later one is heard first');
  t.equal((await outer).variable_playback_ms, '600', 'the earlier one goes on after it');
});

t.test('event-lock makes later requests wait', async (t) => {
  const { esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const head = `sendmsg ${uuid}\ncall-command: execute\nexecute-app-name: playback\nevent-lock: true\nexecute-app-arg: `;
  await esl.command(`${head}silence_stream://100\nEvent-UUID: one`);
  await esl.command(`${head}silence_stream://60\nEvent-UUID: two`);
  await esl.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && e['Application-UUID'] === 'two');
  const order = esl.events
    .filter((event) => /^CHANNEL_EXECUTE/.test(event['Event-Name']!))
    .map((event) => `${event['Event-Name']} ${event['Application-UUID']}`);
  t.same(order, [
    'CHANNEL_EXECUTE one',
    'CHANNEL_EXECUTE_COMPLETE one',
    'CHANNEL_EXECUTE two',
    'CHANNEL_EXECUTE_COMPLETE two',
  ]);
});

t.test('hanging up during a playback completes it before the socket closes', async (t) => {
  const { dialog, esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const playing = esl.execute(uuid, 'playback', 'silence_stream://-1');
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  await dialog.bye();
  t.equal((await playing)['Application-Response'], 'FILE PLAYED');
  await esl.until(() => esl.isClosed);
});

t.test('play_and_get_digits collects, stops the prompt at the first key, and asks again', async (t) => {
  const { media, esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const args = '2 4 2 9000 # tone_stream://%(20000,0,400) silence_stream://40 answer \\d+ 9000';
  const collecting = esl.execute(uuid, 'play_and_get_digits', args);
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  media.press('12#');
  t.match(await collecting, { variable_answer: '12', variable_read_terminator_used: '#' });
  const short = '2 4 1 200 # silence_stream://20 silence_stream://20 answer \\d+ 200';
  const tooShort = await esl.execute(uuid, 'play_and_get_digits', short);
  t.equal(tooShort.variable_answer, undefined);
});
