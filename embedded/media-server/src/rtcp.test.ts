import dgram from 'node:dgram';
import { createSrtpKey, SRTP_SUITES } from '@ringwire/rtp';
import t from 'tap';
import { type EventHeaders, startServer, TestCaller } from './test-peer.js';

/** An event that tells of a round trip, in seconds. */
function isMeasured(event: EventHeaders): boolean {
  const seconds = Number(event['Rtt0-Avg']);
  return event['Event-Name'] === 'RECV_RTCP_MESSAGE' && seconds > 0 && seconds < 0.2;
}

const FLAGS = ['--rtcp-interval-ms', '200'];

for (const rtcp of ['mux', 'next port'] as const) {
  for (const suite of [undefined, SRTP_SUITES[0]!, SRTP_SUITES[2]!]) {
    const name = `${rtcp === 'mux' ? "on RTP's port" : 'on the next port'}, ${suite?.name ?? 'plain'}`;
    t.test(`rtcp ${name}: reports both ways tell of loss and round trip, and a BYE ends them`, async (t) => {
      const server = await startServer(t, FLAGS);
      const srtp = suite ? [createSrtpKey(suite)] : [];
      const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(
        ['PCMU'],
        {},
        { rtcp, srtp },
      );
      const { port } = media.agreement!.rtcp as { port: number };
      const own = media.agreement!.remotePort;
      if (rtcp === 'mux') t.match(dialog.remoteSdp, new RegExp(`a=rtcp-mux\r\na=rtcp:${own} IN IP4 127.0.0.1\r\n`));
      else t.notMatch(dialog.remoteSdp, 'rtcp-mux');
      if (rtcp === 'next port') t.equal(port, own + 1);
      media.loses = (sequence) => sequence % 8 === 0;
      const { rtcp: session } = media;
      // A pause of a busy machine is a long round trip.
      await media.until(() => session.heard.block.cumulativeLost > 8 && (session.roundTripMs ?? 1000) < 100);
      const { block, sender, hasSender, ssrc } = session.heard;
      t.ok(hasSender, 'who sends audio sends sender reports');
      t.ok(block.cumulativeLost > media.sent.packets / 12, `${block.cumulativeLost} of ${media.sent.packets} lost`);
      t.ok(block.fractionLost < 140, `${block.fractionLost}/256 lost since the report before`);
      t.ok(block.highestSequence <= media.sent.packets && block.highestSequence > media.sent.packets - 100);
      t.ok(block.jitterUnits < 1600, `jitter ${block.jitterUnits}`);
      t.ok(Math.abs(sender.packetCount - media.packets.length) < 100, `${sender.packetCount} sent`);
      t.equal(sender.octetCount, sender.packetCount * 160);
      t.ok(ssrc > 0);
      const event = await esl.event((e) => isMeasured(e));
      t.match(event, { 'Unique-ID': uuid, SSRC: '0000004d', 'RTP-Rate': '8000', 'Source0-Lost': '0' });
      await esl.api(`uuid_set_media_stats ${uuid}`);
      const packets = Number(await esl.api(`uuid_getvar ${uuid} rtp_audio_rtcp_packet_count`));
      t.ok(packets > 0 && packets <= media.sent.packets, `${packets}`);
      t.equal(Number(await esl.api(`uuid_getvar ${uuid} rtp_audio_rtcp_octet_count`)), packets * 160);
      t.notOk(session.isPeerGone);
      const goodbye = media.until(() => session.isPeerGone);
      await dialog.bye();
      await goodbye;
      const end = await esl.event((e) => e['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE');
      t.ok(Number(end.variable_rtp_audio_rtcp_packet_count) >= packets, 'the end of the call has the counts');
      t.ok(Number(end.variable_rtp_audio_in_packet_count) > 20);
    });
  }
}

t.test('rtcp: where SDP does not speak of it there is none, unless rtcp_audio_interval_msec asks for it', async (t) => {
  const server = await startServer(t, FLAGS);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(['PCMU']);
  t.notMatch(dialog.remoteSdp, 'rtcp');
  const next = dgram.createSocket('udp4');
  t.teardown(() => next.close());
  const reports: number[] = [];
  next.bind(media.socket.port + 1, '127.0.0.1');
  const firstReport = new Promise<void>((resolve) => {
    next.on('message', (bytes) => {
      reports.push(bytes[1]!);
      resolve();
    });
  });
  await media.hears(1000);
  t.same(reports, []);
  t.equal(media.socket.badPackets, 0);
  await esl.api(`uuid_setvar ${uuid} rtcp_audio_interval_msec 100`);
  await dialog.reinvite(media.offer(['PCMU']));
  t.match(dialog.remoteSdp, `a=rtcp:${media.agreement!.remotePort + 1} IN IP4 127.0.0.1`);
  await firstReport;
  t.equal(reports[0], 200);
});

t.test('rtcp: our own offer asks for it on RTP’s port, and takes what the answer says', async (t) => {
  const server = await startServer(t, FLAGS);
  const caller = await TestCaller.create(t, server);
  const offers: string[] = [];
  const outgoing = caller.agent.invite({
    uri: `sip:drachtio@${server.sip}`,
    onOffer: (offer) => {
      offers.push(offer);
      return 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtcp-mux\r\n';
    },
    headers: { 'User-Agent': 'drachtio-fsmrf:x', 'X-esl-outbound': `127.0.0.1:${caller.listenerPort}` },
  });
  const dialog = await outgoing.answered;
  const port = Number(/m=audio (\d+)/.exec(offers[0]!)![1]);
  t.match(offers[0], `a=rtcp-mux\r\na=rtcp:${port + 1} IN IP4 127.0.0.1`);
  await dialog.bye();
  const off = await startServer(t, ['--rtcp-interval-ms', '0']);
  const { dialog: silent } = await (await TestCaller.create(t, off)).call(['PCMU'], {}, { rtcp: 'mux' });
  t.notMatch(silent.remoteSdp, 'rtcp', 'with 0 there is none');
});

t.test('rtcp: hostile packets to a call are dropped and counted, and it goes on', async (t) => {
  const server = await startServer(t, FLAGS);
  const { media } = await (await TestCaller.create(t, server)).call(['PCMU'], {}, { rtcp: 'mux' });
  const { rtcp: session, socket } = media;
  await media.until(() => session.reportsReceived >= 1);
  const before = server.pool.stats().rtcpBadPackets;
  const send = (bytes: number[]): void => {
    const packet = Buffer.from(bytes);
    socket.sendRaw(packet, packet.length, media.agreement!.remotePort, '127.0.0.1');
  };
  for (let i = 0; i < 50; i++) {
    send([0x80, 200]);
    send([0x81, 201, 0, 1, 0, 0, 0, 1]);
    send([0x80, 200, 255, 255, 0, 0, 0, 1]);
    send([0x40, 201, 0, 1, 0, 0, 0, 1]);
    send([0x80, 202, 0, 1, 0, 0, 0, 1]);
  }
  const heard = session.reportsReceived;
  const atMs = performance.now();
  await media.until(() => session.reportsReceived >= heard + 6);
  const perReportMs = (performance.now() - atMs) / 6;
  t.ok(perReportMs > 100, `${perReportMs} ms a report: what comes in makes none go out`);
  await media.hears(1100);
  t.equal(server.pool.stats().rtcpBadPackets - before, 250);
});
