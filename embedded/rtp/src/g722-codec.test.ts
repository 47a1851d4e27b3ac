import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import t from 'tap';
import { rms, toneShare } from './analysis.js';
import { frameSamples } from './codec.js';
import { createCodec } from './codecs.js';
import { tone } from './tone.js';

/** Everything that the quantisers and predictors must follow: tones in both bands, noise, full scale, silence. Integers only. */
function testSignal(): Int16Array {
  const pcm = new Int16Array(16000 * 3);
  let noise = 12345;
  for (let i = 0; i < pcm.length; i++) {
    noise = (Math.imul(noise, 1103515245) + 12345) | 0;
    const part = Math.floor(i / 4000);
    if (part < 3) pcm[i] = ((i * (7 + 20 * part)) % 2000) * 10 - 10000;
    else if (part < 6) pcm[i] = noise >> (14 + 2 * part);
    else if (part < 8) pcm[i] = i % (4 * part) < 2 * part ? 32767 : -32768;
    else if (part < 9) pcm[i] = 0;
    else pcm[i] = ((((i * i) >> 9) % 400) - 200) * 60 + (noise >> 22);
  }
  return pcm;
}

function encodeAll(pcm: Int16Array): Uint8Array {
  const codec = createCodec('G722');
  const out = new Uint8Array(pcm.length / 2);
  const frame = frameSamples(16000);
  for (let at = 0; at < pcm.length; at += frame) codec.encode(pcm, at, frame, out, at / 2);
  return out;
}

function decodeAll(bytes: Uint8Array): Int16Array {
  const codec = createCodec('G722');
  const out = new Int16Array(bytes.length * 2);
  for (let at = 0; at < bytes.length; at += 160) codec.decode(bytes, at, 160, out, at * 2);
  return out;
}

const bytesOf = (pcm: Int16Array): Buffer => Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;

function ffmpeg(input: Uint8Array, from: string[], to: string[]): Buffer {
  const args = ['-v', 'error', ...from, '-i', 'pipe:0', ...to, 'pipe:1'];
  const result = spawnSync('ffmpeg', args, { input, maxBuffer: 1 << 24 });
  if (result.status !== 0) throw new Error(String(result.stderr));
  return result.stdout;
}

const RAW = ['-f', 's16le', '-ar', '16000', '-ac', '1'];

t.test('G.722 agrees bit by bit with what ffmpeg made of the same signal', (t) => {
  const encoded = encodeAll(testSignal());
  t.equal(digest(encoded), '66971d8c39ac49b82a9f6cedc59b1645727f8eae959513cc15eacbc7cc38e2df');
  t.equal(digest(bytesOf(decodeAll(encoded))), '69105bc6c53d0a2dd7a7772742127fde8bd0aa13a1e7b84c7b40da0e301313bd');
  t.end();
});

t.test(
  'G.722 agrees bit by bit with the ffmpeg of this machine',
  { skip: hasFfmpeg ? false : 'ffmpeg is not installed' },
  (t) => {
    const signal = testSignal();
    const encoded = ffmpeg(bytesOf(signal), RAW, ['-c:a', 'g722', '-f', 'g722']);
    t.ok(encoded.equals(encodeAll(signal)), 'encoder');
    const decoded = ffmpeg(encoded, ['-f', 'g722'], ['-f', 's16le', '-ar', '16000']);
    t.ok(decoded.equals(bytesOf(decodeAll(encoded))), 'decoder');
    // Any byte is a codeword: what a broken sender makes is decoded as ffmpeg decodes it.
    const noise = createHash('shake256', { outputLength: 16000 }).update('any bytes').digest();
    const ours = bytesOf(decodeAll(noise));
    t.ok(ffmpeg(noise, ['-f', 'g722'], ['-f', 's16le', '-ar', '16000']).equals(ours), 'noise');
    t.end();
  },
);

t.test('G.722 carries tones up to 7 kHz', (t) => {
  for (const hz of [300, 1000, 3500, 5000, 6800]) {
    const sound = tone(hz, 500, -12, 16000);
    const heard = decodeAll(encodeAll(sound));
    t.ok(toneShare(heard, hz, 16000, 2000, 7000) > 0.97, `${hz} Hz is clean`);
    const lossDb = 20 * Math.log10(rms(heard, 2000, 7000) / rms(sound, 2000, 7000));
    t.ok(Math.abs(lossDb) < 0.5, `${hz} Hz: ${lossDb.toFixed(2)} dB`);
  }
  t.end();
});
