import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CodecId,
  codecFormat,
  correlate,
  goertzel,
  type LegRate,
  readWavAt,
  resample,
  tone,
  toneShare,
} from '@ringwire/rtp';
import t from 'tap';
import { readOptions } from './options.js';
import { chirp, folder, type PhoneMedia, refused, startServer, TestCaller, wavFile } from './test-peer.js';

const ALL: CodecId[] = ['PCMU', 'PCMA', 'G722', 'opus', 'L16@16000h', 'L16@8000h'];

t.before(() => Promise.all(ALL.map((id) => codecFormat(id).load?.())));

/**
 * How well each 300 ms of what was said are found in what was heard; the median, because a pause of a busy machine spoils what is
 * around it, while a wrong codec spoils all. At 16 kHz always, where the filters' delays are whole samples.
 */
function resemblance(heard: Int16Array, said: Int16Array, rateHz: LegRate): number {
  const [found, wanted] = [resample(heard, rateHz, 16000), resample(said, rateHz, 16000)];
  const parts: number[] = [];
  for (let at = 0; at + 4800 <= wanted.length; at += 4800) {
    parts.push(correlate(found, wanted.subarray(at, at + 4800)).coefficient);
  }
  return parts.sort((a, b) => a - b)[parts.length >> 1] ?? 0;
}

const decibels = (ratio: number): number => 20 * Math.log10(ratio);

/** A sweep that every codec carries: 300 Hz to 2 kHz. */
const speech = (rateHz: LegRate, seed = 1): Int16Array => chirp(2100, rateHz, seed);

for (const codec of ALL) {
  t.test(`${codec}: a file is heard, and what is said is recorded`, async (t) => {
    const server = await startServer(t);
    const { rateHz, name } = codecFormat(codec);
    const { media, esl, uuid, dialog } = await (await TestCaller.create(t, server)).call([codec], {}, { rateHz });
    t.equal(media.agreement?.codec, codec, dialog.remoteSdp);
    const played = speech(16000);
    const heard = await playAndHear(t, media, esl, uuid, played);
    const sent = readWavAt(await readFile(heard.path), rateHz);
    t.ok(resemblance(heard.pcm, sent, rateHz) > 0.95, `heard: ${resemblance(heard.pcm, sent, rateHz)}`);
    const path = join(await folder(t), 'said.wav');
    const said = speech(rateHz, 2);
    const recording = esl.execute(uuid, 'record', `${path} 3`);
    await esl.event((event) => event['Event-Name'] === 'RECORD_START');
    media.say(said);
    await recording;
    const recorded = readWavAt(await readFile(path), rateHz);
    t.ok(resemblance(recorded, said, rateHz) > 0.95, `recorded: ${resemblance(recorded, said, rateHz)}`);
    t.equal(await esl.api(`uuid_getvar ${uuid} read_codec`), name);
    t.equal(await esl.api(`uuid_getvar ${uuid} read_rate`), String(rateHz));
    media.press('5');
    await esl.event((event) => event['Event-Name'] === 'DTMF' && event['DTMF-Digit'] === '5');
    await esl.api(`uuid_send_dtmf ${uuid} 42@100`);
    while (media.digits.length < 2) await media.hears(20);
    t.same(media.digits, ['4', '2']);
  });
}

async function playAndHear(
  t: Parameters<typeof wavFile>[0],
  media: PhoneMedia,
  esl: Awaited<ReturnType<TestCaller['call']>>['esl'],
  uuid: string,
  pcm: Int16Array,
): Promise<{ pcm: Int16Array; path: string }> {
  const path = await wavFile(t, pcm, 16000);
  await esl.execute(uuid, 'playback', path);
  await media.hears(200);
  return { pcm: media.heard, path };
}

const PAIRS: [CodecId, CodecId][] = [
  ['PCMU', 'G722'],
  ['PCMU', 'opus'],
  ['PCMU', 'L16@16000h'],
  ['PCMA', 'L16@8000h'],
  ['G722', 'opus'],
  ['opus', 'L16@16000h'],
  ['G722', 'L16@8000h'],
];

for (const [one, other] of PAIRS) {
  t.test(`a bridge between ${one} and ${other} carries both ways at the same level`, async (t) => {
    const server = await startServer(t, ['--workers', '2']);
    const caller = await TestCaller.create(t, server);
    const a = await caller.call([one], {}, { rateHz: codecFormat(one).rateHz });
    const b = await caller.call([other], {}, { rateHz: codecFormat(other).rateHz });
    await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
    const phones = [a.media, b.media];
    // Speech, a steady tone that shows the level, and one of 5.5 kHz that shows what becomes of wideband; both ways at once, and
    // judged at the end: while this process computes, its phones say nothing.
    const say = async (sound: (rateHz: LegRate) => Int16Array, ms: number): Promise<number[]> => {
      for (const phone of phones) phone.say(sound(phone.rateHz));
      await Promise.all(phones.map((phone) => phone.hears(ms)));
      return phones.map((phone) => phone.heard.length);
    };
    const spoken = await say(speech, 2500);
    const low = await say((rateHz) => tone(1000, 5000, -20, rateHz), 1200);
    const high = await say((rateHz) => tone(rateHz === 16000 ? 5500 : 2500, 5000, -20, rateHz), 1200);
    for (const [i, to] of phones.entries()) {
      const from = phones[1 - i]!;
      const { heard, rateHz } = to;
      const score = resemblance(heard.subarray(0, spoken[i]), speech(rateHz), rateHz);
      t.ok(score > 0.95, `${from.agreement?.codec} → ${to.agreement?.codec}: ${score.toFixed(4)}`);
      const change = levelOf(heard, 1000, rateHz, low[i]!);
      t.ok(Math.abs(change) < 1, `level changes by ${change.toFixed(2)} dB`);
      if (from.rateHz === 8000) continue;
      const wide = levelOf(heard, rateHz === 16000 ? 5500 : 2500, rateHz, high[i]!);
      if (rateHz === 16000) t.ok(wide > -3, `5.5 kHz passes: ${wide.toFixed(2)} dB`);
      else t.ok(wide < -40, `5.5 kHz does not fold back to 2.5: ${wide.toFixed(2)} dB`);
    }
  });
}

/** Level of a tone over half a second before `end`, in dB against −20 dBFS: the median of 50 ms, which a lost packet does not change. */
function levelOf(heard: Int16Array, hz: number, rateHz: LegRate, end: number): number {
  const length = rateHz / 20;
  const levels = Array.from({ length: 10 }, (_, i) =>
    goertzel(heard, hz, rateHz, end - (i + 1) * length, end - i * length),
  );
  return decibels(levels.sort((one, other) => one - other)[5]! / (32767 * 10 ** (-20 / 20)));
}

for (const [codec, times] of [
  ['PCMU', [10, 30, 40]],
  ['G722', [10, 40]],
  ['opus', [10, 40]],
] as const) {
  for (const ptimeMs of times) {
    t.test(`${codec} in packets of ${ptimeMs} ms both ways`, async (t) => {
      const server = await startServer(t);
      const { rateHz, clockHz } = codecFormat(codec);
      const { media, esl, uuid } = await (await TestCaller.create(t, server)).call([codec], {}, { rateHz, ptimeMs });
      t.equal(media.agreement?.ptimeMs, ptimeMs);
      const path = join(await folder(t), 'said.wav');
      await esl.api(`uuid_setvar ${uuid} RECORD_READ_ONLY true`);
      await esl.execute(uuid, 'record_session', path);
      media.say(speech(rateHz, 2));
      const heard = await playAndHear(t, media, esl, uuid, speech(16000));
      await esl.execute(uuid, 'stop_record_session', path);
      await esl.event((event) => event['Event-Name'] === 'RECORD_STOP');
      t.ok(resemblance(heard.pcm, speech(rateHz), rateHz) > 0.95, 'heard');
      const recorded = readWavAt(await readFile(path), rateHz);
      t.ok(resemblance(recorded, speech(rateHz, 2), rateHz) > 0.95, 'recorded');
      const steps = media.packets.slice(1).map((packet, i) => packet.timestamp - media.packets[i]!.timestamp);
      const regular = steps.filter((step) => step === (ptimeMs * clockHz) / 1000).length;
      t.ok(regular > steps.length * 0.9, `${regular} of ${steps.length} packets of ${ptimeMs} ms`);
      t.equal(await esl.api(`uuid_getvar ${uuid} rtp_use_codec_ptime`), String(ptimeMs));
    });
  }
}

t.test('a re-INVITE changes the codec in the middle of a tone without a click', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(['PCMU'], {}, { rateHz: 8000 });
  const playing = esl.execute(uuid, 'playback', 'tone_stream://v=-12;%(8000,0,440)');
  await media.hears(500);
  for (const codec of ['G722', 'L16@8000h', 'L16@16000h', 'PCMA'] as const) {
    await dialog.reinvite(media.offer([codec]));
    media.start(dialog.remoteSdp);
    t.equal(media.agreement?.codec, codec);
    await media.hears(500);
  }
  await esl.api(`uuid_break ${uuid} all`);
  await playing;
  const { packets, heard } = media;
  t.same([...new Set(packets.map(({ payloadType }) => payloadType))], [0, 9, 98, 97, 8]);
  t.equal(
    packets.filter(({ sequence }, i) => i > 0 && sequence !== ((packets[i - 1]!.sequence + 1) & 0xffff)).length,
    0,
    'sequence numbers go on',
  );
  const jumps = packets.slice(1).filter(({ timestamp, payloadType }, i) => {
    const clockHz = packets[i]!.payloadType === 97 ? 16000 : 8000;
    return timestamp - packets[i]!.timestamp !== clockHz / 50 && payloadType !== packets[i]!.payloadType;
  });
  t.same(jumps, [], 'timestamps go on');
  t.ok(new Set(packets.map(({ timestamp }) => timestamp)).size === packets.length);
  // Codecs differ in the delay of their filters, so that a change shifts the tone by one or two ms; it must neither gap nor burst.
  const body = heard.subarray(800, heard.length - 1600);
  const impure = Array.from({ length: Math.floor(body.length / 160) }, (_, i) =>
    toneShare(body, 440, 8000, i * 160, (i + 1) * 160),
  ).filter((share) => share < 0.95).length;
  t.ok(impure <= 8, `${impure} of ${Math.floor(body.length / 160)} frames are not the tone`);
  t.ok(Math.max(...body) < 32767 * 10 ** (-12 / 20) * 1.3, `peak ${Math.max(...body)}`);
});

t.test('a bridge goes on when one side changes to wideband and back', async (t) => {
  const server = await startServer(t, ['--workers', '2']);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call(['PCMU'], {}, { rateHz: 16000 });
  const b = await caller.call(['G722'], {}, { rateHz: 16000 });
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  b.media.say(tone([1000, 5500], 30_000, -14, 16000));
  const wideShare = async (): Promise<number> => {
    await a.media.hears(1000);
    const { heard } = a.media;
    const difference = levelOf(heard, 5500, 16000, heard.length) - levelOf(heard, 1000, 16000, heard.length);
    return 10 ** (difference / 20);
  };
  t.ok((await wideShare()) < 0.02, 'narrowband');
  await a.dialog.reinvite(a.media.offer(['opus']));
  a.media.start(a.dialog.remoteSdp);
  t.ok((await wideShare()) > 0.6, 'wideband on both sides');
  await a.dialog.reinvite(a.media.offer(['PCMU']));
  a.media.start(a.dialog.remoteSdp);
  t.ok((await wideShare()) < 0.02, 'narrowband again');
});

t.test('only the codecs of --codecs are taken, and offered in its order', async (t) => {
  const server = await startServer(t, ['--codecs', 'G722,PCMA']);
  const caller = await TestCaller.create(t, server);
  await refused(t, 488, caller.call(['PCMU']));
  await refused(t, 488, caller.call(['opus']));
  const { media } = await caller.call(['PCMU', 'PCMA', 'G722']);
  t.equal(media.agreement?.codec, 'PCMA', "the offer's order counts");
  t.same(readOptions(['--codecs', 'opus,l16,PCMU,opus']).codecs, ['opus', 'L16@8000h', 'PCMU']);
  t.throws(() => readOptions(['--codecs', 'PCMU,G729']), { message: /--codecs: expected names of PCMU, .*, got G729/ });
});

t.test('what an answer says of Opus, G.722, events and comfort noise', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const answerTo = async (...lines: string[]): Promise<string[]> => {
    const media = await caller.call(['PCMU']);
    await media.dialog.reinvite(
      ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...lines, ''].join('\r\n'),
    );
    return media.dialog.remoteSdp.split('\r\n').filter((line) => /^(m|a)=/.test(line));
  };
  const opus = await answerTo(
    'm=audio 40000 RTP/AVP 111 110 126 0',
    'a=rtpmap:111 opus/48000/2',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=rtpmap:110 telephone-event/48000',
    'a=rtpmap:126 telephone-event/8000',
  );
  t.match(opus[0], /RTP\/AVP 111 110$/);
  t.match(opus, [
    /./,
    'a=rtpmap:111 opus/48000/2',
    /a=fmtp:111 .*useinbandfec=1/,
    'a=rtpmap:110 telephone-event/48000',
    'a=fmtp:110 0-16',
    'a=ptime:20',
    'a=sendrecv',
  ]);
  const noise = await answerTo(
    'm=audio 40000 RTP/AVP 13 9 101',
    'a=rtpmap:101 telephone-event/8000',
    'a=ptime:40',
    'a=maxptime:30',
  );
  t.match(noise, [
    /RTP\/AVP 9 13 101$/,
    'a=rtpmap:9 G722/8000',
    'a=rtpmap:13 CN/8000',
    /101 telephone-event/,
    /101/,
    'a=ptime:30',
  ]);
  const odd = await answerTo('m=audio 40000 RTP/AVP 97', 'a=rtpmap:97 opus/48000/2', 'a=ptime:30', 'a=maxptime:x');
  t.match(odd, [/RTP\/AVP 97$/, /opus/, /fmtp/, 'a=ptime:20']);
});
