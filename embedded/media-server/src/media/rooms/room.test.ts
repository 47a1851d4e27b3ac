import { goertzel, tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { PhoneMedia } from '../../test-peer.js';
import { ClipCache } from '../audio-clip.js';
import { FrameQueue } from '../frame-queue.js';
import type { MediaLeg } from '../media-leg.js';
import { MediaPool } from '../media-pool.js';
import type { RoomListener } from '../media-room.js';
import { Room } from './room.js';

t.test('a member hears the others and not itself, bent near full scale', (t) => {
  const room = new Room(1, { rateHz: 16000 }, { clips: new ClipCache(), report: () => undefined });
  const members = [1, 2, 3].map((member) => {
    const [fromMember, toMember] = [FrameQueue.allocate(16000), FrameQueue.allocate(16000)];
    room.obey({ type: 'add', member, fromMember, toMember });
    return { from: new FrameQueue(fromMember), to: new FrameQueue(toMember) };
  });
  const hear = (values: number[]): number[] => {
    members.forEach(({ from }, i) => {
      from.push(new Int16Array(320).fill(values[i]!));
    });
    room.tick();
    return members.map(({ to }) => {
      const frame = new Int16Array(320);
      t.ok(to.pull(frame));
      return frame[319]!;
    });
  };
  t.same(hear([1, 20, 300]), [320, 301, 21]);
  t.same(hear([20000, 20000, -28000]), [-8000, -8000, 31679]);
  room.obey({ type: 'remove', member: 2 });
  members.splice(1, 1);
  t.same(hear([7, 9]), [9, 7]);
  t.end();
});

/** A leg that talks with a phone over RTP. */
async function openLeg(t: Test, pool: MediaPool): Promise<{ leg: MediaLeg; phone: PhoneMedia }> {
  const leg = await pool.open({ onReport: () => undefined, onLost: () => t.fail('a media thread died') });
  const phone = await PhoneMedia.open(t);
  const media = { codec: 'PCMU', payloadType: 0, ptimeMs: 20, direction: 'sendrecv' } as const;
  leg.configure({ ...media, remote: { host: '127.0.0.1', port: phone.socket.port } });
  phone.startTo({ ...media, remoteHost: '127.0.0.1', remotePort: leg.port });
  return { leg, phone };
}

/** Amplitude of a tone in the last half second: the median of 50 ms, which a lost packet does not change. */
function amplitudeOf(heard: Int16Array, hz: number): number {
  const found = Array.from({ length: 10 }, (_, i) =>
    goertzel(heard, hz, 8000, heard.length - 400 * (i + 1), heard.length - 400 * i),
  );
  return found.sort((one, other) => one - other)[5]!;
}

t.test('three legs on two threads each hear the other two', async (t) => {
  const pool = new MediaPool({
    workers: 2,
    host: '127.0.0.1',
    minPort: 0,
    maxPort: 0,
    // In real time they would keep the phones, which live in this process, from talking.
    realtime: false,
    onWorkerLost: (error) => t.fail(String(error)),
  });
  await pool.start();
  t.teardown(() => pool.stop());
  const events: Parameters<RoomListener['onEvent']>[0][] = [];
  const room = pool.openRoom({ rateHz: 16000 }, { onEvent: (event) => events.push(event), onLost: () => undefined });
  const sides = await Promise.all([openLeg(t, pool), openLeg(t, pool), openLeg(t, pool)]);
  const pitches = [500, 800, 1300];
  for (const [i, { leg, phone }] of sides.entries()) {
    room.add(leg);
    phone.say(tone(pitches[i]!, 10_000, -20));
  }
  const isLoud = (amplitude: number): boolean => amplitude > 2500 && amplitude < 3500;
  await Promise.all(
    sides.map(({ phone }, i) => {
      const others = pitches.filter((_, k) => k !== i);
      return phone.hearsThat(`${others} Hz and not ${pitches[i]} Hz`, (heard) => {
        if (heard.length < 8000) return false;
        return others.every((hz) => isLoud(amplitudeOf(heard, hz))) && amplitudeOf(heard, pitches[i]!) < 100;
      });
    }),
  );
  t.pass('each hears the others and not itself');
  room.remove(sides[0]!.leg);
  t.equal(room.size, 2);
  await sides[1]!.leg.close();
  t.equal(room.size, 1, 'a leg that closes leaves');
  await room.close();
  t.same(
    events.flatMap((event) => (event.type.startsWith('member') ? [`${event.type} ${event.member}`] : [])),
    ['memberAdded 1', 'memberAdded 2', 'memberAdded 3', 'memberRemoved 1', 'memberRemoved 2', 'memberRemoved 3'],
  );
});
