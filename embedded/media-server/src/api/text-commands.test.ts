import t from 'tap';
import { EslClient, type EventHeaders, startServer } from '../test-peer.js';

const run = t.test;

/** An event socket of ours, or of a real FreeSWITCH. */
async function connected(t: { teardown(fn: () => unknown): void }): Promise<EslClient> {
  const [host, port, password] = (process.env.FREESWITCH ?? '').split(':');
  const esl = await EslClient.connect(t, host ? { esl: `${host}:${port}` } : await startServer(t), password);
  await esl.next(({ text }) => text === '+OK accepted');
  return esl;
}

/** `${name}`, which FreeSWITCH puts the value of a variable in the place of. */
const variable = (name: string): string => `$\{${name}}`;

run('commands that make one text of another answer as FreeSWITCH does', async (t) => {
  const esl = await connected(t);
  const hostname = await esl.api('hostname');
  const answers: [string, string | RegExp][] = [
    ['md5 abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['md5', '!err!'],
    ['regex abc|b', 'true'],
    ['regex abc|z', 'false'],
    ['regex abc|(b)|x%1y', 'xby'],
    ['regex abc|(b)|x$1y', 'xby'],
    ['regex abc|z|x%1y', 'abc'],
    ['regex abc|z|x|n', '-ERR no reply\n'],
    ['regex abc|z|x|b', 'false'],
    ['regex abc', '-ERR'],
    ['regex', '-ERR'],
    ['regex m:~a|c~a\\|(c)~%1', 'c'],
    ['regex abc|(b', 'false'],
    ['strftime', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/],
    ['strftime %Y', String(new Date().getFullYear())],
    ['strftime 1700000000', '1700000000'],
    // FreeSWITCH leaves out the character after the bar.
    ['strftime 864000|X%Y-%m', '1970-01'],
    ['strftime 864000|%Y-%m', 'Y-01'],
    ['strftime 864000|X%F', '-ERR no reply\n'],
    ['strftime %k', '-ERR no reply\n'],
    ['file_exists /etc/passwd', 'true'],
    ['file_exists /etc', 'true'],
    ['file_exists /no/such/file', 'false'],
    ['file_exists', 'false'],
    ['eval', '-ERR no reply\n'],
    [
      `eval ${variable('hostname')} $${variable('hostname')} \\${variable('a')} ${variable('nope')}x`,
      `${hostname} ${hostname} ${variable('a')} x`,
    ],
    [`eval ${variable('md5(abc)')}`, '900150983cd24fb0d6963f7d28e17f72'],
    [`expand echo ${variable('hostname')}`, hostname],
    ['expand uuid:x echo a', 'a'],
    ['expand', '-ERR No input\n'],
    ['expand nonsense x', 'INVALID COMMAND!\n-ERR Cannot execute command\n'],
    ['create_uuid', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/],
    ['uuid_exists', 'false'],
    ['uuid_exists x', 'false'],
    ['uuid_jitterbuffer', '-USAGE: <uuid> [0|<min_msec>[:<max_msec>]]\n'],
    ['uuid_jitterbuffer x', '-USAGE: <uuid> [0|<min_msec>[:<max_msec>]]\n'],
    ['uuid_jitterbuffer x 60', '-ERR Operation failed\n'],
    ['uuid_send_info', '-USAGE: <uuid> [<mime_type> <mime_subtype>] <message>\n-ERR Operation Failed\n'],
    ['uuid_send_info x', '-ERR Operation Failed\n'],
    ['uuid_send_info x y', '-ERR Operation Failed\n'],
    ['uuid_send_info x a b', '-USAGE: <uuid> [<mime_type> <mime_subtype>] <message>\n-ERR Operation Failed\n'],
    ['uuid_send_info x a b c', '-ERR Operation Failed\n'],
    ['sched_hangup', '-USAGE: [+]<time> <uuid> [<cause>]\n'],
    ['sched_hangup +5', '-ERR No such channel!\n'],
    ['sched_hangup +5 x', '-ERR No such channel!\n'],
    ['sched_api', '-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n'],
    ['sched_api +1 none', '-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n'],
    ['sched_del no-such-group', '+OK Deleted: 0\n'],
    ['sched_del 99999', '+OK Deleted: 0\n'],
    ['sched_del', '+OK Deleted: 0\n'],
    ['unsched_api', '-ERR no reply\n'],
    ['unsched_api 99999', '-ERR No such id\n'],
  ];
  for (const [command, wanted] of answers) {
    const found = await esl.api(command);
    if (typeof wanted === 'string') t.equal(found, wanted, command);
    else t.match(found, wanted, command);
  }
});

run('regex: an expression that could backtrack without end does not hold up the others', async (t) => {
  const esl = await EslClient.connect(t, await startServer(t));
  await esl.next(({ text }) => text === '+OK accepted');
  t.equal(await esl.api(`regex ${'a'.repeat(40)}!|^(a+)+$`), 'false');
  t.equal(await esl.api(`regex ${'a'.repeat(100_000)}!|a*a*$`), 'false');
});

run('sched_api: a command is run in its time, once or again and again, until it is deleted', async (t) => {
  const esl = await connected(t);
  const group = `group-${process.pid}-${Date.now()}`;
  await esl.command('event json ADD_SCHEDULE DEL_SCHEDULE RE_SCHEDULE API');
  const of = (event: EventHeaders, name: string): boolean =>
    event['Event-Name'] === name && event['Task-Group'] === group;
  const added = await esl.api(`sched_api +1 ${group} md5 ${group}`);
  t.match(added, /^\+OK Added: \d+\n$/);
  t.match(await esl.event((event) => of(event, 'ADD_SCHEDULE')), {
    'Task-ID': /^\d+$/.exec(added.slice(11).trim())?.[0] ?? 'none',
    'Task-Desc': 'sched_api_function',
  });
  await esl.event((event) => event['API-Command'] === 'md5' && event['API-Command-Argument'] === group);
  await esl.event((event) => of(event, 'DEL_SCHEDULE'));
  t.equal(await esl.api(`sched_del ${group}`), '+OK Deleted: 0\n', 'it is over');
  await esl.api(`sched_api @1 ${group} md5 again-${group}`);
  const runs = (): number => esl.events.filter((e) => e['API-Command-Argument'] === `again-${group}`).length;
  await esl.until(() => runs() >= 2);
  await esl.event((event) => of(event, 'RE_SCHEDULE'));
  t.equal(await esl.api(`sched_del ${group}`), '+OK Deleted: 1\n');
  await esl.api(`sched_api +100 ${group} md5 x`);
  await esl.api(`sched_api +100 ${group} md5 y`);
  t.equal(await esl.api(`sched_del ${group}`), '+OK Deleted: 2\n');
});
