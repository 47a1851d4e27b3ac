import { once } from 'node:events';
import { type Direction, tone } from '@ringwire/rtp';
import t from 'tap';
import { type EslClient, PhoneMedia, startServer, type TestCall, TestCaller } from './test-peer.js';

/** Two bridged calls; the first says 500 Hz, the second 900 Hz. */
async function bridged(t: { teardown(fn: () => unknown): void }, flags: string[] = []): Promise<[TestCall, TestCall]> {
  const server = await startServer(t, flags);
  const caller = await TestCaller.create(t, server);
  const [a, b] = [await caller.call(), await caller.call()];
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  a.media.say(tone(500, 60_000));
  b.media.say(tone(900, 60_000));
  await a.media.hearsNow(900);
  await b.media.hearsNow(500);
  return [a, b];
}

/** Lets 600 ms pass and tells how many packets came. */
async function packetsIn({ media, esl, uuid }: TestCall, ms = 600): Promise<number> {
  const before = media.packets.length;
  await esl.execute(uuid, 'sleep', String(ms));
  return media.packets.length - before;
}

const directionOf = (sdp: string): string | undefined => /a=(sendrecv|sendonly|recvonly|inactive)/.exec(sdp)?.[1];

async function state(esl: EslClient, name: string, times = 1): Promise<void> {
  await esl.until(() => esl.events.filter((event) => event['Event-Name'] === name).length >= times);
}

for (const [offered, answered, heardBy] of [
  ['sendonly', 'recvonly', { a: false, b: true }],
  ['recvonly', 'sendonly', { a: true, b: false }],
  ['inactive', 'inactive', { a: false, b: false }],
  ['sendrecv', 'sendrecv', { a: true, b: true }],
] as const satisfies readonly (readonly [Direction, Direction, { a: boolean; b: boolean }])[]) {
  t.test(`hold: ${offered} is answered ${answered}, audio flows so, and comes back`, async (t) => {
    const [a, b] = await bridged(t);
    await a.dialog.reinvite(a.media.offer().replace('a=sendrecv', `a=${offered}`));
    t.equal(directionOf(a.dialog.remoteSdp), answered);
    const isHeld = offered === 'sendonly' || offered === 'inactive';
    if (isHeld) await state(a.esl, 'CHANNEL_HOLD');
    const came = await packetsIn(a);
    if (heardBy.a) await a.media.hearsNow(900);
    else t.ok(came <= 2, `${came} packets to the holder`);
    await b.media.hearsNow(heardBy.b ? 500 : 'silence');
    await a.dialog.reinvite(a.media.offer());
    t.equal(directionOf(a.dialog.remoteSdp), 'sendrecv');
    if (isHeld) await state(a.esl, 'CHANNEL_UNHOLD');
    await a.media.hearsNow(900);
    await b.media.hearsNow(500);
    t.equal(
      a.esl.events.some((event) => event['Event-Name'] === 'CHANNEL_HOLD'),
      isHeld,
    );
  });
}

t.test('hold: the null address of old equipment means that nothing is sent', async (t) => {
  const [a, b] = await bridged(t);
  await a.dialog.reinvite(a.media.offer().replace('c=IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0'));
  const came = await packetsIn(a);
  t.ok(came <= 2, `${came} packets`);
  await a.dialog.reinvite(a.media.offer());
  await a.media.hearsNow(900);
  await b.media.hearsNow(500);
});

t.test('hold: uuid_hold offers sendonly, the other leg hears hold_music, and all comes back', async (t) => {
  const [a, b] = await bridged(t, ['--workers', '2']);
  await a.esl.api(`uuid_setvar ${a.uuid} hold_music tone_stream://%(10000,0,300);loops=-1`);
  const offers: (string | undefined)[] = [];
  a.dialog.on('reinvite', (reinvite) => {
    const offered = directionOf(reinvite.sdp);
    offers.push(offered);
    reinvite.accept(a.media.offer().replace('a=sendrecv', `a=${offered === 'sendonly' ? 'recvonly' : 'sendrecv'}`));
  });
  const answered = once(a.dialog, 'ack');
  t.equal(await a.esl.api(`uuid_hold ${a.uuid}`), '+OK Success\n');
  await answered;
  await state(a.esl, 'CHANNEL_HOLD');
  await b.media.hearsNow(300);
  t.same(offers, ['sendonly']);
  // Who hears music is not heard, as in FreeSWITCH.
  await a.media.hearsNow('silence');
  // A re-INVITE of the held side changes nothing of it.
  await a.dialog.reinvite(a.media.offer());
  t.equal(directionOf(a.dialog.remoteSdp), 'sendonly');
  t.equal((await a.esl.api(`uuid_dump ${a.uuid}`)).match(/Channel-Call-State: (\w+)/)?.[1], 'HELD');
  await b.media.hearsNow(300);
  const back = once(a.dialog, 'ack');
  await a.esl.api(`uuid_hold off ${a.uuid}`);
  await back;
  await state(a.esl, 'CHANNEL_UNHOLD');
  await b.media.hearsNow(500);
  await a.media.hearsNow(900);
  t.same(offers, ['sendonly', 'sendrecv']);
});

t.test('hold: a phone that holds lets the other leg hear hold_music; it ends with the bridge', async (t) => {
  const [a, b] = await bridged(t);
  await a.esl.api(`uuid_setvar ${a.uuid} hold_music tone_stream://%(10000,0,300);loops=-1`);
  await a.dialog.reinvite(a.media.offer().replace('a=sendrecv', 'a=sendonly'));
  await b.media.hearsNow(300);
  await b.esl.api(`uuid_transfer ${b.uuid} -both park inline`);
  await b.media.hearsNow('silence');
});

t.test('hold: RTCP goes on while nothing is sent', async (t) => {
  const server = await startServer(t, ['--rtcp-interval-ms', '200']);
  const { dialog, media } = await (await TestCaller.create(t, server)).call(['PCMU'], {}, { rtcp: 'mux' });
  await dialog.reinvite(media.offer(['PCMU']).replace('a=sendrecv', 'a=inactive'));
  const { reportsReceived } = media.rtcp;
  await media.until(() => media.rtcp.reportsReceived >= reportsReceived + 5);
  t.notOk(media.rtcp.heard.hasSender, 'who sends nothing makes receiver reports');
});

t.test('an UPDATE moves media to a new address, holds and takes back', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const other = await PhoneMedia.open(t);
  const update = async (body: string): Promise<string> => {
    const response = await dialog.request('UPDATE', { body, contentType: 'application/sdp' });
    t.equal(response?.status, 200);
    return response!.bodyText;
  };
  other.start(await update(other.offer(['PCMA'])));
  t.equal(other.agreement?.codec, 'PCMA');
  const playing = esl.execute(uuid, 'playback', 'tone_stream://%(20000,0,700)');
  await other.hearsNow(700);
  const before = media.packets.length;
  t.equal(directionOf(await update(other.offer(['PCMA']).replace('a=sendrecv', 'a=sendonly'))), 'recvonly');
  await state(esl, 'CHANNEL_HOLD');
  await update(other.offer(['PCMA']));
  await state(esl, 'CHANNEL_UNHOLD');
  await other.hearsNow(700);
  t.equal(media.packets.length, before, 'the old address gets nothing');
  const empty = await dialog.request('UPDATE');
  t.equal(empty?.status, 200, 'one without SDP refreshes the session');
  t.equal(empty?.bodyText, '');
  const bad = await dialog.request('UPDATE', {
    body: other.offer().replace(/RTP\/AVP.*/, 'RTP/AVP 18'),
    contentType: 'application/sdp',
  });
  t.equal(bad?.status, 488);
  await esl.api(`uuid_break ${uuid}`);
  await playing;
});

t.test('a re-INVITE without SDP gets our offer, and the answer in its ACK holds or moves', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const other = await PhoneMedia.open(t);
  let offer = '';
  await dialog.reinvite(undefined, {
    onOffer: (theirs) => {
      offer = theirs;
      return other.offer(['PCMU']).replace('a=sendrecv', 'a=recvonly');
    },
  });
  t.equal(directionOf(offer), 'sendrecv');
  other.start(offer);
  const playing = esl.execute(uuid, 'playback', 'tone_stream://%(3000,0,700)');
  await other.hearsNow(700);
  const before = media.packets.length;
  await playing;
  t.equal(media.packets.length, before);
});
