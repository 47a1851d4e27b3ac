import t from 'tap';
import { EslClient, startServer, TestCaller } from './test-peer.js';

t.test(
  'sched_hangup hangs up in its time, at once for a time that has passed, and its group is the uuid',
  async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const [a, b, c] = [await caller.call(), await caller.call(), await caller.call()];
    t.equal(await a.esl.api(`sched_hangup +1 ${a.uuid}`), '+OK\n');
    t.equal(await b.esl.api(`sched_hangup +100 ${b.uuid}`), '+OK\n');
    t.equal(await b.esl.api(`sched_del ${b.uuid}`), '+OK Deleted: 1\n');
    t.equal(await c.esl.api(`sched_hangup 0 ${c.uuid} USER_BUSY`), '+OK\n');
    for (const [{ esl }, cause] of [
      [a, 'ALLOTTED_TIMEOUT'],
      [c, 'USER_BUSY'],
    ] as const) {
      t.equal((await esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP'))['Hangup-Cause'], cause);
    }
    t.equal(await b.esl.api(`sched_hangup +100 ${b.uuid}`), '+OK\n');
    await b.esl.api(`uuid_kill ${b.uuid}`);
    await b.esl.event((event) => event['Event-Name'] === 'CHANNEL_DESTROY');
    // The socket of a call ends with it.
    const other = await EslClient.connect(t, server);
    await other.next(({ text }) => text === '+OK accepted');
    t.equal(await other.api(`sched_del ${b.uuid}`), '+OK Deleted: 0\n', 'a call takes its tasks with it');
  },
);

t.test('uuid_send_info sends an INFO to who takes it, uuid_jitterbuffer leaves a variable', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  for (const [headers, wanted] of [
    [{ 'X-FS-Support': 'update_display,send_info' }, true],
    [{}, false],
  ] as const) {
    const { dialog, esl, uuid } = await caller.call(undefined, { ...headers });
    const infos: [string | undefined, string][] = [];
    dialog.on('info', (request) => infos.push([request.get('Content-Type'), request.bodyText]));
    const next = new Promise((resolve) => dialog.once('info', resolve));
    t.equal(await esl.api(`uuid_send_info ${uuid} hello`), '+OK Success\n');
    if (wanted) await next;
    else await esl.api(`uuid_setvar ${uuid} fs_send_unsupported_info true`);
    t.equal(await esl.api(`uuid_send_info ${uuid} text plain good morning`), '+OK Success\n');
    while (infos.length < (wanted ? 2 : 1)) await new Promise((resolve) => dialog.once('info', resolve));
    t.same(infos, [...(wanted ? [['freeswitch/data', 'hello']] : []), ['text/plain', 'good morning']]);
    t.equal(await esl.api(`uuid_jitterbuffer ${uuid} 60:200`), '+OK Success\n');
    t.equal(await esl.api(`uuid_getvar ${uuid} jitterbuffer_msec`), '60:200');
  }
});
