import { findClicks, goertzel, rms, tone } from '@ringwire/rtp';
import t from 'tap';
import { ClipCache } from '../audio-clip.js';
import { FrameQueue } from '../frame-queue.js';
import { Room } from './room.js';
import type { MemberSettings, RoomCommand, RoomEvent } from './room-protocol.js';

const RATE_HZ = 16000;
const FRAME = 320;

/** A room driven by hand, frame by frame, with all that its members hear kept. */
class Rig {
  readonly events: RoomEvent[] = [];
  readonly room = new Room(
    1,
    { rateHz: RATE_HZ },
    { clips: new ClipCache(), report: (event) => this.events.push(event) },
  );
  readonly #members = new Map<
    number,
    { from: FrameQueue; to: FrameQueue; sound: Int16Array; at: number; heard: number[] }
  >();

  /** Adds a member that says `sound` from now on. */
  join(member: number, sound: Int16Array, settings?: MemberSettings): void {
    const [fromMember, toMember] = [FrameQueue.allocate(RATE_HZ), FrameQueue.allocate(RATE_HZ)];
    this.room.obey({ type: 'add', member, fromMember, toMember, ...(settings && { settings }) });
    const [from, to] = [new FrameQueue(fromMember), new FrameQueue(toMember)];
    this.#members.set(member, { from, to, sound, at: 0, heard: [] });
  }

  /** A member's leg is gone, and says nothing more. */
  leave(member: number): void {
    this.#members.get(member)!.sound = new Int16Array(0);
    this.#members.get(member)!.at = Number.NaN;
    this.obey({ type: 'remove', member });
  }

  obey(command: RoomCommand): void {
    this.room.obey(command);
  }

  /** Lets time pass; `stalled` members give nothing. */
  run(frames: number, stalled: readonly number[] = []): void {
    for (let i = 0; i < frames; i++) {
      for (const [id, member] of this.#members) {
        if (Number.isNaN(member.at) || stalled.includes(id)) continue;
        const frame = new Int16Array(FRAME);
        frame.set(member.sound.subarray(member.at, member.at + FRAME));
        member.at += FRAME;
        member.from.push(frame);
      }
      this.room.tick();
      for (const { to, heard } of this.#members.values()) {
        const frame = new Int16Array(FRAME);
        if (to.pull(frame)) heard.push(...frame);
      }
    }
  }

  /** What a member heard in the last frames. */
  heard(member: number, frames: number): Int16Array {
    return Int16Array.from(this.#members.get(member)!.heard.slice(-frames * FRAME));
  }
}

function pitch(hz: number, dbfs = -20): Int16Array {
  return tone(hz, 20_000, dbfs, RATE_HZ);
}

const [LOW, MIDDLE, HIGH] = [500, 800, 1300];

function amplitudes(heard: Int16Array): number[] {
  return [LOW, MIDDLE, HIGH].map((hz) => Math.round(goertzel(heard, hz, RATE_HZ)));
}

/** Three members who sing a pitch each. */
function trio(settings?: MemberSettings): Rig {
  const rig = new Rig();
  rig.join(1, pitch(LOW), settings);
  rig.join(2, pitch(MIDDLE), settings);
  rig.join(3, pitch(HIGH), settings);
  rig.run(5);
  return rig;
}

const isHeard = (amplitude: number): boolean => amplitude > 3000 && amplitude < 3500;
const isNotHeard = (amplitude: number): boolean => amplitude < 20;

t.test('each member hears the others at their level and nothing of itself', async (t) => {
  const rig = trio();
  rig.run(25);
  for (const member of [1, 2, 3]) {
    for (const [i, amplitude] of amplitudes(rig.heard(member, 25)).entries()) {
      t.ok(i === member - 1 ? isNotHeard(amplitude) : isHeard(amplitude), `${member} hears ${i + 1}: ${amplitude}`);
    }
  }
});

t.test('a coach is heard only by whom it speaks to, and hears everyone', async (t) => {
  const rig = trio();
  rig.obey({ type: 'member', member: 2, settings: { unheard: [3] } });
  rig.run(25);
  const [toOne, toTwo, toCoach] = [1, 2, 3].map((member) => amplitudes(rig.heard(member, 25)));
  t.ok(isHeard(toOne![1]!) && isHeard(toOne![2]!), 'the agent hears both');
  t.ok(isHeard(toTwo![0]!) && isNotHeard(toTwo![2]!), `the customer hears the agent, not the coach: ${toTwo}`);
  t.ok(isHeard(toCoach![0]!) && isHeard(toCoach![1]!), 'the coach hears both');
  rig.obey({ type: 'member', member: 2, settings: { unheard: [] } });
  rig.run(26);
  t.ok(isHeard(amplitudes(rig.heard(2, 25))[2]!), 'until it speaks to all again');
});

t.test('gain of what a member says and of what it hears is as asked, in dB', async (t) => {
  const rig = trio();
  rig.run(10);
  const before = goertzel(rig.heard(1, 10), MIDDLE, RATE_HZ);
  for (const [settings, member, factor] of [
    [{ gainIn: 2 }, 2, 2],
    [{ gainIn: 0.5 }, 2, 0.5],
    [{ gainIn: 1, gainOut: 0.25 }, 2, 1],
    [{ gainOut: 0.25 }, 1, 0.25],
  ] as const) {
    rig.obey({ type: 'member', member, settings });
    rig.run(11);
    const db = 20 * Math.log10(goertzel(rig.heard(1, 10), MIDDLE, RATE_HZ) / before);
    t.ok(Math.abs(db - 20 * Math.log10(factor)) < 0.05, `${factor}: ${db} dB`);
  }
});

t.test('nothing clicks when members come, go, stall, are muted and unmuted', async (t) => {
  const rig = new Rig();
  rig.join(1, new Int16Array(0));
  rig.join(2, pitch(MIDDLE, -8));
  rig.run(7);
  rig.join(3, pitch(HIGH, -8));
  rig.run(7);
  rig.obey({ type: 'member', member: 2, settings: { speaks: false } });
  rig.run(7);
  rig.obey({ type: 'member', member: 2, settings: { speaks: true } });
  rig.run(7);
  rig.run(1, [3]);
  rig.run(7);
  rig.leave(3);
  rig.run(7);
  rig.leave(2);
  rig.run(7);
  const heard = rig.heard(1, 100);
  let steepest = 0;
  for (let i = 1; i < heard.length; i++) steepest = Math.max(steepest, Math.abs(heard[i]! - heard[i - 1]!));
  // The steepest that the two tones together can be.
  const natural = (2 * Math.PI * (MIDDLE! + HIGH!) * 32767 * 10 ** (-8 / 20)) / RATE_HZ;
  t.ok(steepest < natural * 1.05, `steps up to ${steepest}, tones alone make ${Math.round(natural)}`);
  t.same(findClicks(heard, 2000), []);
  t.ok(rms(rig.heard(1, 5)) === 0, 'and silence is left');
});

t.test('a member that stalls never stalls the others', async (t) => {
  const rig = trio();
  rig.run(100, [2]);
  const heard = rig.heard(1, 50);
  t.equal(heard.length, 50 * FRAME);
  t.ok(isNotHeard(amplitudes(heard)[1]!) && isHeard(amplitudes(heard)[2]!));
  rig.run(30);
  t.ok(isHeard(amplitudes(rig.heard(1, 20))[1]!), 'it is heard again when it goes on');
});

t.test('a loud room is bent, not cut: no sample reaches full scale', async (t) => {
  const rig = new Rig();
  for (let member = 1; member <= 8; member++) rig.join(member, pitch(400 + 10 * member, -3));
  rig.run(30);
  const peak = rig.heard(1, 25).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  t.ok(peak > 30000 && peak < 32767, `peak ${peak}`);
});

t.test('a deaf member hears only what is played to it; a playback to all is heard by all', async (t) => {
  const rig = trio();
  rig.obey({ type: 'member', member: 1, settings: { hears: false } });
  const beep = (hz: number) => [{ kind: 'tone' as const, name: 'beep', loops: 1, script: `%(400,0,${hz})` }];
  rig.obey({ type: 'play', play: 7, member: 1, items: beep(2000), async: false });
  rig.obey({ type: 'play', play: 8, member: undefined, items: beep(3000), async: false });
  // Sources open in their own time.
  await new Promise((resolve) => setTimeout(resolve, 20));
  rig.run(18);
  const [deaf, other] = [rig.heard(1, 15), rig.heard(2, 15)];
  t.ok(goertzel(deaf, 2000, RATE_HZ) > 1000 && goertzel(deaf, 3000, RATE_HZ) < 20 && isNotHeard(amplitudes(deaf)[1]!));
  t.ok(goertzel(other, 3000, RATE_HZ) > 1000 && goertzel(other, 2000, RATE_HZ) < 20 && isHeard(amplitudes(other)[0]!));
  rig.run(10);
  const ended = rig.events.flatMap((event) =>
    event.type === 'play' && event.report.type === 'playEnded' ? [[event.report.play, event.report.samples]] : [],
  );
  t.same(ended.sort(), [
    [7, 3200],
    [8, 3200],
  ]);
});

t.test('playbacks wait for each other, pause and stop without a click', async (t) => {
  const rig = new Rig();
  rig.join(1, new Int16Array(0));
  const beep = (hz: number, ms: number) => [
    { kind: 'tone' as const, name: 'beep', loops: 1, script: `%(${ms},0,${hz})` },
  ];
  rig.obey({ type: 'play', play: 1, member: undefined, items: beep(500, 2000), async: false });
  rig.obey({ type: 'play', play: 2, member: undefined, items: beep(1300, 400), async: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  rig.run(10);
  t.ok(goertzel(rig.heard(1, 5), LOW, RATE_HZ) > 1000 && goertzel(rig.heard(1, 5), HIGH, RATE_HZ) < 20);
  rig.obey({ type: 'pausePlay', play: 1, on: true });
  rig.run(10);
  t.equal(rms(rig.heard(1, 8)), 0);
  rig.obey({ type: 'pausePlay', play: 1, on: false });
  rig.run(5);
  t.ok(goertzel(rig.heard(1, 3), LOW, RATE_HZ) > 1000);
  rig.obey({ type: 'stopPlay', play: 1 });
  rig.run(8);
  t.ok(goertzel(rig.heard(1, 5), HIGH, RATE_HZ) > 1000, 'the next begins when the first is stopped');
  t.same(findClicks(rig.heard(1, 25).subarray(0, 19 * FRAME), 2000), []);
});

t.test('talking is reported with its pauses bridged, and gives the floor', async (t) => {
  const rig = new Rig();
  const words = new Int16Array(RATE_HZ * 6);
  // Half a second of speech, 400 ms of pause, half a second of speech, then nothing.
  words.set(pitch(LOW).subarray(0, RATE_HZ / 2), 0);
  words.set(pitch(LOW).subarray(0, RATE_HZ / 2), RATE_HZ * 0.9);
  rig.join(1, new Int16Array(0), { energyLevel: 100 });
  rig.run(1);
  rig.join(2, words, { energyLevel: 100 });
  rig.run(120);
  const talking = rig.events.filter((event) => event.type === 'talking');
  t.match(talking, [
    { member: 2, on: true, ms: 0 },
    { member: 2, on: false },
  ]);
  const { ms } = talking[1] as { ms: number };
  t.ok(ms >= 2100 && ms <= 2300, `until 800 ms after the last word: ${ms}`);
  t.same(
    rig.events.flatMap((event) => (event.type === 'floor' ? [event.member] : [])),
    [1, 2],
  );
});

t.test('what is softer than the energy level is not mixed, what is louder at once', async (t) => {
  const rig = new Rig();
  rig.join(1, new Int16Array(0), { energyLevel: 100 });
  rig.join(2, pitch(LOW, -60), { energyLevel: 100 });
  rig.join(3, pitch(HIGH, -40), { energyLevel: 100 });
  rig.run(20);
  const heard = rig.heard(1, 20);
  t.ok(goertzel(heard, LOW, RATE_HZ) < 2);
  t.ok(goertzel(heard, HIGH, RATE_HZ, 320) > 250, 'heard from its second frame on');
});

t.test(
  'who is softer than a raised energy level is silent at once; who is louder goes on through pauses',
  async (t) => {
    const rig = new Rig();
    const loud = pitch(HIGH, -10);
    // A pause between words, just when the level is raised.
    loud.fill(0, 20 * FRAME - 160, 30 * FRAME);
    rig.join(1, new Int16Array(0), { energyLevel: 100 });
    rig.join(2, pitch(LOW, -20), { energyLevel: 100 });
    rig.join(3, loud, { energyLevel: 100 });
    rig.run(20);
    t.ok(isHeard(goertzel(rig.heard(1, 5), LOW, RATE_HZ)));
    const talking = (): RoomEvent[] => rig.events.filter((event) => event.type === 'talking');
    t.equal(talking().length, 2);
    for (const member of [2, 3]) rig.obey({ type: 'member', member, settings: { energyLevel: 4000 } });
    rig.run(5);
    t.equal(rms(rig.heard(1, 3)), 0, 'silent within two frames');
    t.match(talking().slice(2), [{ member: 2, on: false }]);
    rig.run(15);
    t.ok(goertzel(rig.heard(1, 5), HIGH, RATE_HZ) > 1000);
    t.equal(talking().length, 3, 'the pause of the other ended nothing');
    rig.obey({ type: 'member', member: 2, settings: { energyLevel: 100 } });
    rig.run(10);
    t.ok(isHeard(goertzel(rig.heard(1, 5), LOW, RATE_HZ)));
    t.match(talking().slice(3), [{ member: 2, on: true }]);
  },
);

t.test('nobody is heard while a moderator is awaited', async (t) => {
  const rig = trio();
  rig.obey({ type: 'waiting', on: true });
  rig.run(20);
  t.equal(rms(rig.heard(1, 15)), 0);
  rig.obey({ type: 'waiting', on: false });
  rig.run(20);
  t.ok(isHeard(amplitudes(rig.heard(1, 15))[1]!));
});

t.test('automatic gain brings a soft member up and a loud one down, at most 12 dB', async (t) => {
  const rig = new Rig();
  rig.join(1, new Int16Array(0));
  rig.join(2, pitch(LOW, -32), { energyLevel: 100, agcLevel: 1100 });
  rig.run(250);
  const level = goertzel(rig.heard(1, 25), LOW, RATE_HZ) * (2 / Math.PI);
  t.ok(level > 900 && level < 1300, `mean amplitude ${level}`);
});
