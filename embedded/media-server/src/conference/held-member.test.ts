import { tone } from '@ringwire/rtp';
import t from 'tap';
import { EslClient, startServer, type TestCall, TestCaller } from '../test-peer.js';

t.test('the music of a phone that holds is not heard in the room, until it takes the call back', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const watcher = await EslClient.connect(t, server);
  await watcher.command('event json CUSTOM conference::maintenance');
  let joined = 0;
  const join = async ({ esl, uuid }: TestCall): Promise<void> => {
    void esl.execute(uuid, 'conference', 'room');
    joined++;
    await watcher.until(() => watcher.events.filter((event) => event.Action === 'add-member').length === joined);
  };
  const [holder, other] = [await caller.call(), await caller.call()];
  for (const call of [holder, other]) await join(call);
  holder.media.say(tone(500, 240_000));
  other.media.say(tone(800, 240_000));
  await other.media.hearsNow(500);
  const held = holder.media.offer().replace('a=sendrecv', 'a=sendonly');
  await holder.dialog.reinvite(held);
  await other.media.hearsNow('silence');
  await holder.dialog.reinvite(holder.media.offer());
  await other.media.hearsNow(500);
  await holder.media.hearsNow(800);
  // Nor is one that is on hold when it joins.
  await holder.esl.api(`uuid_park ${holder.uuid}`);
  await other.media.hearsNow('silence');
  await holder.dialog.reinvite(held);
  await join(holder);
  await other.media.hears(400);
  await other.media.hearsNow('silence');
  await holder.dialog.reinvite(holder.media.offer());
  await other.media.hearsNow(500);
});
