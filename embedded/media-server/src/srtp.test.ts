import { once } from 'node:events';
import { createSrtpKey, SRTP_SUITES, tone } from '@ringwire/rtp';
import t from 'tap';
import { connectFsmrf } from './test-fsmrf.js';
import { chirp, isCarried, PhoneMedia, refused, startServer, TestCaller } from './test-peer.js';

for (const suite of SRTP_SUITES) {
  t.test(`srtp: ${suite.name}: a call is heard both ways, and nobody else hears it`, async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const key = createSrtpKey(suite);
    const { dialog, media, esl, uuid } = await caller.call(['PCMU'], {}, { srtp: [key] });
    t.match(dialog.remoteSdp, new RegExp(`m=audio \\d+ RTP/SAVP 0.*a=crypto:1 ${suite.name} inline:`, 's'));
    const playing = esl.execute(uuid, 'playback', 'tone_stream://%(10000,0,700)');
    await media.hearsNow(700);
    await esl.api(`uuid_break ${uuid}`);
    await playing;
    media.press('5');
    await esl.event((event) => event['Event-Name'] === 'DTMF' && event['DTMF-Digit'] === '5');
    // Without the keys it is noise, and it does not reach the call.
    media.socket.setSecurity({ send: createSrtpKey(suite), receive: media.agreement!.srtp!.receive });
    media.press('6');
    // Forged packets are counted.
    for (let count = 0; count <= 12; ) {
      await esl.execute(uuid, 'sleep', '100');
      await esl.api(`uuid_set_media_stats ${uuid}`);
      count = Number(await esl.api(`uuid_getvar ${uuid} rtp_audio_in_flush_packet_count`));
    }
    t.notOk(esl.events.some((event) => event['DTMF-Digit'] === '6'));
  });
}

t.test('srtp: a bridge between a secured and a plain call, new keys by re-INVITE', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call(['PCMU'], {}, { srtp: [createSrtpKey(SRTP_SUITES[1]!)] });
  const b = await caller.call(['PCMA']);
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  t.ok(await isCarried(a.media, b.media, chirp(600), 0.9), 'from the secured side');
  const before = a.dialog.remoteSdp;
  a.media.srtp = [createSrtpKey(SRTP_SUITES[2]!)];
  await a.dialog.reinvite(a.media.offer(['PCMU']));
  a.media.start(a.dialog.remoteSdp);
  t.not(a.dialog.remoteSdp, before);
  t.match(a.dialog.remoteSdp, 'AES_CM_128_HMAC_SHA1_32');
  a.media.say(tone(900, 60_000));
  // Under the new keys.
  await b.media.hearsNow(900);
});

t.test('srtp: an offer that only has suites nobody knows is refused', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { dialog, media } = await caller.call();
  const offer = media.offer().replace('RTP/AVP', 'RTP/SAVP');
  await refused(t, 488, dialog.reinvite(`${offer}a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n`));
  await refused(t, 488, dialog.reinvite(offer));
});

t.test('srtp: a call without offer that asks for it is offered RTP/SAVP, and new keys later', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const media = await PhoneMedia.open(t);
  const keyOf = (sdp: string): string => /inline:(\S+)/.exec(sdp)![1]!;
  let offer = '';
  const outgoing = caller.agent.invite({
    uri: `sip:drachtio@${server.sip}`,
    headers: { 'X-Secure-RTP': 'true', 'X-esl-outbound': `127.0.0.1:${caller.listenerPort}` },
    onOffer: (theirs) => {
      offer = theirs;
      const lines = offer.split('\r\n').filter((line) => line.startsWith('a=crypto:'));
      t.equal(lines.length, SRTP_SUITES.length, 'all suites');
      // The third is taken.
      const answer = media.offer(['PCMU']).replace('RTP/AVP', 'RTP/SAVP');
      return `${answer}a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:${createSrtpKey(SRTP_SUITES[2]!).keySalt}\r\n`;
    },
  });
  const dialog = await outgoing.answered;
  t.match(offer, /m=audio \d+ RTP\/SAVP/);
  // The phone has what it answered with.
  const own = { suite: 'AES_CM_128_HMAC_SHA1_32', keySalt: keyOf(dialog.localSdp) };
  const theirs = { suite: own.suite, keySalt: /crypto:3 \S+ inline:(\S+)/.exec(offer)![1]! };
  const { remoteHost, remotePort } = { remoteHost: '127.0.0.1', remotePort: Number(/m=audio (\d+)/.exec(offer)![1]) };
  media.startTo({
    codec: 'PCMU',
    payloadType: 0,
    ptimeMs: 20,
    direction: 'sendrecv',
    remoteHost,
    remotePort,
    srtp: { send: own, receive: theirs },
  });
  await media.hears(300);
  t.equal(media.socket.unauthenticPackets, 0);
  const channel = server.channels.all()[0]!;
  t.equal(channel.getVariable('rtp_secure_media_confirmed'), 'true');
  // New keys of the same suite, by the peer.
  media.srtp = [createSrtpKey(SRTP_SUITES[2]!)];
  await dialog.reinvite(media.offer(['PCMU']));
  media.start(dialog.remoteSdp);
  t.equal(keyOf(dialog.remoteSdp), theirs.keySalt, 'our key stays with the suite');
  const before = media.socket.unauthenticPackets;
  const { packetsIn } = server.pool.stats();
  await media.hears(1500);
  t.equal(media.socket.unauthenticPackets, before);
  t.ok(server.pool.stats().packetsIn > packetsIn + 20, 'what comes under the new key is taken');
  // Our own offer to a secured call has RTP/SAVP too.
  const held: string[] = [];
  dialog.on('reinvite', (reinvite) => {
    held.push(reinvite.sdp);
    reinvite.reject(488);
  });
  channel.holding.set(true);
  await media.hears(300);
  t.match(held[0], /m=audio \d+ RTP\/SAVP .*a=sendonly\r\na=crypto:1 AES_CM_128_HMAC_SHA1_32/s);
  await dialog.bye();
});

t.test('srtp: who answers an RTP/SAVP offer without keys is hung up', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const media = await PhoneMedia.open(t);
  const outgoing = caller.agent.invite({
    uri: `sip:drachtio@${server.sip}`,
    headers: { 'X-Secure-RTP': 'true', 'X-esl-outbound': `127.0.0.1:${caller.listenerPort}` },
    onOffer: () => media.offer(['PCMU']),
  });
  const dialog = await outgoing.answered;
  const [end] = await once(dialog, 'ended');
  t.match(end.request?.get('Reason'), /INCOMPATIBLE_DESTINATION/);
});

t.test(
  'srtp: an endpoint of drachtio-fsmrf with srtp offers keys, and is heard by a phone that has some',
  async (t) => {
    const { ms } = await connectFsmrf(t);
    const endpoint = await ms.createEndpoint({ srtp: true });
    t.match(endpoint.local.sdp, /m=audio \d+ RTP\/SAVP .*a=crypto:1 AEAD_AES_128_GCM inline:/s);
    const phone = await PhoneMedia.open(t, { srtp: [createSrtpKey(SRTP_SUITES[1]!)] });
    phone.start(await endpoint.modify(phone.offer(['PCMU'])));
    const playing = endpoint.play('tone_stream://%(60000,0,700)');
    await phone.hearsNow(700);
    t.equal(phone.socket.unauthenticPackets, 0);
    await endpoint.destroy();
    await playing;
  },
);
