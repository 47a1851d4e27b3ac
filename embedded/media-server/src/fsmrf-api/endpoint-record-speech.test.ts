import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goertzel, readWav, tone } from '@ringwire/rtp';
import t from 'tap';
import { connectAny, isOurs, needs, resemblance } from '../test-fsmrf.js';
import { chirp, folder, wavFile } from '../test-peer.js';

const any = await connectAny(t);

t.test('Endpoint#record: what the caller says, until a time, a key, silence', async (t) => {
  const { ep, media } = await any.phone(t);
  const dir = await folder(t);
  media.say(chirp(1500));
  const timed = await ep.record(join(dir, 'a.wav'), { timeLimitSecs: 1 });
  // FreeSWITCH looks at the clock's whole seconds.
  const lengthMs = Number(timed.recordMilliseconds);
  t.ok(isOurs ? Math.abs(lengthMs - 1000) <= 100 : lengthMs >= 900 && lengthMs <= 2100, timed.recordMilliseconds);
  t.ok(Math.abs(Number(timed.recordSamples) - lengthMs * 8) <= 160, timed.recordSamples);
  t.equal(timed.recordSeconds, '1');
  const { pcm, sampleRateHz: rateHz } = readWav(await readFile(join(dir, 'a.wav')));
  t.equal(rateHz, 8000);
  t.ok(resemblance(pcm, chirp(1500).subarray(2400, 6400)) > 0.95);
  await ep.set('playback_terminators', '#');
  const stopping = ep.record(join(dir, 'b.wav'), { timeLimitSecs: 10 });
  media.press('#');
  t.equal((await stopping).terminatorUsed, '#');
  const silent = await ep.record(join(dir, 'c.wav'), { timeLimitSecs: 10, silenceThresh: 200, silenceHits: 1 });
  t.ok(Number(silent.recordMilliseconds) < 4000, silent.recordMilliseconds);
});

t.test('Endpoint#recordSession: both sides, until stop_record_session', async (t) => {
  const { ep, media } = await any.phone(t);
  const path = join(await folder(t), 'both.wav');
  const event = await ep.recordSession(path);
  t.equal(event.getHeader('Application'), 'record_session');
  media.say(tone(500, 2500, -10));
  await ep.play(await wavFile(t, tone(1300, 1500, -10)));
  await ep.execute('stop_record_session', path);
  const { pcm, sampleRateHz } = readWav(await readFile(path));
  for (const hz of [500, 1300])
    t.ok(goertzel(pcm, hz, sampleRateHz) > 500, `${hz} Hz: ${goertzel(pcm, hz, sampleRateHz)}`);
});

t.test('Endpoint#say and speak: end without a word where there are no phrases and no speech engine', async (t) => {
  const { ep } = await any.phone(t);
  const said = await ep.say('12', { sayType: 'number', sayMethod: 'pronounced' });
  t.ok('playbackSeconds' in said);
  await ep.speak({ ttsEngine: 'none', voice: 'none', text: 'hello' });
  t.equal(ep.connected, true);
});

t.test(
  'Endpoint#startVadDetection, stopVadDetection (a FreeSWITCH needs mod_vad_detect)',
  needs('mod_vad_detect'),
  async (t) => {
    const { ep, media } = await any.phone(t);
    const heard: string[] = [];
    const changed = (count: number) =>
      new Promise<void>((resolve) => {
        const look = (): void => void (heard.length >= count && resolve());
        ep.addCustomEventListener('vad_detect:detection', (_body, event) => {
          heard.push(event.getHeader('detected-event') ?? '');
          look();
        });
      });
    const twice = changed(2);
    await ep.startVadDetection({ silenceMs: 200, voiceMs: 150 });
    media.say(tone(300, 1000, -10));
    await twice;
    t.same(heard, ['start_talking', 'stop_talking']);
    await ep.stopVadDetection();
  },
);

t.test(
  'Endpoint#startVadDetection by silero (a FreeSWITCH needs mod_vad_silero)',
  needs('mod_vad_silero'),
  async (t) => {
    const { ep } = await any.phone(t);
    await ep.startVadDetection({ vendor: 'silero' });
    await ep.stopVadDetection({ vendor: 'silero' });
  },
);

t.test(
  "Endpoint#startTranscription, stopTranscription, startTranscriptionTimers: without the vendor's module",
  async (t) => {
    const { ep } = await any.phone(t);
    for (const vendor of ['google', 'microsoft', 'polly', 'nuance', 'custom:mine']) {
      const answer = /-ERR uuid_\w+_transcribe Command not found!/;
      await t.rejects(ep.startTranscription({ vendor, locale: 'en-US', interim: true }), answer);
      await t.rejects(ep.startTranscription({ vendor, prompt: 'a, b', hostport: 'h:1', channels: 2 }), answer);
      await t.rejects(ep.stopTranscription({ vendor }), answer);
    }
    await t.rejects(ep.startTranscriptionTimers({ vendor: 'nuance' }), /Command not found/);
  },
);

t.test('Endpoint#dub, setGain (a FreeSWITCH needs mod_dub)', needs('mod_dub'), async (t) => {
  const { ep, media } = await any.phone(t);
  const level = async (): Promise<number> => {
    await any.pass(200);
    const from = media.heard.length;
    await any.pass(400);
    return media.heard.length > from ? goertzel(media.heard, 900, 8000, from) : 0;
  };
  const play = await wavFile(t, tone(900, 1000, -10));
  await ep.dub({ action: 'addTrack', track: 'a' });
  await ep.dub({ action: 'playOnTrack', track: 'a', play, loop: true });
  t.ok((await level()) > 3000);
  await ep.setGain('-10 dB');
  t.ok((await level()) > 3000, 'it is for what is beside the tracks');
  await ep.dub({ action: 'silenceTrack', track: 'a' });
  t.ok((await level()) < 30);
  await t.rejects(ep.dub({ action: 'sayOnTrack', track: 'a', say: 'hello' }), /-ERR/);
  await ep.dub({ action: 'removeTrack', track: 'a' });
  await t.rejects(ep.dub({ action: 'playOnTrack', track: 'a', play }), /-ERR/);
});
