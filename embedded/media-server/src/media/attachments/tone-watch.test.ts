import t from 'tap';
import { ClipCache } from '../audio-clip.js';
import { inFrames, Signal } from '../detectors/test-signals.js';
import { ToneWatch, type ToneWatchSpec } from './tone-watch.js';

/** Whether a watch for one tone hears this. */
function hears(hz: number, limits: { minMs?: number; maxGapMs?: number }, signal: Signal): boolean {
  let heard = false;
  const spec: ToneWatchSpec = { side: 'read', watch: 'tone', frequenciesHz: [hz], hits: 1, ...limits };
  const watch = new ToneWatch(spec, { legRateHz: 8000, clips: new ClipCache(), report: () => (heard = true) });
  inFrames(signal.pcm(), (frame) => watch.heardTick?.(frame));
  return heard;
}

t.test('a tone is heard from its least length on, wherever in a frame it begins', (t) => {
  for (let offset = 0; offset < 20; offset += 3) {
    const lasting = (ms: number): boolean => {
      return hears(1100, { minMs: 400 }, new Signal(1000).sine(1100, -14, 200 + offset, ms).noise(-55));
    };
    for (const ms of [60, 120, 200, 300, 380]) t.notOk(lasting(ms), `${ms} ms`);
    for (const ms of [415, 425, 500, 575]) t.ok(lasting(ms), `${ms} ms`);
  }
  t.end();
});

t.test('a tone with its phase turned is one tone where a gap is allowed; a pause parts it', (t) => {
  const turned = new Signal(3000);
  // Turned by 180° every 450 ms: the same sine, upside down.
  turned.sine(2100, -14, 100, 2700);
  for (let i = 0; i < turned.samples.length; i++) if (Math.floor(i / 3600) % 2 === 1) turned.samples[i]! *= -1;
  t.ok(hears(2100, { minMs: 540, maxGapMs: 40 }, turned));
  t.notOk(hears(2100, { minMs: 540 }, turned), 'no gap is allowed');
  const parted = new Signal(3000);
  for (let at = 100; at < 2700; at += 500) parted.sine(2100, -14, at, 400);
  t.notOk(hears(2100, { minMs: 540, maxGapMs: 40 }, parted));
  t.end();
});
