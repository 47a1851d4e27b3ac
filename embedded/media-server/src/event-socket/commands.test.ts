import { connect } from 'node:net';
import t from 'tap';
import { EslClient, startServer, TestCaller } from '../test-peer.js';

t.test('one event can be taken out of all, subclasses are chosen, filters may be regular expressions', async (t) => {
  const server = await startServer(t);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const send = (subclass: string, kind: string): Promise<unknown> =>
    client.command(`sendevent CUSTOM\nEvent-Subclass: ${subclass}\nX-Kind: ${kind}`);
  await client.command('event json ALL');
  t.equal((await client.command('nixevent HEARTBEAT DTMF')).text, '+OK events nixed');
  await send('a::b', 'one');
  await client.event((event) => event['X-Kind'] === 'one');
  await client.command('noevents');
  await client.command('event json CUSTOM a::b');
  await send('c::d', 'two');
  await send('a::b', 'three');
  await client.event((event) => event['X-Kind'] === 'three');
  t.notOk(client.events.some((event) => event['X-Kind'] === 'two'));
  t.equal(
    (await client.command('filter add x-kind /^(red|green)$/')).text,
    '+OK filter added. [x-kind]=[/^(red|green)$/]',
  );
  t.equal((await client.command('filter X-Kind -green')).text, '+OK filter added. [X-Kind]=[-green]');
  t.equal((await client.command('filter X-Kind /(a+)+$/')).text, '-ERR invalid syntax', 'it could take for ever');
  for (const kind of ['blue', 'green', 'red']) await send('a::b', kind);
  await client.event((event) => event['X-Kind'] === 'red');
  t.same(
    client.events.map((event) => event['X-Kind']),
    ['one', 'three', 'red'],
  );
  t.equal((await client.command('filter delete all')).text, '+OK filter deleted. [all][]');
  await send('a::b', 'green');
  await client.event((event) => event['X-Kind'] === 'green');
});

t.test('an event of a client keeps its headers as written, its body, and gets a number', async (t) => {
  const server = await startServer(t);
  const client = await EslClient.connect(t, server);
  await client.command('event json ALL');
  const { text } = await client.command(
    'sendevent CUSTOM\nEvent-Subclass: a::b\nX-someThing: 1%\nContent-Length: 2\n\nhi',
  );
  const event = await client.event((e) => e['Event-Subclass'] === 'a::b');
  t.match(event, { 'Event-Name': 'CUSTOM', 'X-someThing': '1%', _body: 'hi', Command: 'sendevent CUSTOM' });
  t.equal(text, `+OK ${event['Event-UUID']}`);
});

t.test('myevents gives a channel’s events to whoever asks for it', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const [a, b] = [await caller.call(), await caller.call()];
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  t.equal((await client.command('myevents nobody json')).text, '-ERR invalid uuid');
  t.equal((await client.command(`myevents ${a.uuid} json`)).text, '+OK Events Enabled');
  t.equal((await client.command(`myevents ${a.uuid}`)).text, '-ERR aready enabled.');
  await b.esl.execute(b.uuid, 'set', 'x=1');
  await a.esl.execute(a.uuid, 'set', 'x=2');
  await client.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE');
  t.ok(client.events.every((event) => event['Unique-ID'] === a.uuid));
});

t.test('a channel’s own socket: getvar, divert_events, resume, linger for a time, log', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  const reply = async (command: string): Promise<string> => (await esl.command(command)).text;
  await esl.execute(uuid, 'set', 'colour=dark red');
  t.equal(await reply('getvar colour'), 'dark red');
  t.equal(await reply('divert_events on'), '+OK events diverted');
  t.equal(await reply('divert_events off'), '+OK events not diverted');
  t.equal(await reply('divert_events'), '-ERR missing value.');
  t.equal(await reply('resume'), '+OK');
  t.equal(await esl.api(`uuid_getvar ${uuid} socket_resume`), 'true');
  t.equal(await reply('nolog'), '-ERR not loging');
  t.equal(await reply('log info'), '+OK log level info [6]');
  t.equal(await reply('log nonsense'), '-ERR invalid log level');
  t.equal(await reply('nolog'), '+OK no longer logging');
  t.equal(await reply('nolinger'), '+OK will not linger');
  t.equal(await reply('linger'), '+OK will linger');
  t.equal(await reply('linger 7'), '+OK will linger 7 seconds');
  await esl.command(`sendmsg\ncall-command: hangup\nhangup-cause: USER_BUSY`);
  const notice = await esl.next(({ contentType }) => contentType === 'text/disconnect-notice');
  t.match(notice.headers, { 'Content-Disposition': 'linger', 'Linger-Time': '7', 'Controlled-Session-UUID': uuid });
  const destroyed = await esl.event((event) => event['Event-Name'] === 'CHANNEL_DESTROY');
  t.equal(destroyed['Hangup-Cause'], 'USER_BUSY');
  t.notOk(esl.isClosed, 'events still come while it lingers');
});

t.test(
  'an application is repeated as often as loops says, unless it is too short or everything is broken',
  async (t) => {
    const server = await startServer(t);
    const { esl, uuid } = await (await TestCaller.create(t, server)).call();
    const run = (app: string, argument: string, loops: number, id: string): Promise<unknown> =>
      esl.command(
        `sendmsg ${uuid}\ncall-command: execute\nexecute-app-name: ${app}\nevent-uuid: ${id}\nloops: ${loops}\n` +
          `event-lock: true\ncontent-type: text/plain\ncontent-length: ${argument.length}\n\n${argument}`,
      );
    const completed = (id: string): number =>
      esl.events.filter((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && e['Application-UUID'] === id).length;
    await run('sleep', '550', 2, 'twice');
    await run('sleep', '5', 3, 'short');
    await run('sleep', '600000', -1, 'endless');
    await esl.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE' && e['Application-UUID'] === 'endless');
    t.equal(completed('twice'), 2);
    t.equal(completed('short'), 1, 'a failing application must not spin');
    await esl.api(`uuid_break ${uuid} all`);
    await esl.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && e['Application-UUID'] === 'endless');
    await esl.execute(uuid, 'set', 'after=1');
    t.equal(completed('endless'), 1);
  },
);

t.test('a stranger may send little, and not for long', async (t) => {
  const server = await startServer(t);
  const [host, port] = server.esl.split(':');
  const client = new EslClient(connect(Number(port), host));
  t.teardown(() => client.socket.destroy());
  client.socket.write(`auth ${'x'.repeat(4000)}`);
  await client.until(() => client.isClosed);
  t.ok(client.replies.some(({ text }) => text === '-ERR the command is too long'));
});

t.test('a client that does not read loses events, then its connection, and harms nobody', async (t) => {
  const server = await startServer(t);
  const slow = await EslClient.connect(t, server);
  await slow.command('event json CUSTOM big::one');
  slow.socket.pause();
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const body = 'x'.repeat(512 * 1024);
  const frame = `sendevent CUSTOM\nEvent-Subclass: big::one\nContent-Length: ${body.length}\n\n${body}`;
  while (server.counters.eslEventsLost === 0) await client.command(frame);
  t.equal(await client.api('echo alive'), 'alive');
  const small = 'sendevent CUSTOM\nEvent-Subclass: big::one';
  while (server.counters.eslEventsLost <= 500) await client.command(small);
  slow.socket.resume();
  await slow.until(() => slow.isClosed);
  t.equal(await client.api('echo alive'), 'alive');
});
