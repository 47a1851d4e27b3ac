import t from 'tap';
import { EslClient, refused, startServer, TestCaller } from '../test-peer.js';
import { evaluate } from './expression.js';

/** `${name}`, which FreeSWITCH puts the value of a variable in the place of. */
const variable = (name: string): string => `$\{${name}}`;

t.test('commands about the server answer as FreeSWITCH does', async (t) => {
  const server = await startServer(t, ['--max-sessions', '9']);
  const client = await EslClient.connect(t, server);
  await client.next(({ text }) => text === '+OK accepted');
  const answers: [string, string | RegExp][] = [
    ['status', /^UP 0 years, .* microseconds?\nFreeSWITCH \(Version .*\) is ready\n0 session\(s\) since startup\n/],
    ['status', /\n9 session\(s\) max\n/],
    ['uptime x', /^-USAGE: \[us\|ms/],
    ['show channels', '\n0 total.\n'],
    ['show calls count', '\n0 total.\n'],
    ['show registrations as json', '{"row_count": 0}\n'],
    ['show channels as xml', '<result row_count="0"/>\n'],
    ['show channels as foo', '-ERR Cannot find format foo\n'],
    ['show nonsense', /^-USAGE: codec\|/],
    ['global_setvar colour=dark red', '+OK'],
    ['global_getvar colour', 'dark red'],
    ['global_getvar nothing', '-ERR no reply\n'],
    [`eval x ${variable('colour')} y`, 'x dark red y'],
    ['expr 2*(3+4.5)/2', '7.5'],
    ['fsctl max_sessions 5', '+OK max sessions: 5\n'],
    ['fsctl sps 77', '+OK sessions per second: 77\n'],
    ['fsctl loglevel warning', '+OK log level: WARNING [4]\n'],
    ['fsctl loglevel nonsense', '-ERR syntax error, log level not set!\n'],
    ['fsctl pause_check', 'false'],
    ['fsctl pause', '+OK\n'],
    ['fsctl pause_check', 'true'],
    ['fsctl resume', '+OK\n'],
    ['fsctl send_sighup', '+OK\n'],
    ['fsctl nonsense', /^-ERR Invalid command\nUSAGE: fsctl /],
    ['reloadxml', '+OK [Success]\n'],
    ['load mod_sofia', '+OK Reloading XML\n-ERR [Module already loaded]\n'],
    ['module_exists mod_sofia', 'true'],
    ['module_exists mod_nothing', 'false'],
    ['module_exists mod_opus', 'true'],
    ['module_exists', '-ERR no reply\n'],
    ['load mod_nothing', '+OK Reloading XML\n-ERR [module load file routine returned an error]\n'],
    ['unload mod_nothing', '-ERR [No such module!]\n'],
    ['unload mod_sofia', '-ERR [Module is built in]\n'],
    ['sofia status profile drachtio_mrf', /\nURL\s+\tsip:mod_sofia@127/],
    ['sofia status profile nothing', 'Invalid Profile!\n'],
    ['sofia nothing', 'Unknown Command [nothing]\n'],
    ['sofia status gateway', /^ {4}Profile::Gateway-Name\t.*\n=+\n=+\n0 gateways: /],
    ['sofia status gateway x', 'Invalid Gateway!\n'],
    [
      'sofia xmlstatus',
      /^<\?xml .*<profiles>\n<profile>\n<name>drachtio_mrf<\/name>\n.*<state>RUNNING \(0\)<\/state>/s,
    ],
    ['sofia xmlstatus gateway', /<gateways>\n<\/gateways>\n$/],
    ['hupall nosuchcause', '+OK hangup all channels with cause NORMAL_CLEARING\n'],
    ['uuid_record x start', /^-USAGE: <uuid> \[start\|stop\|mask\|unmask\] <path> /],
    ['uuid_dump', '-USAGE: <uuid> [format]\n'],
    ['uuid_getvar x', '-USAGE: <uuid> <var>\n'],
    ['uuid_set_media_stats x', '-ERR No such channel x!\n'],
    ['uuid_send_dtmf x 1', '-ERR Cannot locate session!\n'],
    ['uuid_broadcast x y', '-ERR invalid uuid\n'],
    ['uuid_answer x', '-ERROR\n'],
    ['uuid_audio x', '-USAGE: <uuid> [start [read|write] [mute|level <level>]|stop]\n'],
    ['uuid_audio x stop', '-ERR No such channel!\n'],
    ['uuid_hold x', '+OK Success\n'],
    ['uuid_ring_ready x', '-ERROR\n'],
    ['uuid_setvar_multi x a=1', '-ERR No such channel!\n-USAGE: <uuid> <var>=<value>;<var>=<value>...\n'],
    ['', '-ERR  Command not found!\n'],
    ['nonsense', '-ERR nonsense Command not found!\n'],
    ['uuid_phone_event x', '-ERR Operation failed\n'],
    ['uuid_buglist x', '-ERR no reply\n'],
    ['hupall', '+OK hangup all channels with cause MANAGER_REQUEST\n'],
  ];
  for (const [command, wanted] of answers) {
    const found = await client.api(command);
    if (typeof wanted === 'string') t.equal(found, wanted, command);
    else t.match(found, wanted, command);
  }
});

t.test('a paused server takes no calls, and says so', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const { esl } = await caller.call();
  t.equal(await esl.api('fsctl pause inbound'), '+OK\n');
  t.match(await esl.api('status'), /is paused\n/);
  await refused(t, 503, caller.call());
  t.equal(await esl.api('fsctl resume'), '+OK\n');
  await caller.call();
});

t.test('commands about a channel answer as FreeSWITCH does', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  const answers: [string, string | RegExp][] = [
    ['uuid_setvar @ a b c', '+OK\n'],
    ['uuid_getvar @ a', 'b c'],
    ['uuid_setvar @ a', '+OK\n'],
    ['uuid_getvar @ a', '_undef_'],
    ['uuid_setvar_multi @ x=1;y=2 3;z', '+OK\n'],
    ['uuid_setvar_multi @', '-ERR no reply\n'],
    ['uuid_getvar @ y', '2 3'],
    [`eval uuid:@ [${variable('x')}]`, '[1]'],
    ['uuid_dump @ plain', /\nvariable_x: \[1\]\n/],
    ['uuid_dump @ json', /"variable_y":"2 3"/],
    ['uuid_dump @ xml', /<variable_y>2%203<\/variable_y>/],
    ['uuid_set_media_stats @', '+OK:\n'],
    ['uuid_dump @', /\nvariable_rtp_audio_in_packet_count: \d+\n/],
    ['uuid_buglist @', '<media-bugs>\n</media-bugs>\n'],
    ['uuid_phone_event @ talk', '+OK Success\n'],
    ['uuid_debug_media @ read on', '-ERR Operation failed\n'],
    ['uuid_transfer @ 1000 XML default', '-ERR\n'],
    ['uuid_audio @ start write level -4', '+OK\n'],
    ['uuid_audio @ start read level 99', '+OK\n'],
    ['uuid_audio @ start read mute 0', '+OK\n'],
    ['uuid_audio @ stop', '+OK\n'],
    ['uuid_audio @ start write mute', /^-USAGE: <uuid> \[start /],
    ['uuid_audio @ start write level', /^-USAGE/],
    ['uuid_audio @ start both level 1', /^-USAGE/],
    ['uuid_broadcast @ silence_stream://20', '+OK Message sent\n'],
    ['show channels', new RegExp(`^uuid,direction,.*\n${uuid},inbound,.*\n\n1 total.\n$`, 's')],
    ['show calls as json', /^{"row_count":1,"rows":\[{"uuid":/],
    ['show channels like nothing-like-that', '\n0 total.\n'],
    ['uuid_exists @', 'true'],
  ];
  for (const [command, wanted] of answers) {
    const found = await esl.api(command.replace('@', uuid));
    if (typeof wanted === 'string') t.equal(found, wanted, command);
    else t.match(found, wanted, command);
  }
  await esl.execute(uuid, 'set', `both=${variable('x')} and ${variable('nothing')}${variable('y')}`);
  t.equal(await esl.api(`uuid_getvar ${uuid} both`), '1 and 2 3', 'variables in arguments are expanded');
});

t.test('hold offers sendonly, takes back, and both are events; the peer’s hold too', async (t) => {
  const server = await startServer(t);
  const { dialog, esl, uuid } = await (await TestCaller.create(t, server)).call();
  const offers: string[] = [];
  dialog.on('reinvite', (reinvite) => {
    offers.push(/a=(sendonly|sendrecv)/.exec(reinvite.sdp)?.[1] ?? 'sendrecv');
    reinvite.accept(dialog.localSdp);
  });
  t.equal(await esl.api(`uuid_hold ${uuid}`), '+OK Success\n');
  t.equal(await esl.api(`uuid_hold ${uuid}`), '-ERR Operation failed\n', 'it is on hold already');
  await esl.event((event) => event['Event-Name'] === 'CHANNEL_HOLD');
  while (offers.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  await esl.execute(uuid, 'sleep', '50');
  t.equal(await esl.api(`uuid_hold off ${uuid}`), '+OK Success\n');
  await esl.event((event) => event['Event-Name'] === 'CHANNEL_UNHOLD');
  while (offers.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  t.same(offers, ['sendonly', 'sendrecv']);
  const states = esl.events.filter((event) => event['Event-Name'] === 'CHANNEL_CALLSTATE');
  t.same(
    states.map((event) => event['Channel-Call-State']),
    ['HELD', 'UNHELD', 'ACTIVE'],
  );
});

t.test('a transfer without dialplan runs a list of applications', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  t.equal(await esl.api(`uuid_transfer ${uuid} 'set:step=1,sleep:10,set:step=2,hangup:USER_BUSY' inline`), '+OK\n');
  const hangup = await esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP');
  t.match(hangup, { variable_step: '2', 'Hangup-Cause': 'USER_BUSY' });
});

t.test('who is left of a bridge is hung up, or parked if it asked for that', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  for (const stays of [false, true]) {
    const [a, b] = [await caller.call(), await caller.call()];
    if (stays) await b.esl.execute(b.uuid, 'set', 'park_after_bridge=true');
    t.equal(await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`), `+OK ${b.uuid}\n`);
    await a.esl.api(`uuid_kill ${a.uuid}`);
    const next = await b.esl.event((event) => /^CHANNEL_(PARK|HANGUP)$/.test(event['Event-Name'] ?? ''));
    t.equal(next['Event-Name'], stays ? 'CHANNEL_PARK' : 'CHANNEL_HANGUP');
  }
});

t.test('expressions are evaluated within bounds', async (t) => {
  const found = ['1+1', '7/2', '-(2^3)', '3>2', '1 +', '1/0', 'process.exit()', '('.repeat(900)].map(evaluate);
  t.same(found, ['2', '3.5', '-8', '1', '!err!', '!err!', '!err!', '!err!']);
});
