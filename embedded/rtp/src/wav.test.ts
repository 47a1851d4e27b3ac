import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { constants, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { correlate, goertzel, rms, toneShare } from './analysis.js';
import { WavFormatError } from './errors.js';
import { LINEAR_TO_ALAW } from './g711.js';
import { resample } from './resampler.js';
import { tone } from './tone.js';
import { parseWav, readWav, readWavAt, wavHeader, writeWav } from './wav.js';
import { WavRecorder } from './wav-recorder.js';

t.test('a tone at each usual rate keeps its pitch and level at 8 kHz', (t) => {
  for (const rate of [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]) {
    const wav = writeWav(tone(1000, 500, -10, rate), rate);
    const pcm = readWavAt(wav, 8000);
    t.ok(Math.abs(pcm.length - 4000) <= 1, `${rate}: ${pcm.length} samples`);
    t.ok(toneShare(pcm, 1000, 8000, 200, 3800) > 0.999, `${rate} is a pure tone`);
    const amplitude = goertzel(pcm, 1000, 8000, 200, 3800);
    t.ok(Math.abs(20 * Math.log10(amplitude / 32767) + 10) < 0.2, `${rate} keeps its level`);
  }
  t.end();
});

t.test('what is above the new band does not alias into it', (t) => {
  const pcm = resample(tone(5500, 500, -3, 48000), 48000, 8000);
  t.ok(rms(pcm, 200, pcm.length - 200) < 20, `level ${rms(pcm, 200, pcm.length - 200)}`);
  t.end();
});

t.test('stereo is mixed to mono and 8, 16, 24 bit, A-law all read', (t) => {
  const mono = tone(440, 200);
  const stereo = new Int16Array(mono.length * 2);
  for (let i = 0; i < mono.length; i++) stereo[i * 2] = mono[i]!;
  t.ok(toneShare(readWav(writeWav(stereo, 8000, 2)).pcm, 440) > 0.99);
  const variants: [bits: number, tag: number, body: Buffer][] = [
    [8, 1, Buffer.from(Uint8Array.from(mono, (s) => (s >> 8) + 128))],
    [8, 6, Buffer.from(Uint8Array.from(mono, (s) => LINEAR_TO_ALAW[s & 0xffff]!))],
    [24, 1, Buffer.from([...mono].flatMap((s) => [0, s & 0xff, (s >> 8) & 0xff]))],
  ];
  for (const [bits, tag, body] of variants) {
    const header = wavHeader(8000, 1, body.length);
    header.writeUInt16LE(tag, 20);
    header.writeUInt16LE(bits, 34);
    const { pcm } = readWav(Buffer.concat([header, body]));
    t.equal(pcm.length, mono.length);
    t.ok(correlate(pcm, mono).coefficient > 0.99, `${bits} bits, format ${tag}`);
  }
  t.end();
});

t.test('32-bit integers and 32-bit floats read, and floats beyond full scale are cut', (t) => {
  const mono = tone(440, 200);
  const integers = Buffer.alloc(mono.length * 4);
  const floats = Buffer.alloc(mono.length * 4);
  mono.forEach((sample, i) => {
    integers.writeInt32LE(sample * 65_536, i * 4);
    floats.writeFloatLE(sample / 32_768, i * 4);
  });
  const file = (tag: number, body: Buffer): Buffer => {
    const header = wavHeader(8000, 1, body.length);
    header.writeUInt16LE(tag, 20);
    header.writeUInt16LE(32, 34);
    return Buffer.concat([header, body]);
  };
  t.same(readWav(file(1, integers)).pcm, mono);
  t.same(readWav(file(3, floats)).pcm, mono);
  const extremes = Buffer.alloc(16);
  [2, -2, Number.NaN, -1].forEach((value, i) => void extremes.writeFloatLE(value, i * 4));
  t.same(readWav(file(3, extremes)).pcm, Int16Array.of(32_767, -32_768, 0, -32_768));
  t.end();
});

t.test('chunks before the audio are skipped and a data size that lies is cut', (t) => {
  const wav = writeWav(tone(440, 20), 8000);
  const list = Buffer.from('LIST\x05\x00\x00\x00INFOx\x00', 'latin1');
  const file = Buffer.concat([wav.subarray(0, 36), list, wav.subarray(36)]);
  file.writeUInt32LE(0xffffffff, 36 + list.length + 4);
  t.equal(parseWav(file).frames, 160);
  t.end();
});

t.test('garbage is a typed error', (t) => {
  const wav = writeWav(tone(440, 20), 8000);
  const noChannels = Buffer.from(wav);
  noChannels.writeUInt16LE(0, 22);
  const strangeRate = Buffer.from(wav);
  strangeRate.writeUInt32LE(192000, 24);
  const mp3 = Buffer.from(wav);
  mp3.writeUInt16LE(0x55, 20);
  const cases: [Buffer, string][] = [
    [Buffer.alloc(0), 'wav/not-wave'],
    [Buffer.from('<html>not found</html>'), 'wav/not-wave'],
    [wav.subarray(0, 30), 'wav/truncated'],
    [wav.subarray(0, 40), 'wav/truncated'],
    [noChannels, 'wav/unsupported'],
    [strangeRate, 'wav/unsupported'],
    [mp3, 'wav/unsupported'],
  ];
  for (const [file, code] of cases) {
    t.throws(() => readWav(file), { code });
    t.throws(() => readWav(file), WavFormatError);
  }
  t.end();
});

t.test('a recording is a WAV file of what was written', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rtp-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'out.wav');
  const recorder = await WavRecorder.open(path);
  const sound = tone(700, 5000);
  for (let i = 0; i < sound.length; i += 160) recorder.write(sound.subarray(i, i + 160));
  const result = await recorder.close();
  t.match(result, { path, samples: 40000, seconds: 5 });
  t.same(readWav(await readFile(path)).pcm, sound);
  t.equal(await recorder.close(), result, 'closing twice is the same');
});

t.test('a FIFO and a socket are not recorded into, whether anybody reads them or not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rtp-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const socket = createServer().listen(join(folder, 'socket'));
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const fifo = join(folder, 'fifo');
  await promisify(execFile)('mkfifo', [fifo]);
  for (const append of [false, true]) {
    for (const path of [fifo, join(folder, 'socket')]) {
      await t.rejects(WavRecorder.open(path, { append }), { code: 'recording/not-a-file' }, `${path} ${append}`);
    }
  }
  const reader = await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => reader.close());
  await t.rejects(WavRecorder.open(fifo), { code: 'recording/not-a-file' });
});
