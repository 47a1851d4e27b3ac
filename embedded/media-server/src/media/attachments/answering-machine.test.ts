import t from 'tap';
import { ClipCache } from '../audio-clip.js';
import { inFrames, Signal } from '../detectors/test-signals.js';
import { AnsweringMachine, type AnsweringMachineEvent, DEFAULT_ANSWERING_MACHINE } from './answering-machine.js';

/** What is found in a signal with a little noise. */
function detect(signal: Signal, spec = {}): AnsweringMachineEvent[] {
  return detectIn(signal.noise(-60), spec);
}

function detectIn(signal: Signal, spec = {}): AnsweringMachineEvent[] {
  const events: AnsweringMachineEvent[] = [];
  const detector = new AnsweringMachine(
    { ...DEFAULT_ANSWERING_MACHINE, ...spec },
    { legRateHz: 8000, clips: new ClipCache(), report: (event) => events.push(event) },
  );
  inFrames(signal.pcm(), (frame) => {
    if (!detector.ended) detector.heardTick(frame);
  });
  return events;
}

const types = (events: AnsweringMachineEvent[]): string[] => events.map(({ type }) => type);

t.test('a short hello and silence is a human, 800 ms after the hello', (t) => {
  const events = detect(new Signal(8000).speech(-14, 700, 600));
  t.same(types(events), ['human']);
  t.ok(events[0]!.atMs >= 2000 && events[0]!.atMs <= 2400, `${events[0]!.atMs} ms`);
  t.end();
});

t.test('a long greeting is a machine; then its end and its beep are told', (t) => {
  const events = detect(new Signal(14_000).speech(-14, 500, 6000).sine(1000, -16, 9500, 400));
  t.same(types(events), ['machine', 'greetingEnded', 'beep']);
  const [machine, greetingEnded, beep] = events;
  t.ok(machine!.atMs < 3200, `machine after ${machine!.atMs} ms`);
  t.ok(greetingEnded!.atMs >= 8300 && greetingEnded!.atMs <= 8900, `greeting ended ${greetingEnded!.atMs}`);
  t.ok(beep!.atMs >= 9600 && beep!.atMs <= 9750, `beep ${beep!.atMs}`);
  t.end();
});

t.test('a machine without a beep is given up', (t) => {
  t.same(types(detect(new Signal(12_000).speech(-14, 500, 4000), { beepMs: 5000 })), [
    'machine',
    'greetingEnded',
    'noBeep',
  ]);
  t.end();
});

t.test(
  'many short words are a machine, silence is nobody, a fax is a fax, a talk without decision is undecided',
  (t) => {
    const words = new Signal(6000);
    for (let at = 500; at < 4000; at += 300) words.sine(300, -14, at, 150).sine(700, -18, at, 150);
    const byWords = detect(words, { greetingMs: 60_000, maxWords: 5 });
    t.match(byWords[0], { type: 'machine', reason: 'many words', words: 6 });
    t.same(types(detect(new Signal(8000))), ['noSpeech']);
    t.same(types(detect(new Signal(8000).sine(1100, -16, 600, 500).sine(1100, -16, 4100, 500))), ['fax']);
    t.same(types(detect(new Signal(8000).sine(2100, -16, 600, 3000))), ['fax']);
    const long = detect(new Signal(8000).speech(-14, 300, 7500), {
      greetingMs: 60_000,
      maxWords: 999,
      decisionMs: 3000,
    });
    t.same(types(long), ['undecided']);
    t.end();
  },
);

t.test(
  'steady noise is no greeting, however loud and suddenly it begins: silence, human and machine stay what they are',
  (t) => {
    for (const noise of [-60, -50, -40, -34, -26]) {
      // The call begins with digital silence, as before the first packet.
      const noisy = (): Signal => new Signal(9000).noise(noise, 60);
      t.same(types(detectIn(noisy())), ['noSpeech'], `noise of ${noise} dBm0 alone`);
      t.same(types(detectIn(noisy().speech(-10, 700, 600))), ['human'], `hello in noise of ${noise} dBm0`);
      t.same(types(detectIn(noisy().speech(-10, 700, 5000)))[0], 'machine', `greeting in ${noise} dBm0`);
    }
    t.end();
  },
);
