import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWav } from '@ringwire/rtp';
import t from 'tap';
import { chirp, folder } from '../test-peer.js';
import { ClipCache } from './audio-clip.js';
import { LateSends, type TickSender } from './late-sends.js';
import { Player } from './player.js';

/** Notes when it sends. */
function sender(log: string[], name: string): TickSender {
  return { sendTick: (nowMs) => void log.push(`${name} at ${nowMs}`) };
}

t.test('late sends: a leg sends when its sound is there, others when time is up, each once a tick', async (t) => {
  const log: string[] = [];
  const late = new LateSends();
  const [a, b, c] = [sender(log, 'a'), sender(log, 'b'), sender(log, 'c')];
  for (const each of [a, b, c]) late.hold(each, 20);
  late.release(b);
  t.same(log, ['b at 20']);
  late.release(b);
  t.same(log, ['b at 20'], 'what does not wait does not send');
  t.equal(late.drop(c), true);
  // The next tick.
  late.flush();
  t.same(log, ['b at 20', 'a at 20'], 'who is closed sends nothing');
  late.flush();
  late.hold(a, 40);
  const sent = new Promise<void>((resolve) => {
    late.hold({ sendTick: () => resolve() }, 40);
  });
  await sent;
  t.same(log.slice(2), ['a at 40'], 'time was up');
  late.hold(a, 60);
  late.clear();
  late.flush();
  t.equal(log.length, 3);
});

t.test('late sends: a list asks for a late packet in the first tick only, and not when it is there', async (t) => {
  const path = join(await folder(t), 'a.wav');
  await writeFile(path, writeWav(chirp(100), 8000));
  const clips = new ClipCache();
  const items = [{ kind: 'file', name: path, path, startFrames: 0 }] as const;
  const opened = (): { player: Player; whenOpened: Promise<void> } => {
    let tell = (): void => undefined;
    const whenOpened = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const command = { play: 1, items: [...items], timeoutMs: 0 };
    return { player: new Player(1, command, 8000, clips, () => undefined, tell), whenOpened };
  };
  const first = opened();
  t.equal(first.player.isOpening, true);
  t.equal(first.player.isOpening, false, 'it waits for one packet only');
  await first.whenOpened;
  const frame = new Int16Array(160);
  t.equal(first.player.read(frame, 160), 160, 'then it is there');
  const second = opened();
  await second.whenOpened;
  t.equal(second.player.isOpening, false);
  const missing = new Player(
    2,
    { play: 2, items: [{ kind: 'missing', name: 'x', problem: 'none' }], timeoutMs: 0 },
    8000,
    clips,
    () => undefined,
    () => t.pass('what cannot be opened is waited for no longer'),
  );
  t.equal(missing.isOpening, true);
  await new Promise<void>((resolve) => setImmediate(resolve));
});
