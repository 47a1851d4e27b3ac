import { rms, tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

/** The last `ms` that the phone heard. */
function lately({ media }: TestCall, ms: number): Int16Array {
  return media.heard.subarray(-ms * 8);
}

/** 4 s whose seconds are of 500, 1000, 1500 and 2000 Hz. */
function scale(): Int16Array {
  const pcm = new Int16Array(32_000);
  for (let i = 0; i < 4; i++) pcm.set(tone(500 * (i + 1), 1000), i * 8000);
  return pcm;
}

/** Plays the scale and gives what manages it. */
async function started(t: Test) {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  t.equal(await esl.api(`uuid_fileman ${uuid} pause`), '-ERR No file handle!\n');
  const playing = esl.execute(uuid, 'playback', await wavFile(t, scale()));
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  const manage = async (command: string, waitMs = 300): Promise<void> => {
    t.equal(await esl.api(`uuid_fileman ${uuid} ${command}`), '+OK\n', command);
    await esl.execute(uuid, 'sleep', String(waitMs));
  };
  return { call, playing, manage };
}

t.test('uuid_fileman seeks, restarts, pauses and goes on', async (t) => {
  const { call, playing, manage } = await started(t);
  const share = (hz: number): number => toneShare(lately(call, 80), hz, 8000);
  await manage('seek:2100');
  t.ok(share(1500) > 0.95, 'to a place');
  await manage('seek:-1000');
  t.ok(share(1000) > 0.95, 'back');
  await manage('seek:+1500');
  t.ok(share(2000) > 0.95, 'on');
  await manage('restart', 200);
  t.ok(share(500) > 0.95, 'from the start');
  await manage('pause');
  t.equal(rms(lately(call, 80)), 0, 'silence while it is paused');
  await manage('seek:3000', 20);
  await manage('pause', 200);
  t.ok(share(2000) > 0.95, 'on from where it was put');
  await manage('seek:+9000', 0);
  t.equal((await playing)['Application-Response'], 'FILE PLAYED');
});

t.test('uuid_fileman makes louder, softer, faster, and stops', async (t) => {
  const { call, playing, manage } = await started(t);
  const plain = rms(tone(500, 100));
  const level = (): number => rms(lately(call, 60)) / plain;
  await manage('volume:-2', 200);
  t.ok(Math.abs(level() - 0.6) < 0.05, `two steps softer: ${level()}`);
  await manage('volume:+3', 200);
  t.ok(Math.abs(level() - 1.3) < 0.1, `one step louder: ${level()}`);
  await manage('volume:0', 20);
  await manage('restart', 0);
  await manage('speed:+1', 200);
  t.ok(toneShare(lately(call, 60), 500 / 0.75, 8000) > 0.9, 'a third faster and higher');
  await manage('stop', 0);
  const done = await playing;
  t.equal(done['Application-Response'], 'FILE PLAYED');
  t.ok(Number(done.variable_playback_ms) < 3500);
});

t.test('uuid_displace lets the caller hear a file over what it hears, or instead', async (t) => {
  const { media, esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const path = await wavFile(t, tone(700, 200));
  void esl.execute(uuid, 'playback', 'tone_stream://%(60000,0,1300)');
  await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
  t.equal(await esl.api(`uuid_displace ${uuid} start ${path} 0 loop`), '+OK Success\n');
  // Instead, again and again.
  await media.hears(400);
  await media.hearsThat('700 Hz', (heard) => toneShare(heard.subarray(-800), 700, 8000) > 0.9);
  t.equal(await esl.api(`uuid_displace ${uuid} stop ${path}`), '+OK Success\n');
  await media.hearsThat('1300 Hz', (heard) => toneShare(heard.subarray(-640), 1300, 8000) > 0.95);
  t.equal(await esl.api(`uuid_displace ${uuid} start /no/such.wav`), '-ERR Cannot displace session!\n');
  t.equal(await esl.api(`uuid_displace ${uuid} stop ${path}`), '-ERR Cannot stop displace session!\n');
});

t.test('uuid_displace goes on in place of what is heard when the call changes its codec and rate', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const { dialog, media, esl, uuid } = await caller.call(['PCMU'], {}, { rateHz: 16000 });
  const path = await wavFile(t, tone(500, 20_000, -20));
  t.equal(await esl.api(`uuid_displace ${uuid} start ${path}`), '+OK Success\n');
  void esl.execute(uuid, 'playback', await wavFile(t, tone(900, 20_000, -20)));
  await dialog.reinvite(media.offer(['G722']));
  media.start(dialog.remoteSdp);
  await media.hears(500);
  await media.hearsThat('500 Hz', (heard) => toneShare(heard.subarray(-8000), 500, 16000) > 0.9);
});
