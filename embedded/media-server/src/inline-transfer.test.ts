import t from 'tap';
import { startServer, type TestCall, TestCaller } from './test-peer.js';

/** Resolves with the event that ends the call; the test's time-out where it does not end. */
function hangupOf({ esl, uuid }: TestCall): Promise<Record<string, string>> {
  return esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP' && event['Unique-ID'] === uuid);
}

t.test(
  'inline: a call that comes to the end of its list is hung up with BYE, both of a bridge with -both',
  async (t) => {
    const caller = await TestCaller.create(t, await startServer(t));
    const [a, b, c] = [await caller.call(), await caller.call(), await caller.call()];
    const byes = [a, b, c].map(
      ({ dialog }) =>
        new Promise<string | undefined>((resolve) =>
          dialog.once('ended', ({ request }) => resolve(request?.get('Reason'))),
        ),
    );
    await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
    t.equal(await a.esl.api(`uuid_transfer ${a.uuid} -both playback:silence_stream://200 inline`), '+OK\n');
    t.equal(await c.esl.api(`uuid_transfer ${c.uuid} 'set:x=1,playback:silence_stream://40' inline`), '+OK\n');
    for (const call of [a, b, c]) {
      t.match(await hangupOf(call), { 'Hangup-Cause': 'NORMAL_CLEARING' });
      const names = call.esl.events.map((event) => event['Event-Name']);
      t.ok(names.indexOf('PLAYBACK_STOP') > 0 && names.indexOf('PLAYBACK_STOP') < names.indexOf('CHANNEL_HANGUP'));
    }
    t.same(await Promise.all(byes), Array(3).fill('Q.850;cause=16;text="NORMAL_CLEARING"'));
  },
);

t.test('inline: a list that ends in park stays, what follows park is not reached', async (t) => {
  const { esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  await esl.api(`uuid_transfer ${uuid} 'playback:silence_stream://40,park,hangup' inline`);
  await esl.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE' && event.Application === 'park');
  await esl.execute(uuid, 'playback', 'silence_stream://100');
  t.equal(await esl.api(`uuid_exists ${uuid}`), 'true');
});

t.test('inline: the end of a list that was left hangs up nobody', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  for (const next of ['uuid_park @', 'uuid_transfer @ park inline', 'uuid_bridge @ B']) {
    const [a, b] = [await caller.call(), await caller.call()];
    await a.esl.api(`uuid_transfer ${a.uuid} 'playback:silence_stream://-1,set:went=on' inline`);
    await a.esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
    t.match(await a.esl.api(next.replace('@', a.uuid).replace('B', b.uuid)), '+OK');
    await a.esl.event((event) => event['Event-Name'] === 'PLAYBACK_STOP');
    await a.esl.execute(a.uuid, 'playback', 'silence_stream://60');
    t.equal(await a.esl.api(`uuid_exists ${a.uuid}`), 'true', next);
    t.equal(await a.esl.api(`uuid_getvar ${a.uuid} went`), '_undef_', next);
  }
});

t.test(
  'inline: uuid_break all ends one application of the list; what a client asks for meanwhile ends first',
  async (t) => {
    const call = await (await TestCaller.create(t, await startServer(t))).call();
    const { esl, uuid } = call;
    await esl.api(`uuid_transfer ${uuid} 'playback:silence_stream://-1,playback:silence_stream://1000' inline`);
    await esl.event((event) => event['Event-Name'] === 'PLAYBACK_START');
    await esl.api(`uuid_break ${uuid} all`);
    await esl.event((event) => event['Playback-File-Path'] === 'silence_stream://1000');
    t.equal((await esl.execute(uuid, 'playback', 'silence_stream://300')).variable_playback_ms, '300');
    await hangupOf(call);
  },
);
