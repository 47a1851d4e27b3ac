import { once } from 'node:events';
import { tone } from '@ringwire/rtp';
import { DialogState, type SipMessage } from '@ringwire/sip';
import t from 'tap';
import { PhoneMedia, refused, startServer, TestCaller } from './test-peer.js';

t.test(
  'early media: the caller hears and presses keys before the answer, which changes nothing in what it hears',
  async (t) => {
    const server = await startServer(t);
    const { outgoing, media, responses, esl, uuid, channelData } = await (await TestCaller.create(t, server)).place();
    t.equal(channelData['Answer-State'], 'ringing');
    await esl.execute(uuid, 'sleep', '200');
    t.equal(media.packets.length, 0, 'nothing is sent before');
    await Promise.all([once(outgoing, 'progress'), esl.execute(uuid, 'ring_ready')]);
    await esl.event((event) => event['Event-Name'] === 'CHANNEL_PROGRESS');
    await Promise.all([once(outgoing, 'progress'), esl.execute(uuid, 'pre_answer')]);
    const early = await esl.event((event) => event['Event-Name'] === 'CHANNEL_PROGRESS_MEDIA');
    t.match(early, {
      'Answer-State': 'early',
      'Channel-Call-State': 'EARLY',
      variable_endpoint_disposition: 'EARLY MEDIA',
    });
    t.not(early['Caller-Channel-Progress-Media-Time'], '0');
    t.same(
      responses.map(({ status }) => status),
      [180, 183],
    );
    const earlySdp = responses[1]!.bodyText;
    media.start(earlySdp);
    const playing = esl.execute(uuid, 'playback', 'tone_stream://%(4000,0,700)');
    await media.hearsNow(700);
    media.press('5');
    await esl.event((event) => event['Event-Name'] === 'DTMF' && event['DTMF-Digit'] === '5');
    t.notOk(esl.events.some((event) => event['Event-Name'] === 'CHANNEL_ANSWER'));
    t.equal(await esl.api(`uuid_answer ${uuid}`), '+OK\n');
    const dialog = await outgoing.answered;
    t.equal(dialog.remoteSdp, earlySdp, 'the answer is the same');
    const answer = await esl.event((event) => event['Event-Name'] === 'CHANNEL_ANSWER');
    t.match(answer, { 'Answer-State': 'answered', variable_endpoint_disposition: 'ANSWER' });
    await playing;
    const steps = media.packets.slice(1).map(({ timestamp }, i) => timestamp - media.packets[i]!.timestamp);
    // A pause of a busy machine is a longer step.
    t.ok(steps.filter((step) => step !== 160).length <= 2, 'packets go on');
    t.ok(steps.every((step) => step > 0 && step % 160 === 0));
    t.equal(new Set(media.packets.map(({ sequence }) => sequence)).size, media.packets.length);
    t.equal(await esl.api(`uuid_pre_answer ${uuid}`), '+OK\n', 'after that it does nothing');
    t.equal(esl.events.filter((event) => event['Event-Name'] === 'CHANNEL_PROGRESS_MEDIA').length, 1);
    await dialog.bye();
  },
);

t.test('early media: playing begins it by itself, a bridge too, a conference answers', async (t) => {
  const server = await startServer(t, ['--workers', '2']);
  const caller = await TestCaller.create(t, server);
  const a = await caller.place();
  const [progress] = await Promise.all([
    once(a.outgoing, 'progress'),
    a.esl.execute(a.uuid, 'playback', 'silence_stream://100'),
  ]);
  t.equal(progress[0].status, 183);
  const b = await caller.call();
  const c = await caller.place();
  b.media.say(tone(900, 20_000));
  await Promise.all([once(c.outgoing, 'progress'), b.esl.api(`uuid_bridge ${b.uuid} ${c.uuid}`)]);
  await c.esl.event((event) => event['Event-Name'] === 'CHANNEL_PROGRESS_MEDIA');
  c.media.start(c.responses[0]!.bodyText);
  // Who is called is heard before the answer.
  await c.media.hearsNow(900);
  const d = await caller.place();
  const joining = d.esl.execute(d.uuid, 'conference', 'early@default');
  const dialog = await d.outgoing.answered;
  await dialog.bye();
  await joining;
});

t.test(
  'early media: a call that is never answered ends with the right status, or when its caller gives up',
  async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const a = await caller.place();
    await a.esl.execute(a.uuid, 'pre_answer');
    await a.esl.command(`sendmsg ${a.uuid}\ncall-command: hangup\nhangup-cause: USER_BUSY`);
    await refused(t, 486, a.outgoing.answered);
    const end = await a.esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE');
    t.match(end, { 'Hangup-Cause': 'USER_BUSY', variable_billsec: '0', 'Caller-Channel-Answered-Time': '0' });
    const b = await caller.place();
    await b.esl.execute(b.uuid, 'ring_ready');
    b.outgoing.cancel();
    await refused(t, 487, b.outgoing.answered);
    await b.esl.event(
      (e) => e['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE' && e['Hangup-Cause'] === 'ORIGINATOR_CANCEL',
    );
    t.equal(server.channels.size, 0);
    t.equal(server.pool.legCount, 0, 'ports are free');
  },
);

t.test('early media: an outbound leg without offer takes the SDP of a 183 and then of the 200', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call();
  // As drachtio-fsmrf does: INVITE without SDP, our offer goes to the callee, its 183 and 200 come as re-INVITEs.
  const callee = await PhoneMedia.open(t);
  const b = await caller.callWithoutOffer();
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  await b.dialog.reinvite(callee.offer(['PCMA']));
  callee.start(b.dialog.remoteSdp);
  callee.say(tone(440, 60_000));
  await a.media.hearsNow(440);
  const packets = callee.packets.length;
  await b.dialog.reinvite(callee.offer(['PCMA']));
  callee.say(tone(1000, 60_000));
  await a.media.hearsNow(1000);
  const steps = callee.packets
    .slice(packets + 1)
    .map(({ timestamp }, i) => timestamp - callee.packets[packets + i]!.timestamp);
  t.ok(steps.filter((step) => step !== 160).length <= 2, 'what the callee hears goes on');
});

t.test(
  'early media: a caller that requires it gets a 183 again until its PRACK, and the answer only then',
  async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const { outgoing, media, responses, esl, uuid } = await caller.place(['PCMU'], { Require: '100rel' });
    await Promise.all([once(outgoing, 'progress'), esl.execute(uuid, 'pre_answer')]);
    await esl.execute(uuid, 'answer');
    // Repeated after half a second.
    await once(outgoing, 'progress');
    t.same(
      responses.map(({ status }) => status),
      [183, 183],
    );
    const [first, second] = responses;
    t.equal(first!.get('Require'), '100rel');
    t.equal(first!.get('RSeq'), second!.get('RSeq'));
    let isAnswered = false;
    outgoing.once('answered', () => {
      isAnswered = true;
    });
    const early = DialogState.fromResponse(outgoing.request, first!);
    const prack = (rseq: string): Promise<SipMessage> => {
      const request = early.makeRequest('PRACK');
      request.add('RAck', `${rseq} ${outgoing.request.get('CSeq')}`);
      const transaction = caller.agent.layer.sendRequest(request);
      return new Promise((resolve) => transaction.on('response', resolve));
    };
    t.equal((await prack('1')).status, 481, 'of a response that there is not');
    t.equal(isAnswered, false);
    t.equal((await prack(first!.get('RSeq')!)).status, 200);
    const dialog = await outgoing.answered;
    t.equal(dialog.remoteSdp, first!.bodyText);
    media.start(dialog.remoteSdp);
    await media.hears(200);
    await dialog.bye();
  },
);
