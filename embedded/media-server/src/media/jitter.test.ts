import { correlate, correlationAt, createCodec, findClicks, rms } from '@ringwire/rtp';
import t from 'tap';
import { ReceiveBuffer } from './receive-buffer.js';
import { random, voice } from './test-voice.js';

interface Arrival {
  index: number;
  atMs: number;
}

/** Sends `sound` in PCMU packets that arrive at those times, ticks every 20 ms, and gives what is heard. */
function listen(
  sound: Int16Array,
  arrivals: Arrival[],
  tickPhaseMs = 10,
): { heard: Int16Array; buffer: ReceiveBuffer } {
  const codec = createCodec('PCMU');
  const buffer = new ReceiveBuffer();
  const packet = new Uint8Array(160);
  const ordered = [...arrivals].sort((one, other) => one.atMs - other.atMs);
  const ticks = sound.length / 160 + 20;
  const heard = new Int16Array(ticks * 160);
  let next = 0;
  for (let tick = 0; tick < ticks; tick++) {
    const tickMs = tick * 20 + tickPhaseMs;
    for (; next < ordered.length && ordered[next]!.atMs < tickMs; next++) {
      const { index, atMs } = ordered[next]!;
      codec.encode(sound, index * 160, 160, packet, 0);
      buffer.write(codec, packet, 0, 160, (0xfffff000 + index * 160) >>> 0, (65500 + index) & 0xffff, tickMs - atMs);
    }
    buffer.read(heard.subarray(tick * 160, (tick + 1) * 160), 8000);
  }
  return { heard, buffer };
}

function allPackets(sound: Int16Array): number[] {
  return Array.from({ length: sound.length / 160 }, (_, index) => index);
}

/** Mean of the likeness of each 100 ms that has sound in it, at one lag. */
function meanLikeness(heard: Int16Array, sound: Int16Array, lag: number): number {
  let sum = 0;
  let count = 0;
  for (let at = 0; at + 800 <= sound.length; at += 800) {
    if (rms(sound, at, at + 800) < 300) continue;
    sum += correlationAt(heard, sound.subarray(at, at + 800), lag + at);
    count++;
  }
  return sum / count;
}

for (const [percent, wanted] of [
  [5, 0.965],
  [10, 0.93],
] as const) {
  t.test(`jitter buffer: ${percent} % random loss is concealed`, (t) => {
    const sound = voice(20);
    const next = random(percent);
    const kept = allPackets(sound).filter((index) => index === 0 || next() * 100 >= percent);
    const { heard, buffer } = listen(
      sound,
      kept.map((index) => ({ index, atMs: index * 20 })),
    );
    const holes = new Int16Array(sound.length);
    for (const index of kept) holes.set(sound.subarray(index * 160, (index + 1) * 160), index * 160);
    const { lag } = correlate(heard, sound);
    const concealed = meanLikeness(heard, sound, lag);
    const without = meanLikeness(holes, sound, 0);
    const energy = rms(heard, lag, lag + sound.length) / rms(sound);
    const energyWithout = rms(holes) / rms(sound);
    t.comment(`likeness ${concealed} against ${without}, level ${energy} against ${energyWithout}`);
    t.ok(concealed > wanted, `likeness ${concealed}`);
    t.ok(concealed > without + (1 - without) * 0.25, `better than holes: ${concealed} against ${without}`);
    t.ok(energy > energyWithout && energy < 1.03, `level ${energy} against ${energyWithout}`);
    t.equal(findClicks(heard, 6000).length, 0, 'no clicks');
    t.equal(buffer.stretchedMs, 0);
    const lostMs = (1000 - kept.length) * 20;
    t.ok(buffer.concealedMs > lostMs * 0.95 && buffer.concealedMs <= lostMs + 60, 'what was lost, and the end');
    t.end();
  });
}

t.test('jitter buffer: a burst of lost packets fades to silence within 60 ms', (t) => {
  const sound = new Int16Array(8000).map((_, i) => Math.round(8000 * Math.sin((2 * Math.PI * 200 * i) / 8000)));
  const kept = allPackets(sound).filter((index) => index < 15 || index >= 30);
  const { heard } = listen(
    sound,
    kept.map((index) => ({ index, atMs: index * 20 })),
  );
  const { lag } = correlate(heard.subarray(0, 15 * 160), sound.subarray(0, 15 * 160));
  const lost = lag + 15 * 160;
  t.ok(rms(heard, lost, lost + 80) > 5000, 'it goes on');
  t.ok(rms(heard, lost + 400, lost + 480) < 1500, 'fades');
  t.equal(rms(heard, lost + 480, lost + 15 * 160), 0, 'and is silent');
  t.same(findClicks(heard, 3000), []);
  t.end();
});

for (const jitterMs of [20, 50, 100]) {
  t.test(`jitter buffer: jitter of 0 to ${jitterMs} ms, which also swaps packets, is absorbed`, (t) => {
    const sound = voice(20);
    const next = random(jitterMs);
    const arrivals = allPackets(sound).map((index) => ({ index, atMs: index * 20 + next() * jitterMs }));
    const { heard, buffer } = listen(sound, arrivals);
    // The first three seconds are for finding the delay.
    const settled = sound.subarray(3 * 8000, 19 * 8000);
    const { lag } = correlate(heard, settled);
    const likeness = meanLikeness(heard, settled, lag);
    const delayMs = (lag - 3 * 8000) / 8;
    t.comment(
      `likeness ${likeness}, delay ${delayMs} ms, dropped ${buffer.droppedPackets}, stretched ${buffer.stretchedMs} ms`,
    );
    t.ok(likeness > 0.97, `likeness ${likeness}`);
    t.ok(buffer.droppedPackets <= 20, `${buffer.droppedPackets} of 1000 came too late`);
    t.ok(delayMs < jitterMs + 50, `delay ${delayMs} ms`);
    t.equal(findClicks(heard, 6000).length, 0, 'no clicks');
    t.end();
  });
}

t.test('jitter buffer: the delay falls again when the jitter is over', (t) => {
  const sound = voice(30);
  const next = random(9);
  const arrivals = allPackets(sound).map((index) => ({ index, atMs: index * 20 + (index < 400 ? next() * 120 : 0) }));
  const { heard } = listen(sound, arrivals);
  const end = sound.subarray(20 * 8000, 28 * 8000);
  const match = correlate(heard, end);
  const delayMs = (match.lag - 20 * 8000) / 8;
  t.ok(match.coefficient > 0.98, `${match.coefficient}`);
  t.ok(delayMs <= 40, `${delayMs} ms`);
  t.equal(findClicks(heard, 6000).length, 0, 'no clicks');
  t.end();
});

for (const ppm of [1000, -1000]) {
  t.test(`jitter buffer: a sender whose clock is ${ppm} ppm off is followed without clicks or holes`, (t) => {
    const sound = voice(60);
    const arrivals = allPackets(sound).map((index) => ({ index, atMs: index * 20 * (1 - ppm / 1e6) }));
    const { heard, buffer } = listen(sound, arrivals);
    t.equal(findClicks(heard, 6000).length, 0, 'no clicks');
    t.ok(buffer.concealedMs <= 100, `${buffer.concealedMs} ms made up, the end included`);
    t.ok(buffer.stretchedMs >= 25 && buffer.stretchedMs <= 100, `${buffer.stretchedMs} ms for a drift of 60 ms`);
    const end = sound.subarray(58 * 8000, 59 * 8000);
    const match = correlate(heard, end);
    const delayMs = (match.lag - 58 * 8000 * (1 - ppm / 1e6)) / 8;
    t.ok(match.coefficient > 0.95, `${match.coefficient}`);
    t.ok(delayMs > 0 && delayMs < 60, `delay ${delayMs} ms at the end`);
    t.end();
  });
}

t.test('jitter buffer: doubled and swapped packets change nothing', (t) => {
  const sound = voice(5);
  const arrivals = allPackets(sound).flatMap((index) => {
    const atMs = index * 20 + (index % 10 === 4 ? 21 : 0);
    return [
      { index, atMs: atMs - 12 },
      { index, atMs: atMs + 3 },
      { index, atMs: atMs + 70 },
    ];
  });
  const { heard, buffer } = listen(sound, arrivals, 15);
  const match = correlate(heard, sound);
  t.ok(match.coefficient > 0.995, `${match.coefficient}`);
  t.equal(buffer.latePackets, 0);
  t.end();
});

t.test('jitter buffer: a gap that the sender meant is silence of its length, not a loss', (t) => {
  const codec = createCodec('PCMU');
  const buffer = new ReceiveBuffer();
  const loud = new Uint8Array(160).fill(0x80);
  const frame = new Int16Array(160);
  const heard: boolean[] = [];
  let sequence = 0;
  for (let tick = 0; tick < 40; tick++) {
    // Ticks 10–29 are a pause; the packet after it comes early, so that the gap is seen from both ends.
    if (tick < 10 || tick >= 28) {
      const timestamp = (tick < 10 ? tick : tick + 2) * 160;
      buffer.write(codec, loud, 0, 160, timestamp, sequence++);
    }
    buffer.read(frame, 8000);
    heard.push(frame[80] !== 0);
  }
  t.equal(heard.slice(14, 31).includes(true), false, 'silence');
  t.equal(heard.slice(32).includes(false), false, 'sound again, in its time');
  t.ok(buffer.concealedMs <= 60, 'at most until the pause is known');
  t.end();
});

t.test('jitter buffer: when nothing is late for long, what delay is left of a disturbance is taken back', (t) => {
  const sound = voice(40);
  // Between the second and the fourth second packets come up to 45 ms late.
  const next = random(3);
  const arrivals = allPackets(sound).map((index) => ({
    index,
    atMs: index * 20 + (index > 100 && index < 200 ? next() * 45 : 0),
  }));
  const { heard, buffer } = listen(sound, arrivals);
  const lagMs = (second: number): number =>
    (correlate(heard, sound.subarray(second * 8000, (second + 1) * 8000)).lag - second * 8000) / 8;
  t.comment(`${lagMs(1)} ms, ${lagMs(5)} ms, ${lagMs(38)} ms; stretched ${buffer.stretchedMs} ms`);
  t.ok(lagMs(5) >= 25, `${lagMs(5)} ms after the disturbance`);
  // The tick is 10 ms after the packet, of which all delay is counted from here on.
  t.ok(lagMs(38) <= 14.5, `${lagMs(38)} ms in the end: ${lagMs(38) + 10} ms from packet to packet`);
  t.same(findClicks(heard, 6000), []);
  t.end();
});

t.test(
  'jitter buffer: what a first packet waits beyond a frame is taken back in the first pause, and nothing is lost by it',
  (t) => {
    // Speech with pauses of a second.
    const speech = voice(12);
    for (const second of [2, 5, 8]) speech.fill(0, second * 8000, (second + 1) * 8000);
    for (const [phaseMs, before, after] of [
      // Ticks so soon after the first packet that it is played in the next one: 22.9 and 21.6 ms after it came.
      [2.9, 22.9, 20.5],
      [1.6, 21.6, 20.5],
      // And where it waits less from the start nothing changes.
      [19, 19, 19],
      [3.1, 3.1, 3.1],
    ] as const) {
      const arrivals = allPackets(speech).map((index) => ({ index, atMs: index * 20 }));
      const { heard, buffer } = listen(speech, arrivals, phaseMs);
      const delayMs = (from: number, to: number): number =>
        (correlate(heard, speech.subarray(from * 8000, to * 8000)).lag - from * 8000) / 8 + phaseMs;
      t.ok(Math.abs(delayMs(0, 1.5) - before) < 0.2, `${delayMs(0, 1.5)} ms at first`);
      t.ok(Math.abs(delayMs(9, 12) - after) < 0.2, `${delayMs(9, 12)} ms then`);
      t.equal(buffer.latePackets, 0);
      t.equal(buffer.droppedPackets, 0);
      t.same(findClicks(heard, 6000), []);
      // The end, after the last packet, is all that is made up: three frames, and what is left of a fourth.
      t.ok(buffer.concealedMs < 63, `${buffer.concealedMs} ms made up`);
    }
    t.end();
  },
);

t.test('jitter buffer: of what packets were seen to need nothing is taken back', (t) => {
  const speech = voice(60);
  for (let second = 2; second < 60; second += 3) speech.fill(0, second * 8000, (second + 1) * 8000);
  // The first packet waits 22.9 ms, and some come 20 ms later than others: all of it is needed.
  const next = random(5);
  const arrivals = allPackets(speech).map((index) => ({ index, atMs: index * 20 + (index > 0 ? next() * 20 : 0) }));
  const { buffer } = listen(speech, arrivals, 2.9);
  t.equal(buffer.latePackets, 0);
  t.equal(buffer.droppedPackets, 0);
  t.end();
});

t.test('jitter buffer: rare jitter is met a few times, then waited for', (t) => {
  const sound = voice(300);
  // Every 15 s one packet comes 26 ms late.
  const arrivals = allPackets(sound).map((index) => ({ index, atMs: index * 20 + (index % 750 === 700 ? 26 : 0) }));
  const { buffer } = listen(sound, arrivals);
  t.comment(`concealed ${buffer.concealedMs} ms, stretched ${buffer.stretchedMs} ms, late ${buffer.latePackets}`);
  t.ok(buffer.latePackets <= 8, `${buffer.latePackets} of 20 were too late`);
  t.end();
});
