import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseWav, readWav, rms, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { folder, startServer, TestCaller } from './test-peer.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const run = promisify(execFile);

t.test('kill -9 leaves recordings that can be played, but for the last second', async (t) => {
  const flags = ['--sip', '127.0.0.1:0', '--esl', '127.0.0.1:0', '--rtp-ports', '0-0'];
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [{ sip }] = (await once(child, 'message')) as [{ sip: string }];
  const { media, esl, uuid } = await (await TestCaller.create(t, { sip })).call();
  const dir = await folder(t);
  const kinds = [
    ['mono.wav', ''],
    ['stereo.wav', '{RECORD_STEREO=true}'],
    ['wide.wav', '{record_sample_rate=16000}'],
    ['titled.wav', '{RECORD_TITLE=A call}'],
    ['raw.r8', ''],
    ['law.pcmu', ''],
  ] as const;
  void esl.execute(uuid, 'playback', 'tone_stream://%(60000,0,1000)');
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  for (const [name, settings] of kinds) {
    t.equal(await esl.api(`uuid_record ${uuid} start ${join(dir, name)} 0 ${settings}`), '+OK Success\n');
  }
  await media.hears(3000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const [name] of kinds) {
    const file = await readFile(join(dir, name));
    if (!name.endsWith('.wav')) {
      t.ok(file.length / (name === 'raw.r8' ? 16 : 8) > 2000, `${name}: ${file.length} bytes`);
      continue;
    }
    const { frames, sampleRateHz, channels } = parseWav(file);
    t.ok((frames * 1000) / sampleRateHz > 2000, `${name}: ${frames} frames`);
    if (channels === 2) {
      const right = new Int16Array(frames).map((_, i) => file.readInt16LE(44 + i * 4 + 2));
      t.ok(toneShare(right, 1000, 8000, 800) > 0.98, 'the right side is what was played');
    } else {
      t.ok(toneShare(readWav(file).pcm, 1000, sampleRateHz, sampleRateHz / 10) > 0.98, `${name} is what was played`);
    }
    const probed = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'format=duration',
      '-of',
      'csv=p=0',
      join(dir, name),
    ])
      .then(({ stdout, stderr }) => ({ seconds: Number(stdout), stderr }))
      .catch(() => undefined);
    if (!probed) continue;
    t.equal(probed.stderr, '');
    t.ok(Math.abs(probed.seconds - frames / sampleRateHz) < 0.05, `ffprobe: ${probed.seconds} s`);
  }
});

const NO_DEV_FULL = process.platform === 'linux' ? false : 'needs /dev/full of Linux';

t.test('a disk that fills up ends the recording, says so, and the call goes on', { skip: NO_DEV_FULL }, async (t) => {
  const { media, esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const path = join(await folder(t), 'full.r8');
  // Raw files have no header: what fails is the audio, after half a second.
  await symlink('/dev/full', path);
  const stop = () => esl.events.filter((event) => event['Event-Name'] === 'RECORD_STOP');
  t.equal(await esl.api(`uuid_record ${uuid} start ${path}`), '+OK Success\n');
  await esl.until(() => stop().length === 1);
  t.match(stop()[0], {
    'Record-File-Path': path,
    'Record-Completion-Cause': 'uri-failure',
    'Record-Problem': 'recording/disk-full',
  });
  const done = await esl.execute(uuid, 'record', `${path} 30`);
  t.match(done, { 'Application-Response': '_none_', variable_record_completion_cause: 'uri-failure' });
  t.match(stop()[1], { 'Record-Problem': 'recording/disk-full' });
  await esl.execute(uuid, 'playback', 'tone_stream://%(300,0,700)');
  await media.hears(100);
  let heardMs = 0;
  const { heard } = media;
  for (let at = 0; at + 80 <= heard.length; at += 80) {
    if (rms(heard, at, at + 80) > 200 && toneShare(heard, 700, 8000, at, at + 80) > 0.8) heardMs += 10;
  }
  t.ok(heardMs > 200, `what is played afterwards is heard: ${heardMs} ms`);
  const fine = join(await folder(t), 'fine.wav');
  await esl.execute(uuid, 'record', `${fine} 1`);
  t.equal(readWav(await readFile(fine)).pcm.length, 8000, 'and records elsewhere');
});
