import { setImmediate as turn } from 'node:timers/promises';
import { findSilences, goertzel, tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { wavFile } from '../../test-peer.js';
import { ClipCache } from '../audio-clip.js';
import type { PlayItem } from '../protocol.js';
import { Dub, type DubMessage } from './dub.js';
import type { DubEvent } from './dub-track.js';

const FRAME = 320;
const clips = new ClipCache();

/** A dub with its clock in our hands. */
class Rig {
  readonly events: DubEvent[] = [];
  readonly dub = new Dub(
    { tracks: 4 },
    { legRateHz: 16000, clips, report: (event: DubEvent) => void this.events.push(event) },
  );
  readonly heard: number[] = [];

  #outstanding = 0;

  /** Plays on a track. */
  play(track: number, play: number, item: PlayItem, options: { loop?: boolean; gain?: number } = {}): void {
    const { loop = false, gain = 1 } = options;
    this.#outstanding++;
    this.dub.tell({ type: 'play', track, play, item, loop, gain } satisfies DubMessage);
  }

  /** Lets frames pass over silence, or over `base`. Time stands still while something is being opened and nothing sounds. */
  async tick(frames: number, base?: Int16Array): Promise<void> {
    await turn();
    for (let i = 0; i < frames; i++) {
      const frame = new Int16Array(FRAME);
      if (base) frame.set(base.subarray(i * FRAME, (i + 1) * FRAME));
      this.dub.alterTick(frame);
      while (!this.dub.mixTick(frame) && ended(this).length < this.#outstanding) await turn();
      this.heard.push(...frame);
    }
  }

  /** What was heard since then. */
  since(frames: number): Int16Array {
    return Int16Array.from(this.heard.slice(frames * FRAME));
  }
}

async function file(t: Test, pcm: Int16Array): Promise<PlayItem> {
  return { kind: 'file', name: 'sound', path: await wavFile(t, pcm, 16000), startFrames: 0 };
}

/** A tone that begins and ends at its peak, where a hard edge clicks most. */
function peaks(hz: number, samples: number, amplitude = 12000): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(amplitude * Math.cos((2 * Math.PI * hz * i) / 16000)),
  );
}

/** A tone that is open at once; its level is in dB under full scale, scripts have it in dBm0. */
function beep(hz: number, levelDb: number): PlayItem {
  return { kind: 'tone', name: 'beep', loops: 1, script: `v=${Math.min(0, levelDb + 3.15)};%(3000,0,${hz})` };
}

/** Largest step between samples, against that of the tone itself. */
function roughness(pcm: Int16Array, hz: number, amplitude = 12000): number {
  let most = 0;
  for (let i = 1; i < pcm.length; i++) most = Math.max(most, Math.abs(pcm[i]! - pcm[i - 1]!));
  return most / (2 * amplitude * Math.sin((Math.PI * hz) / 16000));
}

function ended(rig: Rig): number[] {
  return rig.events.flatMap((event) => (event.type === 'dubEnded' ? [event.play] : []));
}

for (const samples of [100, 321, 640, 3000, 16000]) {
  t.test(`a sound of ${samples} samples starts and ends without a click`, async (t) => {
    const rig = new Rig();
    rig.play(0, 1, await file(t, peaks(400, samples)));
    await rig.tick(Math.ceil(samples / FRAME) + 3);
    const heard = rig.since(0);
    t.ok(
      heard.some((sample) => Math.abs(sample) > 500),
      'it is heard',
    );
    // A ramp of 100 samples is steeper than the tone.
    t.ok(roughness(heard, 400) < (samples === 100 ? 1.5 : 1.1), `${roughness(heard, 400)}`);
    t.same(ended(rig), [1]);
    t.ok(heard.subarray(-FRAME).every((sample) => sample === 0));
  });
}

t.test('a loop has no seam, and stops without a click', async (t) => {
  const rig = new Rig();
  // 40 periods, 5 frames: the seams lie anywhere in a frame.
  rig.play(2, 1, await file(t, peaks(400, 1560)), { loop: true });
  await rig.tick(60);
  rig.dub.tell({ type: 'silence', track: 2 });
  await rig.tick(3);
  const heard = rig.since(0);
  t.ok(toneShare(heard, 400, 16000, FRAME, 59 * FRAME) > 0.999);
  t.ok(roughness(heard, 400) < 1.1, `${roughness(heard, 400)}`);
  t.same(ended(rig), [1]);
  t.ok(
    heard.subarray(-FRAME).every((sample) => sample === 0),
    'silent within 40 ms',
  );
});

t.test('what is played on a track follows what plays there; what repeats gives way at once', async (t) => {
  const rig = new Rig();
  const [a, b, c] = [
    await file(t, peaks(400, 3200)),
    await file(t, peaks(1000, 3200)),
    await file(t, peaks(2000, 3200)),
  ];
  rig.play(0, 1, a);
  rig.play(0, 2, b, { loop: true });
  await rig.tick(25);
  t.ok(toneShare(rig.since(2), 400, 16000, 0, 7 * FRAME) > 0.99, 'the first');
  t.ok(toneShare(rig.since(13), 1000, 16000, 0, 10 * FRAME) > 0.99, 'the second, again and again');
  t.same(ended(rig), [1]);
  rig.play(0, 3, c);
  await rig.tick(15);
  t.ok(toneShare(rig.since(28), 2000, 16000, 0, 6 * FRAME) > 0.99, 'the third');
  t.same(ended(rig), [1, 2, 3]);
  t.ok(roughness(rig.since(0), 2000) < 1.1);
});

t.test('each play has its gain, what is beside them another', async (t) => {
  const rig = new Rig();
  const base = tone(800, 2000, -20, 16000);
  rig.play(0, 1, beep(400, -20), { gain: 10 ** (-6 / 20) });
  rig.play(1, 2, beep(2000, -20), { gain: 10 ** (6 / 20) });
  rig.dub.tell({ type: 'gain', gain: 10 ** (-12 / 20) });
  await rig.tick(60, base);
  const level = (hz: number): number =>
    20 * Math.log10(goertzel(rig.since(10), hz, 16000, 0, 32 * FRAME) / (32767 * 10 ** (-20 / 20)));
  t.ok(Math.abs(level(400) + 6) < 0.1, `${level(400)}`);
  t.ok(Math.abs(level(2000) - 6) < 0.1, `${level(2000)}`);
  t.ok(Math.abs(level(800) + 12) < 0.1, `${level(800)}`);
});

t.test('four loud tracks are bent, not wrapped or cut', async (t) => {
  const rig = new Rig();
  for (let track = 0; track < 4; track++) rig.play(track, track, beep(500, 0), { gain: 2 });
  await rig.tick(50);
  const heard = rig.since(0);
  t.ok(roughness(heard, 500, 32767) < 8.5, 'flanks are eight times as steep, nothing jumps to the other side');
  t.ok(toneShare(heard, 500, 16000, FRAME, heard.length - FRAME) > 0.75);
  const top = Math.max(...heard);
  t.ok(top < 32767 && top > 30000, `${top}`);
});

t.test('what cannot be played, or has no sound, ends with a reason, and what waits behind it is heard', async (t) => {
  const rig = new Rig();
  rig.play(1, 1, { kind: 'missing', name: 'x.wav', problem: 'it is not there' });
  rig.play(1, 2, { kind: 'file', name: 'y.wav', path: '/no/such/y.wav', startFrames: 0 });
  rig.play(1, 3, await file(t, new Int16Array(0)), { loop: true });
  await rig.tick(2);
  t.same(ended(rig), [1, 2, 3]);
  t.match(
    rig.events.flatMap((event) => (event.type === 'dubProblem' ? [event.problem] : [])),
    ['x.wav: it is not there', /y.wav: ENOENT/, 'sound: there is no sound in it'],
  );
  rig.play(1, 4, await file(t, peaks(400, 3200)));
  await rig.tick(12);
  t.ok(toneShare(rig.since(5), 400, 16000, 0, 4 * FRAME) > 0.99);
});

t.test('what cannot go back to its start is opened anew for each round', async (t) => {
  const rig = new Rig();
  rig.play(0, 1, { kind: 'tone', name: 'beep', loops: 1, script: '%(100,0,1000)' }, { loop: true });
  await rig.tick(30);
  t.same(findSilences(rig.since(1), FRAME, 64), [], 'without more than a moment between');
  t.same(ended(rig), []);
});
