import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { connect } from 'node:net';
import t from 'tap';
import { EslClient, refused, startServer, TestCaller } from '../test-peer.js';

t.test('a wrong password is refused and counted', async (t) => {
  const server = await startServer(t);
  const client = await EslClient.connect(t, server, 'wrong');
  await client.until(() => client.isClosed);
  t.ok(client.replies.some(({ text }) => text === '-ERR invalid'));
  t.equal(server.counters.eslAuthFailures, 1);
});

t.test(
  'a hundred clients that come at once are all let in, in turns of twenty; one that leaves meanwhile is forgotten',
  async (t) => {
    const server = await startServer(t);
    const [host, port] = server.esl.split(':');
    const clients = Array.from({ length: 100 }, () => new EslClient(connect(Number(port), host)));
    t.teardown(() => {
      for (const { socket } of clients) socket.destroy();
    });
    const isAsked = ({ replies }: EslClient): boolean => replies.length > 0;
    await Promise.all(clients.slice(0, 20).map((client) => client.until(() => isAsked(client))));
    t.equal(clients.filter(isAsked).length, 20);
    clients[30]?.socket.destroy();
    // What one says before it is asked is not lost.
    for (const { socket } of clients) socket.write('auth ClueCon\n\n');
    const rest = clients.filter((_, i) => i !== 30);
    await Promise.all(rest.map((client) => client.next(({ text }) => text === '+OK accepted')));
    t.notOk(clients.some(({ replies }) => replies.some(({ contentType }) => contentType === 'text/rude-rejection')));
    t.equal(server.counters.eslAuthFailures, 0);
  },
);

t.test('nothing but auth works without authentication', async (t) => {
  const server = await startServer(t);
  const [host, port] = server.esl.split(':');
  const client = new EslClient(connect(Number(port), host));
  t.teardown(() => client.socket.destroy());
  await client.until(() => client.replies.length === 1);
  t.equal((await client.command('api status')).text, '-ERR command not found');
  t.equal((await client.command('auth ClueCon')).text, '+OK accepted');
});

t.test('an IPv6 address of SIP stands in brackets, as clients look for it', async (t) => {
  const server = await startServer(t, ['--sip', '[::1]:0', '--rtp-address', '127.0.0.1']);
  t.match(server.sip, /^\[::1\]:\d+$/);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const status = await client.api('sofia status');
  // The expression of drachtio-fsmrf.
  t.equal(/^\s*drachtio_mrf.*sip:mod_sofia@(\[[0-9a-f:]+\]:\d+)/m.exec(status)?.[1], server.sip);
});

t.test('api, bgapi and unknown commands answer as FreeSWITCH does', async (t) => {
  const server = await startServer(t);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const status = await client.api('sofia status');
  t.match(status, new RegExp(`^\\s*drachtio_mrf\\s.*sip:mod_sofia@${server.sip}\\s+RUNNING`, 'm'));
  t.equal(await client.api('no_such_thing a b'), '-ERR no_such_thing Command not found!\n');
  t.equal(await client.api('conference x list'), '-ERR Conference x not found\n');
  t.equal(await client.api('uuid_dump nobody'), '-ERR No such channel!\n');
  t.equal(await client.api('uuid_bridge a b'), '-ERR Invalid uuid\n');
  t.equal(await client.api('uuid_exists a'), 'false');
  t.match(await client.api('status'), /1000 session\(s\) max/);
  t.equal((await client.command('frobnicate')).text, '-ERR command not found');
  t.equal((await client.command('event plain NO_SUCH')).text, '-ERR no keywords supplied');
  t.equal((await client.command('event json BACKGROUND_JOB HEARTBEAT')).text, '+OK event listener enabled json');
  const job = await client.command('bgapi echo hello world\nJob-UUID: job-1');
  t.equal(job.text, '+OK Job-UUID: job-1');
  const done = await client.event((event) => event['Event-Name'] === 'BACKGROUND_JOB');
  t.match(done, { 'Job-UUID': 'job-1', 'Job-Command': 'echo', _body: 'hello world' });
  t.equal(
    (await client.command('sendmsg nobody\ncall-command: execute\nexecute-app-name: x')).text,
    '-ERR invalid session id [nobody]',
  );
  t.equal((await client.command('nixevent HEARTBEAT')).text, '+OK events nixed');
  t.equal((await client.command('noevents')).text, '+OK no longer listening for events');
  t.equal((await client.command('noevents')).text, '-ERR not listening for events');
  t.equal((await client.command('linger')).text, '-ERR not controlling a session');
  await client.command('exit');
  await client.until(() => client.isClosed);
});

t.test('heartbeats carry the number of sessions, in plain text too', async (t) => {
  const server = await startServer(t, ['--heartbeat-ms', '20', '--max-sessions', '7']);
  const client = await EslClient.connect(t, server);
  await client.command('event plain HEARTBEAT');
  const beat = await client.event((event) => event['Event-Name'] === 'HEARTBEAT');
  t.match(beat, { 'Session-Count': '0', 'Max-Sessions': '7' });
});

t.test('broken commands and wrong lengths are answered or cut off, counted, and harm nobody', async (t) => {
  const server = await startServer(t);
  const other = await EslClient.connect(t, server);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const lines = [
    '\0\0\0',
    'api',
    'bgapi',
    'event',
    'filter',
    'filter delete',
    'sendmsg',
    'sendevent',
    'myevents',
    ': : :',
    'x'.repeat(5000),
  ];
  lines.push(
    'sendmsg x\ncall-command: execute\nContent-Length: -5',
    'filter a /(/',
    'connect',
    'getvar x',
    'divert_events x',
  );
  for (const line of lines) t.ok(await client.command(line), JSON.stringify(line.slice(0, 40)));
  t.ok(server.counters.eslBadCommands >= lines.length - 2, `${server.counters.eslBadCommands} counted`);
  t.equal(await client.api('echo still here'), 'still here');
  client.socket.write('sendmsg x\nContent-Length: 99999999999\n\n');
  await client.until(() => client.isClosed);
  const endless = await EslClient.connect(t, server);
  endless.socket.write('y'.repeat(2_000_000));
  await endless.until(() => endless.isClosed);
  const random = await EslClient.connect(t, server);
  random.socket.write(randomBytes(100_000));
  random.socket.end('\n\n\n\n');
  await random.until(() => random.isClosed);
  t.equal(await other.api('echo me too'), 'me too');
});

t.test('commands split anywhere in the stream are understood', async (t) => {
  const server = await startServer(t);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const text =
    'api echo one\r\n\r\napi echo two\n\nsendevent CUSTOM\nEvent-Subclass: a::b\nContent-Length: 4\n\n{\n\n}api echo three\n\n';
  for (const character of text) client.socket.write(character);
  await client.until(() => client.replies.some(({ body }) => body === 'three'));
  t.same(
    client.replies.slice(-4).map(({ body, text: reply }) => body || reply.slice(0, 3)),
    ['one', 'two', '+OK', 'three'],
  );
});

t.test('filters and subscriptions choose the events of one channel', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const [a, b] = [await caller.call(), await caller.call()];
  a.esl.events.length = 0;
  await b.esl.execute(b.uuid, 'set', 'x=1');
  await a.esl.execute(a.uuid, 'set', 'x=2');
  t.ok(a.esl.events.length > 0 && a.esl.events.every((event) => event['Unique-ID'] === a.uuid));
  t.equal(
    (await a.esl.command(`filter delete Unique-ID ${a.uuid}`)).text,
    `+OK filter deleted. [Unique-ID][${a.uuid}]`,
  );
  await b.esl.execute(b.uuid, 'set', 'x=3');
  await a.esl.event((event) => event['Unique-ID'] === b.uuid);
});

t.test('variables are set, dumped and unset with any text in them', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  const text = 'a=b "c" 100% ü\u{1f600}';
  await esl.execute(uuid, 'set', `note=${text}`);
  await esl.execute(uuid, 'multiset', '^^^one=1 x^two=2');
  await esl.execute(uuid, 'export', 'three=3');
  t.equal(await esl.api(`uuid_getvar ${uuid} note`), text);
  const dump = await esl.api(`uuid_dump ${uuid}`);
  const values = Object.fromEntries(dump.split('\n').map((line) => line.split(': ').map(decodeURIComponent)));
  t.match(values, {
    variable_note: text,
    variable_one: '1 x',
    variable_two: '2',
    variable_three: '3',
    variable_export_vars: 'three',
  });
  t.equal(await esl.api(`uuid_setvar ${uuid} note`), '+OK\n');
  t.equal(await esl.api(`uuid_getvar ${uuid} note`), '_undef_');
});

t.test('an unknown application hangs up, as in FreeSWITCH', async (t) => {
  const server = await startServer(t);
  const { dialog, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const ended = new Promise<void>((resolve) => dialog.once('ended', () => resolve()));
  await esl.execute(uuid, 'no_such_application', 'room1');
  await ended;
  const hangup = await esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP');
  t.equal(hangup['Hangup-Cause'], 'DESTINATION_OUT_OF_ORDER');
});

t.test('a call whose client goes away or cannot be reached is hung up', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { dialog, esl } = await caller.call();
  const ended = new Promise<void>((resolve) => dialog.once('ended', () => resolve()));
  esl.socket.destroy();
  await ended;
  const unreachable = caller.agent.invite({
    uri: `sip:drachtio@${server.sip}`,
    sdp: 'v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n',
    headers: { 'X-esl-outbound': '127.0.0.1:1' },
  });
  const second = await unreachable.answered;
  if (!second.isEnded) await new Promise<void>((resolve) => second.once('ended', () => resolve()));
  t.equal(server.counters.eventSocketLost, 2);
});

t.test('INVITEs that cannot be served get the right refusal and leave nothing', async (t) => {
  const server = await startServer(t, ['--max-sessions', '1']);
  const caller = await TestCaller.create(t, server);
  const to = { uri: `sip:drachtio@${server.sip}`, headers: { 'X-esl-outbound': '127.0.0.1:1' } };
  await refused(t, 404, caller.agent.invite({ ...to, headers: {}, sdp: 'v=0' }).answered);
  await refused(t, 400, caller.agent.invite({ ...to, sdp: 'garbage' }).answered);
  const g729 = 'v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 18\r\n';
  await refused(t, 488, caller.agent.invite({ ...to, sdp: g729 }).answered);
  await caller.call();
  await refused(t, 503, caller.agent.invite({ ...to, sdp: g729 }).answered);
  while (server.pool.legCount > 1) await new Promise((resolve) => setImmediate(resolve));
  t.equal(server.counters.sessionsRejected, 4);
});

t.test('garbage on SIP and RTP ports is dropped and counted while the call goes on', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const socket = dgram.createSocket('udp4');
  t.teardown(() => socket.close());
  const send = (data: Buffer | string, port: number): Promise<void> =>
    new Promise((resolve) => socket.send(data, port, '127.0.0.1', () => resolve()));
  const sipPort = Number(server.sip.split(':')[1]);
  const rtpPort = Number(/m=audio (\d+)/.exec(await esl.api(`uuid_getvar ${uuid} rtp_local_sdp_str`))?.[1]);
  for (const data of ['', 'x', randomBytes(1400), Buffer.alloc(65507, 0x80), 'INVITE sip:x SIP/2.0\r\nVia: \r\n\r\n']) {
    await send(data, sipPort);
    await send(data, rtpPort);
  }
  await esl.execute(uuid, 'sleep', '100');
  await esl.api(`uuid_set_media_stats ${uuid}`);
  const flushed = Number(await esl.api(`uuid_getvar ${uuid} rtp_audio_in_flush_packet_count`));
  t.ok(flushed >= 4, `${flushed} counted`);
  const before = media.packets.length;
  const done = await esl.execute(uuid, 'playback', 'tone_stream://%(200,0,440)');
  t.equal(done['Application-Response'], 'FILE PLAYED');
  t.ok(media.packets.length > before);
});
