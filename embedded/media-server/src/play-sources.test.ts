import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { goertzel, rms, tone, toneShare, writeWav } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { folder, serverUnderTest, startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

const run = promisify(execFile);
const FREESWITCH = process.env.FREESWITCH ? 'of ours only: FreeSWITCH needs modules for it' : false;

async function called(t: Test): Promise<TestCall> {
  return (await TestCaller.create(t, await serverUnderTest(t))).call();
}

/** For how long in all a tone was heard, in ms. */
function heardMs({ media }: TestCall, hz: number): number {
  const { heard } = media;
  let ms = 0;
  for (let at = 0; at + 80 <= heard.length; at += 80) {
    if (rms(heard, at, at + 80) > 200 && toneShare(heard, hz, 8000, at, at + 80) > 0.8) ms += 10;
  }
  return ms;
}

/** What the phone has heard, when all that was played has reached it: FreeSWITCH sends nothing while it plays nothing. */
async function heardAll({ media, esl, uuid }: TestCall): Promise<Int16Array> {
  await Promise.all([media.hears(100), esl.execute(uuid, 'gentones', '%(1,200,-1)')]);
  return media.heard;
}

function eventsOf({ esl, uuid }: TestCall, name: string) {
  return esl.events.filter((event) => event['Event-Name'] === name && event['Unique-ID'] === uuid);
}

t.test('loop_playback plays as often as it is told, and once without a number', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  const path = await wavFile(t, tone(600, 200));
  for (const [argument, times] of [
    [`+3 ${path}`, 3],
    [path, 1],
    [`+0 ${path}`, 0],
  ] as const) {
    const before = eventsOf(call, 'PLAYBACK_STOP').length;
    const done = await esl.execute(uuid, 'loop_playback', argument);
    t.equal(done['Application-Response'], 'FILE PLAYED');
    t.equal(eventsOf(call, 'PLAYBACK_STOP').length - before, times, argument);
  }
  await heardAll(call);
  const ms = heardMs(call, 600);
  t.ok(ms > 650 && ms <= 810, `four times 200 ms: ${ms}`);
  const missing = await esl.execute(uuid, 'loop_playback', '+3 /no/such.wav');
  t.equal(missing['Application-Response'], 'FILE NOT FOUND');
  const looping = esl.execute(uuid, 'loop_playback', '+2 silence_stream://600');
  await esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 5);
  await esl.api(`uuid_break ${uuid}`);
  await looping;
  t.same(
    eventsOf(call, 'PLAYBACK_STOP')
      .slice(-2)
      .map((event) => event['Playback-Status']),
    ['break', 'done'],
    'a break is of one time',
  );
  void esl.execute(uuid, 'loop_playback', '+2');
  t.equal((await esl.event((e) => e['Event-Name'] === 'CHANNEL_HANGUP'))['Hangup-Cause'], 'DESTINATION_OUT_OF_ORDER');
});

t.test('endless_playback goes on after a break, and ends with the call or a transfer', async (t) => {
  const call = await called(t);
  const { esl, uuid, dialog } = call;
  void esl.execute(uuid, 'endless_playback', await wavFile(t, tone(600, 300)));
  await esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 3);
  for (const all of ['', ' all']) await esl.api(`uuid_break ${uuid}${all}`);
  await esl.until(() => eventsOf(call, 'PLAYBACK_START').length === 6);
  await heardAll(call);
  t.ok(heardMs(call, 600) > 700);
  const missing = await esl.execute(uuid, 'endless_playback', '/no/such.wav');
  t.equal(missing['Application-Response'], 'FILE NOT FOUND');
  if (process.env.FREESWITCH) {
    await dialog.bye();
    return;
  }
  await esl.api(`uuid_transfer ${uuid} 'set:went=on,park' inline`);
  for (const application of ['endless_playback', 'set']) {
    await esl.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && e.Application === application);
  }
  t.equal(await esl.api(`uuid_getvar ${uuid} went`), 'on');
});

t.test('gentones fires no playback events; a key ends it', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  const done = await esl.execute(uuid, 'gentones', '%(200,0,700)|3');
  t.match(done, { 'Application-Response': '_none_' });
  t.equal(done.variable_playback_ms, undefined);
  await heardAll(call);
  t.ok(heardMs(call, 700) > 550, `${heardMs(call, 700)} ms`);
  const long = esl.execute(uuid, 'gentones', '%(9000,0,700)');
  await call.media.hears(200);
  await esl.api(`uuid_recv_dtmf ${uuid} *`);
  t.equal((await long).variable_playback_terminator_used, '*');
  t.same(eventsOf(call, 'PLAYBACK_START'), []);
});

t.test('tone_stream:// has the levels and frequencies that it names, over the wire', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  let from = 0;
  const loudest = (hz: number): number => {
    const heard = call.media.heard.subarray(from);
    let best = 0;
    for (let at = 0; at + 400 <= heard.length; at += 80) best = Math.max(best, goertzel(heard, hz, 8000, at, at + 400));
    return 20 * Math.log10(best / 32_767) + 3.15;
  };
  for (const [script, levels] of [
    ['v=-10;%(600,0,1000)', { 1000: -10 }],
    ['%(600,0,440,480)', { 440: -13, 480: -13 }],
    ['v=-20;%(300,0,1400)%(300,0,2060)', { 1400: -20, 2060: -20 }],
    ['d=300;w=0;77', { 1209: -13 }],
  ] as const) {
    const done = await esl.execute(uuid, 'playback', `tone_stream://${script}`);
    t.match(done, { 'Application-Response': 'FILE PLAYED', variable_playback_samples: '4800' });
    await heardAll(call);
    for (const [hz, level] of Object.entries(levels)) {
      const found = loudest(Number(hz));
      t.ok(Math.abs(found - level) < 0.6, `${script}: ${hz} Hz at ${found.toFixed(1)} dBm0`);
    }
    from = call.media.heard.length;
  }
  const nothing = await esl.execute(uuid, 'playback', 'tone_stream://nonsense');
  t.match(nothing, { 'Application-Response': 'FILE PLAYED', variable_playback_samples: '0' });
});

t.test('tone_stream://path= plays the scripts of a file', async (t) => {
  const { esl, uuid } = await called(t);
  const path = join(await folder(t), 'tones.tgml');
  await writeFile(path, 'v=-10;L=2;%(100,0,400)\n%(50,50,800)\n');
  const once = await esl.execute(uuid, 'playback', `tone_stream://path=${path}`);
  t.equal(once.variable_playback_samples, '2400');
  const thrice = await esl.execute(uuid, 'playback', `tone_stream://path=${path};loops=3`);
  t.equal(thrice.variable_playback_samples, '7200');
  const parameter = await esl.execute(uuid, 'playback', `{loops=2}tone_stream://path=${path}`);
  t.equal(parameter.variable_playback_samples, '4800');
});

t.test('silence_stream:// is silent, or soft noise of full scale divided by its second number', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  await esl.execute(uuid, 'playback', 'silence_stream://600');
  t.ok(rms(await heardAll(call)) <= 8);
  for (const [divisor, level] of [
    [400, 47],
    [1400, 13],
  ] as const) {
    const from = call.media.heard.length;
    const done = await esl.execute(uuid, 'playback', `silence_stream://800,${divisor}`);
    t.equal(done.variable_playback_ms, '800');
    const noise = (await heardAll(call)).subarray(from);
    const found = rms(noise, 1600, 5600);
    t.ok(Math.abs(found - level) < level * 0.3, `${divisor}: ${found}`);
  }
});

t.test('@@ begins a file in its midst; parameters are headers of its events', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  const pcm = new Int16Array(16_000);
  pcm.set(tone(500, 1000));
  pcm.set(tone(900, 1000), 8000);
  const path = await wavFile(t, pcm);
  const done = await esl.execute(uuid, 'playback', `${path}@@12000`);
  t.match(done, { variable_playback_ms: '500', variable_playback_last_offset_pos: '16000' });
  await heardAll(call);
  t.ok(heardMs(call, 900) > 420 && heardMs(call, 500) === 0);
  t.equal(eventsOf(call, 'PLAYBACK_START')[0]?.['Playback-File-Path'], path);
  await esl.execute(uuid, 'playback', `{one=1,two=zwei}${path}@@15000`);
  t.match(eventsOf(call, 'PLAYBACK_START')[1], { one: '1', two: 'zwei' });
  t.match(eventsOf(call, 'PLAYBACK_STOP')[1], { one: '1', two: 'zwei', 'Playback-Status': 'done' });
});

t.test('file_string:// plays several as one, and leaves out what is not there', async (t) => {
  const call = await called(t);
  const { esl, uuid } = call;
  const [one, two] = [await wavFile(t, tone(500, 300)), await wavFile(t, tone(900, 300))];
  const done = await esl.execute(uuid, 'playback', `file_string://${one}!/no/such.wav!${two}`);
  t.equal(done['Application-Response'], 'FILE PLAYED');
  t.equal(eventsOf(call, 'PLAYBACK_START').length, 1);
  await heardAll(call);
  for (const hz of [500, 900]) t.ok(heardMs(call, hz) > 250, `${hz} Hz`);
});

t.test('http_cache:// and shout:// are fetched', { skip: FREESWITCH }, async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const dir = await folder(t);
  const wav = writeWav(tone(600, 600), 8000);
  await writeFile(join(dir, 'a.wav'), wav);
  const made = ['-v', 'error', '-i', join(dir, 'a.wav'), '-ar', '44100', join(dir, 'a.mp3')];
  const mp3 = await run('ffmpeg', made).then(
    () => readFile(join(dir, 'a.mp3')),
    () => undefined,
  );
  const asked: string[] = [];
  const web = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = request.url === '/a.mp3' ? mp3 : wav;
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => web.once('listening', resolve));
  t.teardown(() => web.close());
  const host = `127.0.0.1:${(web.address() as AddressInfo).port}`;
  const names = [
    `http_cache://http://${host}/a.wav`,
    `http_cache://{x=y}http://${host}/a.wav`,
    `http_cache://${host}/a.wav`,
  ];
  if (mp3) names.push(`shout://${host}/a.mp3`);
  for (const name of names) {
    const before = heardMs(call, 600);
    const done = await esl.execute(uuid, 'playback', name);
    t.equal(done['Application-Response'], 'FILE PLAYED', name);
    await heardAll(call);
    const ms = heardMs(call, 600) - before;
    t.ok(ms > 450 && ms < 650, `${name}: ${ms} ms`);
  }
  t.same(asked, mp3 ? ['/a.wav', '/a.mp3'] : ['/a.wav'], 'and kept');
});
