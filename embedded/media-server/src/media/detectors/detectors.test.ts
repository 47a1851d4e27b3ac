import t from 'tap';
import { type Beep, BeepDetector } from './beep-detector.js';
import { CADENCE_SETS, CadenceDetector } from './cadence.js';
import { inFrames, Signal } from './test-signals.js';
import { VoiceDetector } from './voice-detector.js';

function beepsOf(pcm: Int16Array): (Beep & { atMs: number })[] {
  const beeps: (Beep & { atMs: number })[] = [];
  let now = 0;
  const detector = new BeepDetector((beep) => beeps.push({ ...beep, atMs: now }));
  inFrames(pcm, (frame, atMs) => {
    now = atMs;
    detector.process(frame);
  });
  return beeps;
}

t.test('a beep of any pitch is heard once, within 200 ms, also in noise', (t) => {
  for (const hz of [440, 620, 850, 1000, 1400, 2000, 2450]) {
    for (const noise of [-60, -35]) {
      const beeps = beepsOf(new Signal(1500).sine(hz, -18, 507, 600).noise(noise).pcm());
      t.equal(beeps.length, 1, `${hz} Hz`);
      t.ok(Math.abs((beeps[0]?.frequencyHz ?? 0) - hz) < 10, `${hz} Hz was heard as ${beeps[0]?.frequencyHz}`);
      t.ok((beeps[0]?.atMs ?? 9999) <= 507 + 200, `after ${(beeps[0]?.atMs ?? 0) - 507} ms`);
    }
  }
  t.end();
});

t.test('speech, noise, two tones at once and short blips are no beep', (t) => {
  t.same(beepsOf(new Signal(120_000).speech(-10, 0, 120_000).pcm()), []);
  t.same(beepsOf(new Signal(10_000).noise(-15).pcm()), []);
  t.same(beepsOf(new Signal(1000).digit('5', 100, 600).pcm()), []);
  t.same(beepsOf(new Signal(1000).sine(440, -15, 100, 600).sine(480, -15, 100, 600).pcm()), []);
  t.same(beepsOf(new Signal(1000).sine(1000, -15, 100, 90).pcm()), []);
  t.end();
});

function progressOf(set: string, pcm: Int16Array): string[] {
  const names: string[] = [];
  const detector = new CadenceDetector(CADENCE_SETS.get(set)!, (name) => names.push(name));
  inFrames(pcm, (frame) => detector.process(frame));
  return [...new Set(names)];
}

/** Tones of one or two frequencies on and off in turn, several rounds. */
function cadence(hz: number[], lengthsMs: number[], rounds = 3): Signal {
  const round = lengthsMs.reduce((sum, ms) => sum + ms, 0);
  const signal = new Signal(round * rounds + 100);
  for (let i = 0; i < rounds; i++) {
    let at = i * round + 33;
    lengthsMs.forEach((ms, k) => {
      if (k % 2 === 0) for (const each of hz) signal.sine(each, -16, at, ms);
      at += ms;
    });
  }
  return signal;
}

t.test('call progress tones are told apart, in line noise', (t) => {
  const heard = (set: string, signal: Signal): string[] => progressOf(set, signal.noise(-55).pcm());
  t.same(heard('1', cadence([480, 620], [500, 500])), ['BUSY_TONE']);
  t.same(heard('1', cadence([480, 620], [250, 250])), ['REORDER_TONE']);
  t.same(heard('1', cadence([440, 480], [2000, 4000])), ['RING_TONE']);
  t.same(heard('1', cadence([350, 440], [5000], 1)), ['DIAL_TONE']);
  t.same(heard('49', cadence([425], [500, 500])), ['BUSY_TONE']);
  t.same(heard('49', cadence([425], [240, 240])), ['REORDER_TONE']);
  t.same(heard('49', cadence([425], [1000, 4000])), ['RING_TONE']);
  t.same(heard('44', cadence([400, 450], [400, 200, 400, 2000])), ['RING_TONE']);
  t.same(heard('44', cadence([400], [375, 375])), ['BUSY_TONE']);
  t.same(heard('1', cadence([1100], [500, 3000])), ['CNG_TONE']);
  t.same(heard('1', cadence([2100], [3000], 1)), ['CED_TONE']);
  const sit = new Signal(1500).sine(950, -16, 100, 330).sine(1400, -16, 430, 330).sine(1800, -16, 760, 330);
  t.same(heard('1', sit), ['SIT']);
  t.end();
});

t.test('speech is no call progress tone', (t) => {
  const pcm = new Signal(180_000).speech(-10, 0, 180_000).pcm();
  for (const set of CADENCE_SETS.keys()) t.same(progressOf(set, pcm), [], set);
  t.end();
});

function talkingOf(pcm: Int16Array, settings = {}): [boolean, number][] {
  const changes: [boolean, number][] = [];
  const detector = new VoiceDetector({ voiceMs: 200, silenceMs: 500, minLevelDb: -46, marginDb: 8, ...settings });
  inFrames(pcm, (frame, atMs) => {
    if (detector.process(frame)) changes.push([detector.talking, atMs + 20]);
  });
  return changes;
}

t.test('talking begins after voiceMs of voice and ends after silenceMs of silence, in silence and in noise', (t) => {
  for (const noise of [-80, -50]) {
    const signal = new Signal(6000).noise(noise).speech(-12, 1500, 2000);
    const changes = talkingOf(signal.pcm());
    t.same(
      changes.map(([talking]) => talking),
      [true, false],
      `noise ${noise}`,
    );
    const [[, begun], [, ended]] = changes as [[boolean, number], [boolean, number]];
    t.ok(begun >= 1700 && begun <= 2100, `begun ${begun}`);
    t.ok(ended >= 3800 && ended <= 4200, `ended ${ended}`);
  }
  t.end();
});

t.test('noise alone, a click and a short word are no talking', (t) => {
  t.same(talkingOf(new Signal(10_000).noise(-50).pcm()), []);
  t.same(talkingOf(new Signal(5000).noise(-60).noise(-10, 2000, 20).pcm()), []);
  t.same(talkingOf(new Signal(5000).sine(300, -15, 2000, 120).pcm()), []);
  t.end();
});

t.test('a level at the limit does not flutter', (t) => {
  const signal = new Signal(6000).sine(400, -40, 500, 5000);
  // 2 dB up and down ten times a second, around the limit.
  for (let i = 0; i < signal.samples.length; i++)
    signal.samples[i]! *= 1 + 0.2 * Math.sin((2 * Math.PI * 10 * i) / 8000);
  t.ok(talkingOf(signal.pcm(), { voiceMs: 20, silenceMs: 20, minLevelDb: -46 }).length <= 2);
  t.end();
});
