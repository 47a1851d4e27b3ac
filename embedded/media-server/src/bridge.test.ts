import { correlate, findSilences, tone } from '@ringwire/rtp';
import t from 'tap';
import { chirp, comesRight, PhoneMedia, refused, startServer, TestCaller } from './test-peer.js';

/** How well each 300 ms of what was said are found in what was heard, the worst first. One pause of a busy machine may spoil one part. */
function partsHeard(heard: Int16Array, said: Int16Array): number[] {
  const parts: number[] = [];
  for (let at = 0; at + 2400 <= said.length; at += 2400)
    parts.push(correlate(heard, said.subarray(at, at + 2400)).coefficient);
  return parts.sort((a, b) => a - b);
}

t.test('two calls are bridged with transcoding, digits pass, and are parked again', async (t) => {
  const server = await startServer(t, ['--workers', '2']);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call(['PCMU']);
  const b = await caller.call(['PCMA']);
  t.equal(a.media.agreement?.codec, 'PCMU');
  t.equal(b.media.agreement?.codec, 'PCMA');
  t.equal(await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`), `+OK ${b.uuid}\n`);
  const fromA = chirp(1500, 8000, 1);
  const fromB = chirp(1500, 8000, 3);
  const isCarried = await comesRight(async () => {
    const [beforeA, beforeB] = [a.media.heard.length, b.media.heard.length];
    a.media.say(fromA);
    b.media.say(fromB);
    await Promise.all([a.media.said(), b.media.said()]);
    await Promise.all([a.media.hears(400), b.media.hears(400)]);
    const [toB, toA] = [
      partsHeard(b.media.heard.subarray(beforeB), fromA),
      partsHeard(a.media.heard.subarray(beforeA), fromB),
    ];
    t.comment(`correlations ${toB}; ${toA}`);
    return toB[2]! > 0.97 && toA[2]! > 0.97;
  });
  t.ok(isCarried, 'both ways');
  a.media.press('7');
  await b.media.until(() => b.media.digits.length > 0);
  t.same(b.media.digits, ['7']);
  t.equal(await a.esl.api(`uuid_transfer ${a.uuid} -both park inline`), '+OK\n');
  await b.esl.event((event) => event['Event-Name'] === 'CHANNEL_PARK' && event['Unique-ID'] === b.uuid);
  const before = b.media.heard.length;
  a.media.say(fromA);
  await b.media.hears(600);
  t.equal(findSilences(b.media.heard, 1600, 8, before).length, 1, 'nothing passes any more');
});

t.test('a muted caller is not heard over a bridge', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call();
  const b = await caller.call();
  await a.esl.execute(a.uuid, 'set_mute', 'read true');
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  a.media.say(tone(700, 60_000));
  await b.media.hears(600);
  t.ok(b.media.heard.every((sample) => Math.abs(sample) <= 8));
  await a.esl.execute(a.uuid, 'set_mute', 'read false');
  await b.media.hearsNow(700);
});

t.test('a re-INVITE moves media to a new address and may hold it', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const other = await PhoneMedia.open(t);
  await dialog.reinvite(other.offer(['PCMA']));
  other.start(dialog.remoteSdp);
  t.equal(other.agreement?.codec, 'PCMA');
  const playing = esl.execute(uuid, 'playback', 'tone_stream://%(1000,0,700)');
  await other.hearsNow(700);
  await playing;
  const dump = await esl.api(`uuid_dump ${uuid}`);
  t.match(dump, new RegExp(`variable_remote_media_port: ${other.socket.port}\n`));
  await dialog.reinvite(other.offer().replace('a=sendrecv', 'a=inactive'));
  const isHeld = await comesRight(async () => {
    const held = other.packets.length;
    await esl.execute(uuid, 'sleep', '200');
    return other.packets.length === held;
  });
  t.ok(isHeld, 'nothing is sent while held');
  await refused(t, 488, dialog.reinvite(media.offer().replace(/RTP\/AVP.*/, 'RTP/AVP 18')));
  t.equal(server.channels.size, 1, 'a refused re-INVITE leaves the call');
});

t.test('an INVITE without offer gets ours, and the answer of the ACK counts', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const media = await PhoneMedia.open(t);
  const outgoing = caller.agent.invite({
    uri: `sip:drachtio@${server.sip}`,
    onOffer: () => media.offer(['PCMA']),
    headers: { 'User-Agent': 'drachtio-fsmrf:x', 'X-esl-outbound': `127.0.0.1:${caller.listenerPort}` },
  });
  const dialog = await outgoing.answered;
  media.start(dialog.remoteSdp);
  t.match(dialog.remoteSdp, /m=audio \d+ RTP\/AVP 0 8 9 96 97 98 101 102 103\r/);
  await media.hears(100);
  await dialog.bye();
});
