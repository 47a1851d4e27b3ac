import { correlate, createSrtpKey, SRTP_SUITES, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { chirp, refused, startServer, TestCaller } from './test-peer.js';

for (const suite of SRTP_SUITES) {
  t.test(`srtp: ${suite.name}: a call is heard both ways, and nobody else hears it`, async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const key = createSrtpKey(suite);
    const { dialog, media, esl, uuid } = await caller.call(['PCMU'], {}, { srtp: [key] });
    t.match(dialog.remoteSdp, new RegExp(`m=audio \\d+ RTP/SAVP 0.*a=crypto:1 ${suite.name} inline:`, 's'));
    await esl.execute(uuid, 'playback', 'tone_stream://%(600,0,700)');
    const end = media.heard.length;
    t.ok(toneShare(media.heard, 700, 8000, end - 3500, end - 1500) > 0.9, 'the phone hears the tone');
    media.press('5');
    await esl.event((event) => event['Event-Name'] === 'DTMF' && event['DTMF-Digit'] === '5');
    // Without the keys it is noise, and it does not reach the call.
    media.socket.setSecurity({ send: createSrtpKey(suite), receive: media.agreement!.srtp!.receive });
    media.press('6');
    await esl.execute(uuid, 'sleep', '400');
    await esl.api(`uuid_set_media_stats ${uuid}`);
    t.ok(
      Number(await esl.api(`uuid_getvar ${uuid} rtp_audio_in_flush_packet_count`)) > 5,
      'forged packets are counted',
    );
    t.notOk(esl.events.some((event) => event['DTMF-Digit'] === '6'));
  });
}

t.test('srtp: a bridge between a secured and a plain call, new keys by re-INVITE', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call(['PCMU'], {}, { srtp: [createSrtpKey(SRTP_SUITES[1]!)] });
  const b = await caller.call(['PCMA']);
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  const said = chirp(600);
  a.media.say(said);
  await b.media.hears(1500);
  // A pause of a busy machine may spoil one part.
  const parts = [0, 1600, 3200].map((at) => correlate(b.media.heard, said.subarray(at, at + 1600)).coefficient);
  t.ok(parts.sort((one, other) => one - other)[1]! > 0.9, `from the secured side: ${parts}`);
  const before = a.dialog.remoteSdp;
  a.media.srtp = [createSrtpKey(SRTP_SUITES[2]!)];
  await a.dialog.reinvite(a.media.offer(['PCMU']));
  a.media.start(a.dialog.remoteSdp);
  t.not(a.dialog.remoteSdp, before);
  t.match(a.dialog.remoteSdp, 'AES_CM_128_HMAC_SHA1_32');
  a.media.say(tone(900, 1500));
  await b.media.hears(800);
  const end = b.media.heard.length;
  t.ok(toneShare(b.media.heard, 900, 8000, end - 2400, end - 400) > 0.9, 'under the new keys');
});

t.test('srtp: an offer that only has suites nobody knows is refused', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { dialog, media } = await caller.call();
  const offer = media.offer().replace('RTP/AVP', 'RTP/SAVP');
  await refused(t, 488, dialog.reinvite(`${offer}a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n`));
  await refused(t, 488, dialog.reinvite(offer));
});
