import { tone } from '@ringwire/rtp';
import t from 'tap';
import { Signal } from './media/detectors/test-signals.js';
import { startServer, TestCaller } from './test-peer.js';

t.test('uuid_vad_detect tells when the caller begins and stops talking, and no more when it is stopped', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  t.equal(await esl.api(`uuid_vad_detect ${uuid} start continuous 2 300 100 vad_detection`), '+OK Success\n');
  const changes = () => esl.events.filter((event) => event['Event-Subclass'] === 'vad_detect:detection');
  media.say(new Signal(1000).speech(-10, 0, 1000).pcm());
  await esl.until(() => changes().length === 2);
  t.match(changes(), [
    { 'Event-Name': 'CUSTOM', 'detected-event': 'start_talking', 'media-bugname': 'vad_detection', 'Unique-ID': uuid },
    { 'detected-event': 'stop_talking', 'media-bugname': 'vad_detection' },
  ]);
  t.equal(await esl.api(`uuid_vad_detect ${uuid} stop vad_detection`), '+OK Success\n');
  t.equal(await esl.api(`uuid_vad_silero ${uuid} start one-shot 0.5 100 100 30 s`), '+OK Success\n');
  media.say(new Signal(600).speech(-10, 0, 600).pcm());
  await esl.event((event) => event['Event-Subclass'] === 'vad_silero:detection');
  await esl.execute(uuid, 'sleep', '1200');
  t.equal(esl.events.filter((event) => event['Event-Subclass'] === 'vad_silero:detection').length, 1, 'one shot');
  t.equal(changes().length, 2);
});

t.test('tone_detect tells of frequencies heard together and runs its application; fax detection too', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const detected = () => esl.events.filter((e) => e['Event-Name'] === 'DETECTED_TONE').map((e) => e['Detected-Tone']);
  await esl.execute(uuid, 'tone_detect', 'busy 480,620 r +30 set tone_was=busy');
  t.equal(await esl.api(`tone_detect ${uuid} other 700,900 r`), `+OK Enabling tone detection 'other' '700,900' 'r'\n`);
  await esl.execute(uuid, 'spandsp_start_fax_detect', 'set fax_was=yes 10 cng');
  media.say(tone(480, 400, -14));
  await esl.execute(uuid, 'sleep', '700');
  t.same(detected(), [], 'one frequency of two is nothing');
  media.say(tone([480, 620], 400, -14));
  await esl.until(() => detected().length === 1);
  media.say(tone(1100, 250, -14));
  await esl.execute(uuid, 'sleep', '600');
  t.same(detected(), ['busy'], '1100 Hz for less than a CNG is no fax');
  // Longer than a CNG: a busy machine may lose a packet.
  media.say(tone(1100, 1500, -14));
  await esl.until(() => detected().length === 2);
  t.same(detected(), ['busy', 'fax_detect']);
  t.equal(esl.events.find((e) => e['Detected-Tone'] === 'fax_detect')?.['Detected-Fax-Tone'], 'true');
  t.equal(await esl.api(`uuid_getvar ${uuid} tone_was`), 'busy');
  t.equal(await esl.api(`uuid_getvar ${uuid} fax_was`), 'yes');
  t.match(await esl.api(`uuid_getvar ${uuid} tone_detect_busy_total_time`), /^\d+$/);
  await esl.execute(uuid, 'stop_tone_detect');
  media.say(tone([700, 900], 400, -14));
  await esl.execute(uuid, 'sleep', '700');
  t.equal(detected().length, 2);
});

t.test('spandsp_start_tone_detect tells of a busy line', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  t.equal(await esl.api(`spandsp_start_tone_detect ${uuid} 99`), '-ERR failed to start tone detector\n');
  t.equal(await esl.api(`spandsp_start_tone_detect ${uuid} 49`), '+OK started\n');
  // More rounds than are wanted: a busy machine may lose a packet.
  const busy = new Signal(15_000);
  for (let at = 0; at < 15_000; at += 1000) busy.sine(425, -14, at, 500);
  media.say(busy.pcm());
  const event = await esl.event((e) => e['Event-Name'] === 'DETECTED_TONE');
  t.equal(event['Detected-Tone'], 'BUSY_TONE');
  t.equal(await esl.api(`spandsp_stop_tone_detect ${uuid}`), '+OK stopped\n');
});

t.test('avmd: start, the beep that the caller sends, stop', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  await esl.execute(uuid, 'avmd_start');
  t.match(await esl.api(`avmd ${uuid} start`), /^-ERR, avmd .* already started/s);
  await esl.event((event) => event['Event-Subclass'] === 'avmd::start');
  // What we play ourselves is not listened to.
  await esl.execute(uuid, 'playback', 'tone_stream://%(400,0,1000)');
  t.notOk(esl.events.some((event) => event['Event-Subclass'] === 'avmd::beep'));
  media.say(tone(850, 500, -14));
  const beep = await esl.event((event) => event['Event-Subclass'] === 'avmd::beep');
  t.equal(beep['Beep-Status'], 'DETECTED');
  t.ok(Math.abs(Number(beep.Frequency) - 850) < 10, beep.Frequency ?? '');
  await esl.execute(uuid, 'avmd_stop');
  const stop = await esl.event((event) => event['Event-Subclass'] === 'avmd::stop');
  t.equal(stop['Beep-Status'], 'DETECTED');
});

t.test('uuid_amd tells a human from a machine', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const [human, machine] = [await caller.call(), await caller.call()];
  t.match(await human.esl.api(`uuid_amd ${human.uuid} start nonsense=1`), /^-ERR unknown option nonsense/);
  t.equal(
    await human.esl.api(`uuid_amd ${human.uuid} start afterGreetingMs=600 greetingMs=3000 maxWords=30`),
    '+OK Success\n',
  );
  t.equal(await machine.esl.api(`uuid_amd ${machine.uuid} start greetingMs=1200 greetingEndMs=600`), '+OK Success\n');
  human.media.say(new Signal(900).speech(-12, 0, 900).pcm());
  machine.media.say(new Signal(3500).speech(-12, 0, 2000).sine(1000, -14, 3000, 400).pcm());
  const result = await human.esl.event((event) => event['AMD-Event'] !== undefined);
  t.match(result, { 'Event-Subclass': 'amd::human', 'AMD-Words': /^\d+$/, variable_amd_result: 'human' });
  await machine.esl.event((event) => event['AMD-Event'] === 'beep');
  t.same(
    machine.esl.events.flatMap((event) => event['AMD-Event'] ?? []),
    ['machine', 'greetingEnded', 'beep'],
  );
  t.equal(await machine.esl.api(`uuid_amd ${machine.uuid} stop`), '-ERR not running\n');
});

t.test('wait_for_silence waits for sound and then silence, or for its time-out', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  media.say(new Signal(800).noise(-20).pcm());
  const done = await esl.execute(uuid, 'wait_for_silence', '200 10 15 8000');
  t.equal(done.variable_wait_for_silence_timeout, 'false');
  t.ok(Number(done.variable_wait_for_silence_listenhits) > 15);
  const timedOut = await esl.execute(uuid, 'wait_for_silence', '200 10 15 400');
  t.equal(timedOut.variable_wait_for_silence_timeout, 'true');
});
