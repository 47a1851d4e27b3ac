import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { correlate, findDepartures, readWav, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { chirp, comesRight, folder, startServer, TestCaller, wavFile } from './test-peer.js';

t.test('a call is answered, given to its client, hears silence at once, and is over when it hangs up', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { dialog, media, esl, uuid, channelData } = await caller.call(undefined, { 'X-Call-Sid': 'abc-1' });
  t.match(channelData, {
    'Event-Name': 'CHANNEL_DATA',
    'Channel-Unique-ID': uuid,
    variable_sip_user_agent: 'drachtio-fsmrf:test',
    'variable_sip_h_X-Call-Sid': 'abc-1',
    variable_dtmf_type: 'rfc2833',
    variable_local_media_ip: '127.0.0.1',
    variable_remote_media_port: String(media.socket.port),
  });
  t.match(channelData.variable_rtp_local_sdp_str, /^v=0\r\n/);
  t.match(channelData.variable_switch_r_sdp, /m=audio/);
  // Silence is sent while nothing is played.
  await media.hears(20);
  const ended = new Promise<void>((resolve) => dialog.once('ended', () => resolve()));
  t.equal(server.pool.legCount, 1);
  void esl.execute(uuid, 'hangup');
  await ended;
  const hangup = await esl.event(
    (e) => e['Channel-Call-State'] === 'HANGUP' && e['Event-Name'] === 'CHANNEL_CALLSTATE',
  );
  t.equal(hangup['Hangup-Cause'], 'NORMAL_CLEARING');
  await esl.until(() => esl.isClosed);
  t.ok(esl.replies.some(({ contentType }) => contentType === 'text/disconnect-notice'));
  t.equal(server.channels.size + server.pool.legCount, 0, 'nothing is left');
  const order = esl.events.map((event) => event['Event-Name']).filter((name) => /HANGUP|DESTROY/.test(name!));
  t.same(order, ['CHANNEL_HANGUP', 'CHANNEL_HANGUP_COMPLETE', 'CHANNEL_DESTROY']);
});

t.test('what is played is heard: the same audio, no gap, starting within 40 ms', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { media, esl, uuid } = await caller.call();
  const sound = chirp(2000);
  const path = await wavFile(t, sound);
  const isWhole = await comesRight(async () => {
    const [begun, begin, heardBefore] = [esl.events.length, media.packets.length, media.heard.length];
    const done = await esl.execute(uuid, 'playback', path);
    t.match(done, {
      Application: 'playback',
      'Application-Data': path,
      'Application-Response': 'FILE PLAYED',
      variable_playback_seconds: '2',
      variable_playback_ms: '2000',
      variable_playback_samples: '16000',
    });
    const news = esl.events.slice(begun);
    const started = news.find((event) => event['Event-Name'] === 'PLAYBACK_START');
    t.equal(started?.['Playback-File-Path'], path);
    const stopped = news.find((event) => event['Event-Name'] === 'PLAYBACK_STOP');
    t.equal(stopped?.['Playback-Status'], 'done');
    // What has been sent may not have been received yet.
    await media.hears(100);
    const match = correlate(media.heard.subarray(heardBefore), sound);
    const at = heardBefore + match.lag;
    const packets = media.packets.slice(begin);
    const first = packets.find((packet) => packet.timestamp + 160 > at);
    const gaps = packets.slice(1).map((packet, i) => packet.timestamp - packets[i]!.timestamp);
    t.comment(`correlation ${match.coefficient}, steps ${[...new Set(gaps)]}, marked ${first?.marker}`);
    return (
      first?.marker === true &&
      match.coefficient > 0.99 &&
      findDepartures(media.heard, sound, at).length === 0 &&
      gaps.every((gap) => gap === 160)
    );
  });
  t.ok(
    isWhole,
    'no packet is missing, doubled or damaged, timestamps go on without a hole, the first packet is marked',
  );
});

t.test('digits become events once, with duration, also while playing', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { media, esl, uuid } = await caller.call(['PCMA']);
  void esl.execute(uuid, 'playback', 'silence_stream://-1');
  media.press('19*#');
  await esl.until(() => esl.events.filter((event) => event['Event-Name'] === 'DTMF').length === 4);
  const digits = esl.events.filter((event) => event['Event-Name'] === 'DTMF');
  t.same(
    digits.map((event) => event['DTMF-Digit']),
    ['1', '9', '*', '#'],
  );
  // Where the machine pauses, an end may come late.
  const durations = digits.map((event) => event['DTMF-Duration']);
  t.ok(durations.filter((duration) => duration === '800').length >= 2, `as long as they were pressed: ${durations}`);
  const done = await esl.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE');
  t.equal(done.variable_playback_terminator_used, '*', 'the default terminator ended the playback');
  t.equal(server.counters.dtmfReceived, 4);
});

t.test('digits are sent as telephone events', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  t.equal(await esl.api(`uuid_send_dtmf ${uuid} 42#@100`), `+OK ${uuid} sent DTMF 42#@100.\n`);
  await media.until(() => media.digits.length >= 3);
  t.same(media.digits, ['4', '2', '#']);
});

t.test('a recording holds what the caller said, a session recording both', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const path = join(await folder(t), 'in.wav');
  const both = join(await folder(t), 'both.wav');
  const said = chirp(1000);
  await esl.execute(uuid, 'set', 'RECORD_STEREO=true');
  await esl.execute(uuid, 'record_session', both);
  const isWhole = await comesRight(async () => {
    const isBegin = (event: Record<string, string>): boolean =>
      event['Event-Name'] === 'RECORD_START' && event['Record-File-Path'] === path;
    const begun = esl.events.filter(isBegin).length;
    const recording = esl.execute(uuid, 'record', `${path} 2`);
    await esl.until(() => esl.events.filter(isBegin).length > begun);
    media.say(said);
    const done = await recording;
    t.match(done, { variable_record_seconds: '2', variable_record_ms: '2000', variable_record_samples: '16000' });
    const { pcm } = readWav(await readFile(path));
    t.equal(pcm.length, 16000);
    const match = correlate(pcm, said);
    return match.coefficient > 0.99 && findDepartures(pcm, said, match.lag).length === 0;
  });
  t.ok(isWhole, 'it holds what was said, no packet missing, doubled or damaged');
  await esl.execute(uuid, 'playback', 'tone_stream://%(500,0,800)');
  await esl.execute(uuid, 'stop_record_session', both);
  await esl.event((event) => event['Event-Name'] === 'RECORD_STOP' && event['Record-File-Path'] === both);
  const stereo = await readFile(both);
  const right = new Int16Array((stereo.length - 44) / 4).map((_, i) => stereo.readInt16LE(44 + i * 4 + 2));
  const at = correlate(right, tone(800, 480)).lag;
  t.ok(toneShare(right, 800, 8000, at + 80, at + 3000) > 0.98, 'what was played is on the right');
});

t.test('a recording ends by silence and by a key', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const path = join(await folder(t), 'in.wav');
  const bySilence = await esl.execute(uuid, 'record', `${path} 30 200 1`);
  t.ok(
    Math.abs(Number(bySilence.variable_record_ms) - 1000) <= 300,
    `silence ended it after ${bySilence.variable_record_ms} ms`,
  );
  const byKey = esl.execute(uuid, 'record', `${path} 30`);
  await esl.event((event) => event['Event-Name'] === 'RECORD_STOP');
  media.press('*');
  t.equal((await byKey).variable_playback_terminator_used, '*');
});
