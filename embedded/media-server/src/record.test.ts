import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseWav, readWav, rms, tone, toneShare, writeWav } from '@ringwire/rtp';
import t from 'tap';
import { folder, startServer, type TestCall, TestCaller } from './test-peer.js';

const run = promisify(execFile);

/** A call whose server plays 1 kHz to the phone. */
async function singing(t: Parameters<typeof startServer>[0]): Promise<TestCall> {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  void call.esl.execute(call.uuid, 'playback', 'tone_stream://%(60000,0,1000)');
  await call.esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  return call;
}

/** Records a session for that long and gives its file. */
async function recorded({ esl, uuid }: TestCall, path: string, ms: number, vars = ''): Promise<Buffer> {
  t.equal(await esl.api(`uuid_record ${uuid} start ${path}${vars && ` 0 ${vars}`}`), '+OK Success\n');
  await esl.execute(uuid, 'sleep', String(ms));
  const stopped = esl.event((e) => e['Event-Name'] === 'RECORD_STOP' && e['Record-File-Path'] === path);
  t.equal(await esl.api(`uuid_record ${uuid} stop ${path}`), '+OK Success\n');
  await stopped;
  return readFile(path);
}

/** One channel of a stereo file. */
function channelOf(file: Buffer, channel: number): Int16Array {
  const { dataOffset, frames } = parseWav(file);
  return new Int16Array(frames).map((_, i) => file.readInt16LE(dataOffset + i * 4 + channel * 2));
}

t.test('a session recording has the caller left and the far side right, or swapped, or one of both', async (t) => {
  const call = await singing(t);
  const dir = await folder(t);
  const stereo = await recorded(call, join(dir, 'new', 'stereo.wav'), 400, '{RECORD_STEREO=true}');
  t.equal(rms(channelOf(stereo, 0)), 0, 'the phone is silent');
  t.ok(toneShare(channelOf(stereo, 1), 1000, 8000, 400, 2000) > 0.98);
  await call.esl.execute(call.uuid, 'set', 'RECORD_STEREO_SWAP=true');
  const swapped = await recorded(call, join(dir, 'swapped.wav'), 200);
  t.equal(rms(channelOf(swapped, 1)), 0);
  t.ok(rms(channelOf(swapped, 0)) > 1000);
  await call.esl.execute(call.uuid, 'unset', 'RECORD_STEREO_SWAP');
  const read = readWav(await recorded(call, join(dir, 'read.wav'), 200, '{RECORD_READ_ONLY=true}'));
  t.equal(rms(read.pcm), 0);
  const write = readWav(await recorded(call, join(dir, 'write.wav'), 200, '{RECORD_WRITE_ONLY=true}'));
  t.ok(toneShare(write.pcm, 1000, 8000, 400, 1400) > 0.98);
  const wide = readWav(await recorded(call, join(dir, 'wide.wav'), 300, '{record_sample_rate=16000}'));
  t.equal(wide.sampleRateHz, 16_000);
  t.ok(toneShare(wide.pcm, 1000, 16_000, 800, 4000) > 0.98);
});

t.test('masking records silence, pausing records nothing', async (t) => {
  const call = await singing(t);
  const { esl, uuid } = call;
  const dir = await folder(t);
  for (const [begin, end] of [
    ['mask', 'unmask'],
    ['pause', 'resume'],
  ] as const) {
    const path = join(dir, `${begin}.wav`);
    await esl.api(`uuid_record ${uuid} start ${path}`);
    await esl.execute(uuid, 'sleep', '300');
    t.equal(await esl.api(`uuid_record ${uuid} ${begin} ${path}`), '+OK Success\n');
    await esl.execute(uuid, 'sleep', '600');
    t.equal(await esl.api(`uuid_record ${uuid} ${end} ${path}`), '+OK Success\n');
    await esl.execute(uuid, 'sleep', '300');
    const stopped = esl.event((e) => e['Event-Name'] === 'RECORD_STOP' && e['Record-File-Path'] === path);
    await esl.api(`uuid_record ${uuid} stop ${path}`);
    t.equal((await stopped)['Record-Completion-Cause'], 'success-maxtime');
    const { pcm } = readWav(await readFile(path));
    let silent = 0;
    for (let at = 0; at + 160 <= pcm.length; at += 160) if (rms(pcm, at, at + 160) === 0) silent += 20;
    const lasts = pcm.length / 8;
    if (begin === 'mask') t.ok(lasts > 1000 && silent > 400 && silent < 900, `${lasts} ms, ${silent} of them silent`);
    else t.ok(lasts > 400 && lasts < 1100 && silent < 60, `${lasts} ms, ${silent} of them silent`);
  }
  const unknown = await esl.api(`uuid_record ${uuid} mask /tmp/none.wav`);
  t.equal(unknown, '-ERR Cannot mask recording session!\n');
  t.equal(await esl.api(`uuid_record ${uuid} stop /tmp/none.wav`), '-ERR Cannot stop record session!\n');
});

t.test(
  'RECORD_APPEND goes on with a file, RECORD_MIN_SEC deletes a short one, RECORD_TITLE is in the file',
  async (t) => {
    const call = await singing(t);
    const dir = await folder(t);
    const path = join(dir, 'append.wav');
    await writeFile(path, writeWav(tone(500, 300), 8000));
    const { pcm } = readWav(await recorded(call, path, 300, '{RECORD_APPEND=true}'));
    t.ok(toneShare(pcm, 500, 8000, 0, 2400) > 0.98);
    t.ok(pcm.length > 2400 + 1600 && toneShare(pcm, 1000, 8000, 2600, 4000) > 0.98);
    const short = join(dir, 'short.wav');
    await t.rejects(recorded(call, short, 200, '{RECORD_MIN_SEC=2}'), { code: 'ENOENT' });
    const stop = call.esl.events.find((e) => e['Event-Name'] === 'RECORD_STOP' && e['Record-File-Path'] === short);
    t.match(stop, { 'Record-Completion-Cause': 'input-too-short', 'Recording-Variable-RECORD_MIN_SEC': '2' });
    await call.esl.execute(call.uuid, 'set', 'RECORD_TITLE=A call');
    const titled = join(dir, 'titled.wav');
    t.match((await recorded(call, titled, 200)).toString('latin1'), /INAM.\W*A call/);
    const probed = await run('ffprobe', ['-v', 'error', '-show_entries', 'format_tags=title', titled]).catch(
      () => undefined,
    );
    if (probed) t.match(probed.stdout, /TAG:title=A call/);
  },
);

t.test('raw files have no header; formats that are not written, a second time and a full disk are told', async (t) => {
  const call = await singing(t);
  const { esl, uuid } = call;
  const dir = await folder(t);
  const ulaw = await recorded(call, join(dir, 'raw.PCMU'), 300);
  t.ok(ulaw.length > 1600 && ulaw.length < 5000 && new Set(ulaw).size > 4);
  const raw = await recorded(call, join(dir, 'raw.r16'), 300);
  const pcm = new Int16Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + (raw.length & ~1)));
  t.ok(toneShare(pcm, 1000, 16_000, 800, 3200) > 0.98);
  for (const path of [join(dir, 'call.mp3'), '/dev/null/no-folder/a.wav', '/dev/full']) {
    t.equal(await esl.api(`uuid_record ${uuid} start ${path}`), '-ERR Cannot record session!\n', path);
    t.equal(await esl.api(`uuid_getvar ${uuid} record_completion_cause`), 'uri-failure');
  }
  const twice = join(dir, 'twice.wav');
  await esl.api(`uuid_record ${uuid} start ${twice}`);
  t.equal(await esl.api(`uuid_record ${uuid} start ${twice}`), '+OK Success\n');
  t.equal(await esl.api(`uuid_record ${uuid} stop all`), '+OK Success\n');
  t.equal(await esl.api(`uuid_exists ${uuid}`), 'true', 'the call goes on');
});
