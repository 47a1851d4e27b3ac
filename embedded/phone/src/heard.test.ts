import { tone } from '@ringwire/rtp';
import t from 'tap';
import { firstSoundMs, HeardTimeline } from './heard.js';

const FRAME = tone(1_000, 20);

function receive(timeline: HeardTimeline, ssrc: number, sequence: number, timestampRtp: number, atMs: number): void {
  if (timeline.note(ssrc, { atMs, sequence, timestampRtp, payloadType: 0, marker: false })) {
    timeline.place(ssrc, timestampRtp, atMs, FRAME);
  }
}

t.test('a packet that is lost leaves silence, and late arrival does not move audio', (t) => {
  const timeline = new HeardTimeline(1_000);
  receive(timeline, 1, 65_535, 0xffffff60, 1_100);
  receive(timeline, 1, 1, 160, 1_155);
  const samples = timeline.samples();
  t.equal(samples.length, 800 + 480);
  t.ok(
    samples.subarray(960, 1_120).every((sample) => sample === 0),
    'the gap is silent',
  );
  t.ok(
    samples.subarray(1_120).some((sample) => sample !== 0),
    'the late packet stands where its time stamp says',
  );
  t.match(timeline.stats(), { packets: 2, lost: 1, maxGapMs: 55 });
  t.equal(firstSoundMs(samples), 100);
  t.end();
});

t.test('duplicates are counted once and late packets of the past fill their gap', (t) => {
  const timeline = new HeardTimeline(0);
  receive(timeline, 1, 10, 0, 0);
  receive(timeline, 1, 12, 320, 40);
  receive(timeline, 1, 11, 160, 45);
  receive(timeline, 1, 11, 160, 46);
  t.match(timeline.stats(), { packets: 3, lost: 0, duplicates: 1 });
  t.ok(
    timeline
      .samples()
      .subarray(160, 320)
      .some((sample) => sample !== 0),
  );
  t.end();
});

t.test('a new source, or a jump of the time stamp, begins where it arrived', (t) => {
  const timeline = new HeardTimeline(0);
  receive(timeline, 1, 1, 0, 0);
  receive(timeline, 2, 700, 123_456, 1_000);
  receive(timeline, 2, 701, 3_000_000, 2_000);
  t.equal(timeline.samples().length, 16_000 + 160);
  t.equal(timeline.stats().lost, 0);
  t.end();
});

t.test('silence has no first sound', (t) => {
  t.equal(firstSoundMs(new Int16Array(8_000)), undefined);
  t.end();
});
