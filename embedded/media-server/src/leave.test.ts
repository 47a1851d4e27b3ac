import { tone } from '@ringwire/rtp';
import t from 'tap';
import { startServer, type TestCall, TestCaller } from './test-peer.js';

/** Longer than any test waits: what collects must end by what is done to the call. */
const HOURS_MS = 3_600_000;

function completed({ esl, uuid }: TestCall, application: string): Promise<Record<string, string>> {
  return esl.event(
    (event) =>
      event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' &&
      event['Unique-ID'] === uuid &&
      event.Application === application,
  );
}

function began({ esl, uuid }: TestCall, name: string): Promise<Record<string, string>> {
  return esl.event((event) => event['Event-Name'] === name && event['Unique-ID'] === uuid);
}

for (const [application, argument] of [
  ['play_and_get_digits', `1 4 9 ${HOURS_MS} # silence_stream://100 silence_stream://100 answer \\d+`],
  ['read', `1 4 silence_stream://100 answer ${HOURS_MS} #`],
] as const) {
  t.test(`${application}: a call that is parked or transferred asks no more and goes on at once`, async (t) => {
    const caller = await TestCaller.create(t, await startServer(t));
    for (const command of ['uuid_park', 'uuid_transfer']) {
      const call = await caller.call();
      const { esl, uuid } = call;
      void esl.execute(uuid, application, argument);
      // The prompt is over and it collects.
      await began(call, 'PLAYBACK_STOP');
      const list = command === 'uuid_transfer' ? " 'set:went=on,park' inline" : '';
      t.equal(await esl.api(`${command} ${uuid}${list}`), '+OK\n');
      t.equal((await completed(call, application)).variable_read_result, 'failure');
      if (list) await esl.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE' && event.Application === 'park');
      const played = await esl.execute(uuid, 'playback', 'silence_stream://100');
      t.equal(played['Application-Response'], 'FILE PLAYED', 'nothing waits');
      t.equal(esl.events.filter((event) => event['Event-Name'] === 'PLAYBACK_START').length, 2, 'nor is asked again');
    }
  });
}

t.test('a member that is parked is out of its conference; so is one that is asked for its PIN', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const [member, other, guest] = [await caller.call(), await caller.call(), await caller.call()];
  for (const call of [member, other]) void call.esl.execute(call.uuid, 'conference', 'room');
  member.media.say(tone(500, 120_000));
  other.media.say(tone(800, 120_000));
  await member.media.hearsNow(800);
  t.equal(await member.esl.api(`uuid_park ${member.uuid}`), '+OK\n');
  await completed(member, 'conference');
  await member.media.hearsNow('silence');
  await other.media.hearsNow('silence');
  t.equal(await other.esl.api('conference room list count'), '1');
  void guest.esl.execute(guest.uuid, 'conference', 'room+1234');
  await guest.esl.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE' && event.Application === 'conference');
  t.equal(await guest.esl.api(`uuid_park ${guest.uuid}`), '+OK\n');
  await completed(guest, 'conference');
  t.equal(await guest.esl.api(`uuid_exists ${guest.uuid}`), 'true');
  t.equal(await other.esl.api('conference room list count'), '1');
});
