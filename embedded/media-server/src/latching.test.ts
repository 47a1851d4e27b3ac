import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readWav, rms, tone } from '@ringwire/rtp';
import t from 'tap';
import { folder, startServer, TestCaller } from './test-peer.js';

t.test('late audio of one call never reaches the next on the same port', async (t) => {
  const server = await startServer(t, ['--rtp-ports', '23870-23871', '--rtp-quarantine-ms', '0']);
  const caller = await TestCaller.create(t, server);
  const first = await caller.call();
  first.media.say(tone(1000, 60_000));
  await first.esl.execute(first.uuid, 'sleep', '100');
  await first.dialog.bye();
  await first.esl.event((event) => event['Event-Name'] === 'CHANNEL_DESTROY');
  // The first phone goes on sending to the port for as long as the test runs.
  const second = await caller.call();
  t.equal(second.media.agreement?.remotePort, first.media.agreement?.remotePort, 'the same port');
  const path = join(await folder(t), 'second.wav');
  await second.esl.execute(second.uuid, 'record', `${path} 1`);
  const { pcm } = readWav(await readFile(path));
  t.equal(pcm.length, 8000);
  t.ok(rms(pcm) < 10, `level ${rms(pcm)}`);
  await second.esl.api(`uuid_set_media_stats ${second.uuid}`);
  const read = async (name: string): Promise<number> =>
    Number(await second.esl.api(`uuid_getvar ${second.uuid} rtp_audio_in_${name}`));
  t.ok((await read('flush_packet_count')) > 10, 'the packets of the first phone are counted');
  t.ok((await read('mos')) > 3, 'and are no flaw of this call');
  t.ok((await read('mean_interval')) > 15);
});
