import { correlate, rms, tone } from '@ringwire/rtp';
import t from 'tap';
import { connectAny, isOurs, nextEvent, resemblance } from '../test-fsmrf.js';
import { chirp, wavFile } from '../test-peer.js';

const any = await connectAny(t);
const { ms } = any;

t.test('Endpoint#play: a file, with its events', async (t) => {
  const { ep, media } = await any.phone(t);
  const file = await wavFile(t, chirp(1200));
  const events: string[] = [];
  ep.on('playback-start', ({ file }) => events.push(`start ${file}`));
  ep.on('playback-stop', ({ file }) => events.push(`stop ${file}`));
  const result = await ep.play(file);
  t.match(result, { playbackSeconds: '1', playbackMilliseconds: '1200' });
  t.same(events, [`start ${file}`, `stop ${file}`]);
  await any.pass(60);
  t.ok(resemblance(media.heard, chirp(1200)) > 0.97);
});

t.test('Endpoint#play: a list', async (t) => {
  const { ep, media } = await any.phone(t);
  const first = await wavFile(t, chirp(400, 8000, 1));
  const second = await wavFile(t, chirp(400, 8000, 3));
  const files: (string | undefined)[] = [];
  ep.on('playback-start', ({ file }) => files.push(file));
  const result = await ep.play([first, 'silence_stream://100', second]);
  t.same(files, [first, 'silence_stream://100', second]);
  const lag = correlate(media.heard, chirp(400, 8000, 3)).lag - correlate(media.heard, chirp(400, 8000, 1)).lag;
  // FreeSWITCH takes its time between two files.
  t.ok(lag >= 3680 && (!isOurs || lag <= 4320), `lag ${lag}`);
  // FreeSWITCH tells of the last file only; of ours one may ask for the whole list.
  t.equal(result.playbackMilliseconds, isOurs ? '900' : '400');
});

t.test('Endpoint#play: from an offset in samples, for a time', async (t) => {
  const { ep, media } = await any.phone(t);
  const sound = chirp(6000);
  const file = await wavFile(t, sound);
  const result = await ep.play({ file, seekOffset: 8000, timeoutSecs: 2 });
  const { lag } = correlate(media.heard, sound.subarray(8000 + 800, 8000 + 4000));
  const start = media.heard.findIndex((sample) => Math.abs(sample) > 100);
  t.ok(Math.abs(lag - start - 800) <= 320, `it begins at the offset: ${lag - start - 800}`);
  t.ok(Math.abs(Number(result.playbackMilliseconds) - 2000) <= 100, result.playbackMilliseconds);
  t.equal(result.playbackSeconds, '2');
  const end = Number(result.playbackLastOffsetPos);
  t.ok(Math.abs(end - 8000 - 16000) <= 8000, `${end}`);
});

t.test('Endpoint#play: a file that there is not, with a callback too', async (t) => {
  const { ep } = await any.phone(t);
  await t.rejects(ep.play('/no/such/file.wav'), { message: 'File Not Found' });
  const error = await new Promise<Error | null>((resolve) => void ep.play('/no/such/file.wav', resolve));
  t.equal(error?.message, 'File Not Found');
});

t.test('Endpoint#play: a key stops it, and uuid_break, and the end of the call', async (t) => {
  const { ep, media } = await any.phone(t);
  for (const end of [() => media.press('*'), () => ep.api('uuid_break', ep.uuid), () => ep.destroy()]) {
    const started = nextEvent(ep, 'playback-start');
    const playing = ep.play('silence_stream://-1');
    await started;
    await end();
    t.ok(Number((await playing).playbackMilliseconds) < 5000);
  }
});

t.test('Endpoint: a key is heard once, with length and source', async (t) => {
  const { ep, media } = await any.phone(t);
  const keys: Record<string, string>[] = [];
  ep.on('dtmf', (key) => keys.push(key));
  const second = new Promise<void>((resolve) => ep.on('dtmf', () => keys.length === 2 && resolve()));
  media.press('5#');
  await second;
  t.match(keys, [
    { dtmf: '5', source: 'RTP' },
    { dtmf: '#', source: 'RTP' },
  ]);
  for (const { duration } of keys) t.ok(Math.abs(Number(duration) - 800) <= 160, `duration ${duration}`);
});

t.test('Endpoint: a tone is heard after tone_detect', async (t) => {
  const { ep, media } = await any.phone(t);
  await ep.execute('tone_detect', 'beep 1000 r +5000');
  const heard = nextEvent(ep, 'tone');
  media.say(tone(1000, 1500, -10));
  t.same(await heard, { tone: 'beep' });
});

t.test('Endpoint#playCollect: keys until the most, the terminator, the time-out', async (t) => {
  const { ep, media } = await any.phone(t);
  const file = await wavFile(t, chirp(3000));
  const collecting = async (keys: string, options: object) => {
    const started = nextEvent(ep, 'playback-start');
    const result = ep.playCollect({ file, timeout: 1500, digitTimeout: 600, ...options });
    await started;
    if (keys) media.press(keys);
    return result;
  };
  t.match(await collecting('12', { min: 1, max: 2 }), { digits: '12' });
  t.match(await collecting('34#', { min: 1, max: 9 }), { digits: '34', terminatorUsed: '#' });
  t.match(await collecting('5', { min: 1, max: 9 }), { digits: '5' });
  const none = await collecting('', { file: 'silence_stream://200', min: 1, max: 4 });
  t.notOk(none.digits);
});

t.test('Endpoint#playCollect: what does not match is told apart, with a callback', async (t) => {
  const { ep, media } = await any.phone(t);
  const started = nextEvent(ep, 'playback-start');
  const collected = new Promise<{ digits: string | undefined; invalidDigits: string | undefined }>(
    (resolve, reject) => {
      void ep.playCollect(
        { file: 'silence_stream://3000', min: 1, max: 1, regexp: '[1-3]', timeout: 1000 },
        (error, result) => (error ? reject(error) : resolve(result)),
      );
    },
  );
  await started;
  media.press('9');
  const { digits, invalidDigits } = await collected;
  t.notOk(digits);
  t.equal(invalidDigits, '9');
});

t.test('an endpoint in every codec that both have plays the same sound', async (t) => {
  for (const codec of ['PCMU', 'PCMA', 'G722'] as const) {
    const { ep, media } = await any.phone(t, {}, codec === 'G722' ? { rateHz: 16000 } : {});
    media.start(await ep.modify(media.offer([codec])));
    t.equal(media.agreement?.codec, codec);
    await ep.play(await wavFile(t, chirp(700, 16000), 16000));
    await any.pass(60);
    const coefficient = resemblance(media.heard, chirp(700, media.rateHz));
    t.ok(coefficient > 0.95, `${codec} ${coefficient}`);
    t.ok(rms(media.heard) > 0);
  }
  t.equal(ms.connected(), true);
});
