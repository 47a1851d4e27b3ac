import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findClicks, goertzel, tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { connectFsmrf } from './test-fsmrf.js';
import { PhoneMedia, startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

const OK = '+OK Success\n';

/** Level of a tone in the last half second, in dB of full scale: the median of 50 ms, which a lost packet does not change. */
function levelOf({ media: { heard, rateHz } }: Pick<TestCall, 'media'>, hz: number): number {
  const part = rateHz / 20;
  const levels = Array.from({ length: 10 }, (_, i) =>
    goertzel(heard, hz, rateHz, heard.length - part * (i + 1), heard.length - part * i),
  );
  return 20 * Math.log10(levels.sort((a, b) => a - b)[5]! / 32767 + 1e-6);
}

/** What is below it is not heard. */
const SILENT_DB = -50;
const TRIES = 12;

/**
 * Checks how loud tones are, in dB of full scale. A machine that is overloaded stops its phones, so that what they hear may be wrong for
 * a while: it must become right.
 */
async function hears(
  t: Test,
  call: Pick<TestCall, 'media'>,
  wanted: Record<number, number | 'not'>,
  toleranceDb = 0.5,
): Promise<void> {
  const pitches = Object.keys(wanted).map(Number);
  const isRight = (hz: number): boolean => {
    const [found, right] = [levelOf(call, hz), wanted[hz]!];
    return right === 'not' ? found < SILENT_DB : Math.abs(found - right) <= toleranceDb;
  };
  for (let tries = 0; tries < TRIES; tries++) {
    await call.media.hears(700);
    if (pitches.every(isRight)) break;
  }
  const found = pitches.map((hz) => `${hz} Hz: ${levelOf(call, hz).toFixed(1)}`);
  t.ok(pitches.every(isRight), `${found.join(', ')}; wanted: ${JSON.stringify(wanted)}`);
}

function dub({ esl, uuid }: TestCall, ...words: (string | number)[]): Promise<string> {
  return esl.api(`uuid_dub ^^|${[uuid, ...words].join('|')}`);
}

async function startCall(t: Test): Promise<TestCall> {
  return (await TestCaller.create(t, await startServer(t, ['--workers', '2']))).call();
}

/** A file with a tone of −20 dB of full scale. */
function toneFile(t: Test, hz: number, durationMs = 20_000): Promise<string> {
  return wavFile(t, tone(hz, durationMs, -20, 16000), 16000);
}

t.test('dub: commands answer as mod_dub does, and say why they failed', async (t) => {
  const call = await startCall(t);
  const { esl, uuid } = call;
  const file = await toneFile(t, 500);
  t.equal(await esl.api('module_exists mod_dub'), 'true');
  t.match(await esl.api('load mod_dub'), /already loaded/);
  for (const words of ['', uuid, `${uuid} addTrack`]) {
    t.equal(await esl.api(`uuid_dub ${words}`), '-ERR Operation Failed\n', words);
  }
  t.equal(await esl.api('uuid_dub nobody addTrack a'), '-ERR Invalid session\n');
  for (const words of ['dance a', 'playOnTrack a', 'sayOnTrack a']) {
    t.match(await esl.api(`uuid_dub ${uuid} ${words}`), /^-USAGE: <uuid> \[addTrack\|/, words);
  }
  for (const action of ['removeTrack', 'silenceTrack', 'playOnTrack']) {
    t.equal(await dub(call, action, 'a', file, 'once'), '-ERR Operation Failed: no such track\n', action);
  }
  for (const track of ['a', 'two words', 'c', 'd']) t.equal(await dub(call, 'addTrack', track), OK);
  t.equal(await dub(call, 'addTrack', 'a'), '-ERR Operation Failed: there is such a track\n');
  t.equal(await dub(call, 'addTrack', 'e'), '-ERR Operation Failed: a channel has at most 4 tracks\n');
  t.match(await dub(call, 'addTrack', 'x'.repeat(65)), /^-ERR .* at most 64 characters\n$/);
  t.match(await dub(call, 'sayOnTrack', 'a', 'hello', 'once'), /^-ERR .*no speech engine/);
  t.equal(await dub(call, 'removeTrack', 'two words'), OK);
  t.equal(await dub(call, 'addTrack', 'e'), OK, 'there is room again');
  for (let i = 0; i < 16; i++) t.equal(await dub(call, 'playOnTrack', 'e', 'silence_stream://60000', 'once'), OK);
  t.match(await dub(call, 'playOnTrack', 'e', file, 'once'), /^-ERR .* at most 16 plays\n$/);
  t.equal(await dub(call, 'silenceTrack', 'e'), OK);
  t.equal(await dub(call, 'playOnTrack', 'e', file, 'once'), OK, 'there is room again');
});

t.test('dub: tracks are heard together, each as loud as asked, until they are silenced or removed', async (t) => {
  const call = await startCall(t);
  for (const [track, hz, gain] of [
    ['low', 500, '-6'],
    ['mid', 900, '3 dB'],
    ['high', 1300, ''],
  ] as const) {
    t.equal(await dub(call, 'addTrack', track), OK);
    t.equal(await dub(call, 'playOnTrack', track, await toneFile(t, hz), 'loop', gain), OK);
  }
  await hears(t, call, { 500: -26, 900: -17, 1300: -20 });
  t.equal(await dub(call, 'silenceTrack', 'mid'), OK);
  t.equal(await dub(call, 'removeTrack', 'high'), OK);
  await hears(t, call, { 500: -26, 900: 'not', 1300: 'not' });
  t.equal(await dub(call, 'playOnTrack', 'mid', await toneFile(t, 900), 'loop', -10), OK);
  t.equal(await dub(call, 'playOnTrack', 'low', await toneFile(t, 1700), 'loop', -50), OK, 'what repeats gives way');
  await hears(t, call, { 500: 'not', 900: -30, 1700: 'not' });
  t.same(findClicks(call.media.heard, 3000), []);
});

t.test('dub: tracks go on over plays and bridges, and only their party hears them', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t, ['--workers', '2']));
  const [a, b] = [await caller.call(['PCMU']), await caller.call(['PCMA'])];
  await dub(a, 'addTrack', 't');
  await dub(a, 'playOnTrack', 't', await toneFile(t, 500), 'loop');
  const playing = a.esl.execute(a.uuid, 'playback', await toneFile(t, 900, 4000));
  await hears(t, a, { 500: -20, 900: -20 });
  await playing;
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  b.media.say(tone(1300, 30_000, -20));
  a.media.say(tone(1700, 30_000, -20));
  await hears(t, a, { 500: -20, 1300: -20 });
  await hears(t, b, { 500: 'not', 1700: -20 });
  await a.esl.api(`uuid_dub ${a.uuid} setGain -10`);
  await hears(t, a, { 500: -20, 1300: -30 });
  await a.esl.api(`uuid_dub ${a.uuid} setGain 0`);
  await a.esl.api(`uuid_transfer ${a.uuid} -both park inline`);
  await hears(t, a, { 500: -20, 1300: 'not' });
});

t.test('dub: tracks go on in a conference, and the others do not hear them', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t, ['--workers', '2']));
  const [a, b] = [await caller.call(), await caller.call()];
  await dub(a, 'addTrack', 't');
  await dub(a, 'playOnTrack', 't', await toneFile(t, 500), 'loop');
  for (const { esl, uuid } of [a, b]) {
    void esl.execute(uuid, 'conference', 'room');
    await esl.event((event) => event.Action === 'add-member' && event['Unique-ID'] === uuid);
  }
  b.media.say(tone(1300, 30_000, -20));
  await hears(t, a, { 500: -20, 1300: -20 });
  await hears(t, b, { 500: 'not' });
});

t.test('dub: a change of codec and rate keeps pitch and level, and brings wideband where there is', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const call = await caller.call(['PCMU'], {}, { rateHz: 16000 });
  await dub(call, 'addTrack', 't');
  await dub(call, 'playOnTrack', 't', await wavFile(t, tone([1000, 5500], 20_000, -14, 48000), 48000), 'loop');
  await hears(t, call, { 1000: -20, 5500: 'not' });
  for (const [codec, wide] of [
    ['G722', true],
    ['PCMA', false],
    ['L16@16000h', true],
  ] as const) {
    await call.dialog.reinvite(call.media.offer([codec]));
    call.media.start(call.dialog.remoteSdp);
    await hears(t, call, { 1000: -20, 5500: wide ? -20 : 'not' }, 1.5);
  }
});

t.test('dub: a URL is fetched and played; one that stalls or breaks fails its track alone', async (t) => {
  const server = await startServer(t);
  const call = await (await TestCaller.create(t, server)).call();
  const sound = await readFile(await toneFile(t, 900));
  const web = createServer((req, res) => {
    if (req.url === '/sound.wav') res.end(sound);
    else if (req.url === '/broken.wav')
      res.writeHead(200, { 'content-length': '5000' }).write('RIFF', () => res.destroy());
    else if (req.url !== '/stalled.wav') res.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => web.once('listening', resolve));
  t.teardown(() => {
    web.closeAllConnections();
    web.close();
  });
  const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  for (const track of ['stalled', 'broken', 'fine']) await dub(call, 'addTrack', track);
  await dub(call, 'playOnTrack', 'stalled', `${base}/stalled.wav`, 'loop');
  await dub(call, 'playOnTrack', 'stalled', await toneFile(t, 500), 'once');
  await dub(call, 'playOnTrack', 'broken', `${base}/broken.wav`, 'loop');
  await dub(call, 'playOnTrack', 'broken', `${base}/none.wav`, 'once');
  await dub(call, 'playOnTrack', 'broken', await toneFile(t, 1300), 'once');
  t.equal(await dub(call, 'playOnTrack', 'fine', `${base}/sound.wav`, 'loop'), OK);
  while (server.counters.urlFetchFailures < 2) await call.media.hears(20);
  // What follows the broken ones is heard, what follows the stalled one waits for it.
  await hears(t, call, { 500: 'not', 900: -20, 1300: -20 });
  t.equal(await dub(call, 'silenceTrack', 'stalled'), OK);
  t.equal(await dub(call, 'playOnTrack', 'stalled', await toneFile(t, 500), 'once'), OK);
  await hears(t, call, { 500: -20, 900: -20 });
});

t.test('dub: everything ends with the channel, also what is still being fetched', async (t) => {
  const server = await startServer(t);
  const call = await (await TestCaller.create(t, server)).call();
  const stalled = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => stalled.once('listening', resolve));
  t.teardown(() => {
    stalled.closeAllConnections();
    stalled.close();
  });
  const asked = new Promise<void>((resolve) => stalled.once('request', () => resolve()));
  await dub(call, 'addTrack', 'a');
  await dub(call, 'playOnTrack', 'a', await toneFile(t, 500), 'loop');
  await dub(call, 'addTrack', 'b');
  await dub(call, 'playOnTrack', 'b', `http://127.0.0.1:${(stalled.address() as AddressInfo).port}/`, 'loop');
  await asked;
  await call.dialog.bye();
  await call.esl.event((event) => event['Event-Name'] === 'CHANNEL_DESTROY');
  stalled.closeAllConnections();
  while (server.counters.urlFetchFailures === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(server.channels.size + server.pool.legCount, 0);
});

t.test('dub: unmodified fsmrf adds, plays, silences, removes tracks and sets the gain', async (t) => {
  const { ms } = await connectFsmrf(t);
  const media = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({ remoteSdp: media.offer() });
  media.start(ep.local.sdp);
  const call = { media };
  await ep.dub({ action: 'addTrack', track: 'music' });
  await ep.dub({ action: 'playOnTrack', track: 'music', play: await toneFile(t, 500), loop: true, gain: -5 });
  void ep.play(await toneFile(t, 900));
  await ep.setGain('-10 dB');
  await hears(t, call, { 500: -25, 900: -30 });
  await ep.setGain('+3 dB');
  await hears(t, call, { 500: -25, 900: -17 });
  await ep.dub({ action: 'silenceTrack', track: 'music' });
  await hears(t, call, { 500: 'not' });
  await ep.dub({ action: 'removeTrack', track: 'music' });
  await t.rejects(ep.dub({ action: 'playOnTrack', track: 'music', play: 'x' }), /no such track/);
  await t.rejects(ep.dub({ action: 'sayOnTrack', track: 'music', say: 'hello' }), /no speech engine/);
  for (const track of ['a', 'b', 'c', 'd']) await ep.dub({ action: 'addTrack', track });
  await t.rejects(ep.dub({ action: 'addTrack', track: 'e' }), /at most 4 tracks/);
  await ep.destroy();
});
