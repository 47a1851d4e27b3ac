import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { correlate, type LegRate, rms, writeWav } from '@ringwire/rtp';
import t from 'tap';
import { chirp, folder } from '../../test-peer.js';
import { ClipCache } from '../audio-clip.js';
import { PAGE_SAMPLES } from './streamed-clip.js';

const run = promisify(execFile);

/** Reads a whole clip as a player does, frame by frame. */
async function readAll(clips: ClipCache, path: string, rateHz: LegRate): Promise<Int16Array> {
  const clip = await clips.load(path, rateHz);
  await clip.whenReady(Number.MAX_SAFE_INTEGER);
  const out = new Int16Array(clip.length);
  for (let at = 0; at < out.length; at += 160) clip.copy(at, out, at, 160);
  return out;
}

const ffmpegIsThere = await run('ffmpeg', ['-version']).then(
  () => true,
  () => false,
);
const FFMPEG = { skip: ffmpegIsThere ? false : 'ffmpeg is not installed' };

/** Both channels as loud as the one of the source: ffmpeg's `-ac 2` makes them softer. */
const STEREO = ['-af', 'pan=stereo|c0=c0|c1=c0'];

/** name, options of ffmpeg, least correlation */
const FORMATS: readonly [string, string[], number][] = [
  ['u8.wav', ['-ar', '8000', '-c:a', 'pcm_u8'], 0.99],
  ['s16.wav', ['-ar', '11025', '-c:a', 'pcm_s16le'], 0.99],
  ['s24.wav', ['-ar', '44100', '-c:a', 'pcm_s24le'], 0.99],
  ['s32.wav', ['-ar', '48000', ...STEREO, '-c:a', 'pcm_s32le'], 0.99],
  ['float.wav', ['-ar', '32000', '-c:a', 'pcm_f32le'], 0.99],
  ['alaw.wav', ['-ar', '8000', '-c:a', 'pcm_alaw'], 0.99],
  ['ulaw.wav', ['-ar', '16000', ...STEREO, '-c:a', 'pcm_mulaw'], 0.99],
  ['tagged.wav', ['-ar', '8000', '-metadata', 'title=A title', '-write_bext', '1'], 0.99],
  ['be.aiff', ['-ar', '22050', ...STEREO], 0.99],
  ['raw.r8', ['-ar', '8000', '-f', 's16le'], 0.99],
  ['raw.r16', ['-ar', '16000', '-f', 's16le'], 0.99],
  ['raw.sln', ['-ar', '8000', '-f', 's16le'], 0.99],
  ['raw.PCMU', ['-ar', '8000', '-f', 'mulaw'], 0.99],
  ['raw.PCMA', ['-ar', '8000', '-f', 'alaw'], 0.99],
  ['mono8.mp3', ['-ar', '8000', '-b:a', '32k'], 0.97],
  ['mono16.mp3', ['-ar', '16000', '-b:a', '48k'], 0.97],
  ['stereo44.mp3', ['-ar', '44100', ...STEREO, '-b:a', '128k', '-metadata', 'title=A title'], 0.97],
  ['vbr48.mp3', ['-ar', '48000', '-q:a', '4'], 0.97],
  ['mono.opus', ['-c:a', 'libopus', '-b:a', '32k'], 0.95],
  ['stereo.ogg', [...STEREO, '-c:a', 'libopus', '-b:a', '64k'], 0.95],
];

t.test(
  'every format that ffmpeg writes is decoded to the same sound, at 8 and 16 kHz, in its full loudness',
  FFMPEG,
  async (t) => {
    const dir = await folder(t);
    const source = join(dir, 'source.wav');
    await writeFile(source, writeWav(chirp(900, 48_000), 48_000));
    const clips = new ClipCache();
    for (const [name, options, least] of FORMATS) {
      const path = join(dir, name);
      await run('ffmpeg', ['-v', 'error', '-i', source, ...options, path]);
      for (const rateHz of [8000, 16_000] as const) {
        const pcm = await readAll(clips, path, rateHz);
        const wanted = chirp(800, rateHz);
        const { coefficient, lag } = correlate(pcm, wanted);
        t.ok(coefficient > least, `${name} at ${rateHz} Hz: ${coefficient}`);
        const loudness = rms(pcm, lag, lag + wanted.length) / rms(wanted);
        t.ok(loudness > 0.93 && loudness < 1.07, `${name} at ${rateHz} Hz is ${loudness} times as loud`);
        t.ok(Math.abs(pcm.length / rateHz - 0.9) < 0.15, `${name} lasts ${pcm.length / rateHz} s`);
      }
    }
  },
);

t.test('WAVE_FORMAT_EXTENSIBLE, odd chunks and files that were cut off play as far as they go', async (t) => {
  const dir = await folder(t);
  const sound = chirp(400);
  const wav = writeWav(sound, 8000);
  const format = Buffer.alloc(48);
  format.write('fmt ', 0, 'latin1');
  format.writeUInt32LE(40, 4);
  wav.copy(format, 8, 20, 36);
  format.writeUInt16LE(0xfffe, 8);
  format.writeUInt16LE(22, 24);
  format.writeUInt16LE(16, 26);
  format.writeUInt16LE(1, 32);
  const odd = Buffer.from('junk\x03\0\0\0abc\0', 'latin1');
  const files: [string, Buffer, number][] = [
    ['extensible.wav', Buffer.concat([wav.subarray(0, 12), odd, format, odd, wav.subarray(36)]), 3200],
    ['cut.wav', wav.subarray(0, 44 + 2001), 1000],
    ['piped.wav', Buffer.concat([wav.subarray(0, 40), Buffer.from([255, 255, 255, 255]), wav.subarray(44)]), 3200],
  ];
  const clips = new ClipCache();
  for (const [name, bytes, samples] of files) {
    await writeFile(join(dir, name), bytes);
    t.same(await readAll(clips, join(dir, name), 8000), sound.subarray(0, samples), name);
  }
});

t.test('what cannot be played says why', async (t) => {
  const dir = await folder(t);
  const vorbis = Buffer.concat([
    Buffer.from('OggS\0\x02', 'latin1'),
    Buffer.alloc(20),
    Buffer.from([1, 30]),
    Buffer.from('\x01vorbis', 'latin1'),
    Buffer.alloc(23),
  ]);
  const files: [string, Buffer, RegExp][] = [
    ['empty.wav', Buffer.alloc(0), /empty/],
    ['page.mp3', Buffer.from('<html>not found</html>'), /not an audio file/],
    ['some.flac', Buffer.from('fLaC and more'), /FLAC/],
    ['vorbis.ogg', vorbis, /Vorbis/],
    ['noise.mp3', Buffer.concat([Buffer.from('ID3'), Buffer.alloc(5000)]), /no sound/],
    [
      'quad.wav',
      (() => {
        const wav = writeWav(new Int16Array(8), 8000);
        wav.writeUInt16LE(6, 22);
        return wav;
      })(),
      /6 channels/,
    ],
  ];
  const clips = new ClipCache();
  for (const [name, bytes, problem] of files) {
    await writeFile(join(dir, name), bytes);
    await t.rejects(clips.load(join(dir, name), 8000), { message: problem }, name);
  }
  await t.rejects(clips.load(join(dir, 'none.wav'), 8000), { code: 'ENOENT' });
  await t.rejects(clips.load(dir, 8000), { message: /not a file/ });
});

t.test('the same file is read once for all that want it, and again when it has changed', async (t) => {
  const path = join(await folder(t), 'prompt.wav');
  await writeFile(path, writeWav(chirp(100), 8000));
  const clips = new ClipCache();
  const [one, two] = await Promise.all([clips.load(path, 8000), clips.load(path, 8000)]);
  t.equal(one, two);
  await writeFile(path, writeWav(chirp(200), 8000));
  const changed = await clips.load(path, 8000);
  t.not(changed, one);
  t.equal(changed.length, 1600);
});

t.test('an MP3 longer than a page is the same sound throughout', FFMPEG, async (t) => {
  const dir = await folder(t);
  const sound = chirp(3000);
  await writeFile(join(dir, 'long.wav'), writeWav(sound, 8000));
  await run('ffmpeg', ['-v', 'error', '-i', join(dir, 'long.wav'), '-ar', '44100', join(dir, 'long.mp3')]);
  const pcm = await readAll(new ClipCache(), join(dir, 'long.mp3'), 8000);
  t.ok(pcm.length > 5 * PAGE_SAMPLES);
  const { lag } = correlate(pcm.subarray(0, 8000), sound.subarray(0, 4000));
  for (let at = 0; at + 4000 <= sound.length; at += 4000) {
    const there = pcm.subarray(lag + at, lag + at + 4000);
    const { coefficient } = correlate(there, sound.subarray(at, at + there.length));
    t.ok(coefficient > 0.97, `at ${at}: ${coefficient}`);
  }
});

t.test('a long MP3 can be played as soon as its first page is decoded', FFMPEG, async (t) => {
  const path = join(await folder(t), 'long.mp3');
  await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=frequency=700:duration=120', path]);
  const clips = new ClipCache();
  clips.warmUp();
  const clip = await clips.load(path, 8000);
  t.equal(clip.length, Number.POSITIVE_INFINITY, 'its end is not known yet');
  const frame = new Int16Array(160);
  t.equal(clip.copy(0, frame, 0, 160), 160);
  await clip.whenReady(Number.MAX_SAFE_INTEGER);
  t.ok(Math.abs(clip.length - 960_000) < 2000, `${clip.length}`);
});

t.test(
  'the cache counts what clips take in memory, not their files: small files of odd rates do not fill it',
  async (t) => {
    const clips = new ClipCache();
    const dir = await folder(t);
    for (let i = 0; i < 150; i++) {
      const path = join(dir, `${i}.wav`);
      // 8,000 and 47,999 have no common divisor: converting takes a table of 590 KB.
      await writeFile(path, writeWav(chirp(20, 8000), 47_999));
      await clips.load(path, 8000);
    }
    t.ok(clips.heldBytes > 32 * 1024 * 1024, `${clips.heldBytes}`);
    t.ok(clips.heldBytes <= 64 * 1024 * 1024, `${clips.heldBytes}`);
    const last = await clips.load(join(dir, '149.wav'), 8000);
    last.copy(0, new Int16Array(last.length), 0, last.length);
    t.ok(last.heldBytes < 1024, 'what decodes is given up when all is decoded');
  },
);
