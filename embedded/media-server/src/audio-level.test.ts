import { rms, tone } from '@ringwire/rtp';
import t from 'tap';
import { startServer, type TestCall, TestCaller } from './test-peer.js';

/** Levels of the last tenths of a second that a call has heard, in dB. */
function levelsOf({ media: { heard } }: TestCall, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const end = heard.length - i * 800;
    return 20 * Math.log10(rms(heard, end - 800, end) + 1e-3);
  });
}

/** The loudest tenth of a second of one: a busy machine may leave gaps. */
async function plainLevelOf(call: TestCall): Promise<number> {
  await call.media.hears(1000);
  return Math.max(...levelsOf(call, 8));
}

/** Resolves when a tenth of a second has that level, which the test's time-out ends. */
async function reaches(call: TestCall, wantedDb: number): Promise<void> {
  do await call.media.hears(100);
  while (Math.abs(levelsOf(call, 1)[0]! - wantedDb) > 0.5);
}

/** What is no change of level. */
const SILENT = -1000;

t.test('uuid_audio: levels and muting of what a call hears, as FreeSWITCH has them', async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  await esl.api(`uuid_broadcast ${uuid} tone_stream://v=-20;%(60000,0,700)`);
  const plain = await plainLevelOf(call);
  t.ok(plain > 40, `${plain}`);
  for (const [command, wantedDb] of [
    ['start write level -4', -13.98],
    ['start write level -2', -4.44],
    ['start write level 2', 7.23],
    ['start write level 5', 7.23],
    ['start write level 0', 0],
    ['start write level 1', 2.28],
    ['start write mute 1', SILENT],
    ['start write mute 0', 0],
    ['start read level 4', 0],
    ['start write level -1', -1.94],
    ['stop', 0],
  ] as const) {
    t.equal(await esl.api(`uuid_audio ${uuid} ${command}`), '+OK\n');
    await reaches(call, wantedDb === SILENT ? -60 : plain + wantedDb);
  }
});

t.test('uuid_audio: the level of what is heard of a call', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const [a, b] = [await caller.call(), await caller.call()];
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  a.media.say(tone(700, 60_000, -25));
  const plain = await plainLevelOf(b);
  t.equal(await a.esl.api(`uuid_audio ${a.uuid} start read level 2`), '+OK\n');
  await reaches(b, plain + 7.23);
  t.equal(await a.esl.api(`uuid_audio ${a.uuid} stop`), '+OK\n');
  await reaches(b, plain);
});
