import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

const PLAYS = 10_000;
/** Asked for at once: they nest, so that a hundred begin and end in one tick. */
const BATCH = 100;

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

/** Plays a batch and forgets what was heard of it. */
async function batch({ esl, uuid }: TestCall, argument: string): Promise<void> {
  const head = `sendmsg ${uuid}\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: ${argument}\n\n`;
  const ends = (): number => esl.events.filter((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE').length;
  esl.socket.write(head.repeat(BATCH));
  await esl.until(() => ends() === BATCH);
  esl.events.length = 0;
  esl.replies.length = 0;
}

t.test('ten thousand plays in one call leave nothing behind', async (t) => {
  const server = await startServer(t);
  const call = await (await TestCaller.create(t, server)).call();
  await call.esl.command('noevents');
  await call.esl.command('event json CHANNEL_EXECUTE_COMPLETE');
  const path = await wavFile(t, new Int16Array(0));
  const names = ['tone_stream://', path, '/no/such.wav', `file_string://${path}!${path}`];
  for (let i = 0; i < 20; i++) await batch(call, names[i % names.length]!);
  const before = heapBytes();
  for (let plays = 0; plays < PLAYS; plays += BATCH) await batch(call, names[(plays / BATCH) % names.length]!);
  const grown = heapBytes() - before;
  t.ok(grown < 2e6, `the heap grew by ${(grown / 1e6).toFixed(2)} MB`);
  t.ok(server.counters.playsStarted >= PLAYS);
  const done = await call.esl.execute(call.uuid, 'playback', 'silence_stream://100');
  t.equal(done['Application-Response'], 'FILE PLAYED');
});
