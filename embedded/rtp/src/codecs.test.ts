import t from 'tap';
import { correlate, rms } from './analysis.js';
import { type AudioCodec, frameSamples } from './codec.js';
import { CODEC_IDS, codecFormat, codecOfStaticPayloadType, createCodec, parseCodecId } from './codecs.js';

t.before(async () => {
  for (const id of CODEC_IDS) await codecFormat(id).load?.();
});

async function open(
  t: { teardown(fn: () => unknown): void },
  ...args: Parameters<typeof createCodec>
): Promise<AudioCodec> {
  const codec = createCodec(...args);
  t.teardown(() => codec.close());
  // A codec whose library is loaded is ready when this turn of the event loop is over.
  await new Promise((resolve) => setImmediate(resolve));
  return codec;
}

/** Speech-like: a sweep whose every part is different, with pauses. */
function sweep(rateHz: number): Int16Array {
  return Int16Array.from({ length: rateHz * 2 }, (_, i) => {
    const s = i / rateHz;
    return s % 1 > 0.9 ? 0 : 9000 * Math.sin(2 * Math.PI * (300 * s + 500 * s * s));
  });
}

function through(
  encoder: AudioCodec,
  decoder: AudioCodec,
  pcm: Int16Array,
  packetMs: number,
): { heard: Int16Array; bytes: number } {
  const { rateHz, maxPayloadBytes } = encoder.format;
  const samples = (rateHz * packetMs) / 1000;
  const packet = new Uint8Array(12 + maxPayloadBytes(packetMs));
  const heard = new Int16Array(pcm.length + samples);
  let at = 0;
  let bytes = 0;
  for (let i = 0; i + samples <= pcm.length; i += samples) {
    const length = encoder.encode(pcm, i, samples, packet, 12);
    if (length > maxPayloadBytes(packetMs)) throw new RangeError(`${length} bytes`);
    bytes += length;
    at += decoder.decode(packet, 12, length, heard, at);
  }
  return { heard: heard.subarray(0, at), bytes };
}

for (const id of CODEC_IDS) {
  t.test(`${id}: what goes in comes out, in packets of every length`, async (t) => {
    const format = codecFormat(id);
    const sound = sweep(format.rateHz);
    for (const packetMs of format.packetMs) {
      const { heard } = through(await open(t, id), await open(t, id), sound, packetMs);
      t.ok(heard.length >= sound.length - frameSamples(format.rateHz) * 3, `${packetMs} ms: whole`);
      const match = correlate(heard, sound.subarray(0, sound.length / 2));
      t.ok(match.coefficient > 0.97, `${packetMs} ms: correlation ${match.coefficient.toFixed(4)}`);
      t.ok(match.lag >= 0 && match.lag < format.rateHz / 50, `${packetMs} ms: delay ${match.lag} samples`);
      const level = 20 * Math.log10(rms(heard) / rms(sound));
      t.ok(Math.abs(level) < 1, `${packetMs} ms: level ${level.toFixed(2)} dB`);
    }
  });

  t.test(`${id}: no payload throws, writes past its buffer or spoils the next good packet for long`, async (t) => {
    const codec = await open(t, id);
    const encoder = await open(t, id);
    const { rateHz } = codec.format;
    const pcm = new Int16Array(frameSamples(rateHz) * 6 + 8);
    let seed = 1;
    for (let i = 0; i < 3000; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      const payload = Uint8Array.from({ length: (seed >>> 8) % 400 }, (_, k) => Math.imul(seed, k + 7) >>> 13);
      const room = i % 3 === 0 ? 100 : pcm.length - 8;
      pcm.fill(7);
      const samples = codec.decode(payload, 0, payload.length, pcm.subarray(0, room), 0);
      if (samples < 0 || samples > room || pcm[room] !== 7) t.fail(`packet ${i}: ${samples} samples`);
    }
    const sound = sweep(rateHz);
    const { heard } = through(encoder, codec, sound, 20);
    t.ok(correlate(heard.subarray(rateHz / 2), sound.subarray(rateHz / 2, rateHz)).coefficient > 0.95);
  });
}

t.test('Opus: what the peer asks for is kept', async (t) => {
  const sound = sweep(16000);
  const bitrate = async (parameters: string): Promise<number> =>
    (through(await open(t, 'opus', parameters), await open(t, 'opus'), sound, 20).bytes * 8) / 2;
  const usual = await bitrate('');
  t.ok(usual > 10_000 && usual < 34_000, `${usual} bit/s`);
  const low = await bitrate('maxaveragebitrate=12000');
  t.ok(low < 15_000, `${low} bit/s of 12000`);
  const { heard } = through(
    await open(t, 'opus', 'maxplaybackrate=8000'),
    await open(t, 'opus'),
    Int16Array.from(sweep(16000), (sample, i) => (i % 2 ? -sample : sample)),
    20,
  );
  t.ok(rms(heard) < 2000, 'a narrowband peer is not sent what it cannot play');
});

t.test('Opus: a lost packet is concealed, not silent', async (t) => {
  const encoder = await open(t, 'opus');
  const decoder = await open(t, 'opus');
  const sound = Int16Array.from({ length: 16000 }, (_, i) => 9000 * Math.sin((2 * Math.PI * 400 * i) / 16000));
  const packet = new Uint8Array(1275);
  const pcm = new Int16Array(320);
  for (let i = 0; i < 20; i++) decoder.decode(packet, 0, encoder.encode(sound, i * 320, 320, packet, 0), pcm, 0);
  decoder.conceal?.(pcm, 0, 320);
  t.ok(rms(pcm) > 4000, `level ${rms(pcm)}`);
});

t.test('names and static payload types', (t) => {
  t.same(['PCMU', 'g722', ' Opus ', 'L16', 'l16@16000H', 'G729', ''].map(parseCodecId), [
    'PCMU',
    'G722',
    'opus',
    'L16@8000h',
    'L16@16000h',
    undefined,
    undefined,
  ]);
  t.same([0, 8, 9, 13, 97].map(codecOfStaticPayloadType), ['PCMU', 'PCMA', 'G722', undefined, undefined]);
  t.equal(new Set(CODEC_IDS.map((id) => codecFormat(id).payloadType)).size, CODEC_IDS.length);
  t.end();
});
