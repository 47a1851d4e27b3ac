import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import type { ConferenceControl, SeatListeners, SeatOptions } from '../media/conference.js';
import { type ConferenceEvent, ConferenceRoom, type NewMember, type RoomOptions } from './conference-room.js';

/** A seat that keeps what it is told. */
class FakeChair implements ConferenceControl {
  static #made = 0;
  readonly orders: unknown[] = [];
  options: SeatOptions | undefined;
  talk: (isTalking: boolean) => void = () => {};
  leave: () => void = () => {};

  /** @param granted - when it is given */
  constructor(private readonly granted: Promise<void> = Promise.resolve()) {}

  play(): undefined {}

  passKey(): void {}

  async join(options: SeatOptions, { onTalking = () => {} }: Partial<SeatListeners> = {}) {
    await this.granted;
    this.options = options;
    this.talk = onTalking;
    const left = new Promise<void>((resolve) => {
      this.leave = resolve;
    });
    return {
      memberId: ++FakeChair.#made,
      left,
      setMuted: async (isMuted: boolean) => void this.orders.push(['mute', isMuted]),
      setDeaf: async (isDeaf: boolean) => void this.orders.push(['deaf', isDeaf]),
      setHeardBy: async (ids: readonly number[], isHeard: boolean) => void this.orders.push(['heard', ...ids, isHeard]),
      playToAll: async () => {},
      playInRoom: async () => {},
      record: async () => {},
      sendKey: async () => {},
      leave: async () => this.leave(),
    };
  }
}

function openRoom(overrides: Partial<RoomOptions> = {}) {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const events: [string, ConferenceEvent, unknown][] = [];
  const room = new ConferenceRoom({
    ...{ accountSid: 'acc-1', name: 'room', mediaName: 'm', startedAt: 0, graceMs: 0, now: () => 5_500 },
    tells: new Set<ConferenceEvent>(['start', 'join', 'leave', 'end', 'start-talking', 'stop-talking']),
    ...{ onMember: () => {}, onMemberGone: () => {}, onEnded: () => end() },
    ...overrides,
  });
  const enter = async (callSid: string, more: Partial<NewMember> = {}, chair = new FakeChair()) => {
    const member = await room.join({
      ...{ callSid, conference: chair, isModerator: false, isMuted: false, sharesKeys: false, beeps: false },
      ...{ endsConference: false, ...more },
      tell: async (event, facts, after) => {
        await after;
        events.push([callSid, event, facts.members]);
      },
    });
    return { chair, member };
  };
  return { room, enter, ended, events };
}

t.test('room: events come in order, those of talking too, and the end with the last', async (t) => {
  const { enter, ended, events } = openRoom();
  const one = await enter('one');
  const two = await enter('two');
  two.chair.talk(true);
  two.chair.talk(false);
  two.chair.leave();
  await two.member?.departed;
  one.chair.leave();
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(events, [
    ['one', 'start', 1],
    ['one', 'join', 1],
    ['two', 'join', 2],
    ['two', 'start-talking', 2],
    ['two', 'stop-talking', 2],
    ['two', 'leave', 1],
    ['one', 'leave', 0],
    ['one', 'end', 0],
  ]);
});

t.test('room: it ends some time after the last of those who end it, unless another one comes', async (t) => {
  const { room, enter, ended } = openRoom({ graceMs: 30 });
  const stays = await enter('stays');
  const host = await enter('host', { endsConference: true });
  host.chair.leave();
  await host.member?.departed;
  const next = await enter('next', { endsConference: true });
  t.equal(room.isClosed, false);
  next.chair.leave();
  t.equal(await stays.member?.departed, 'conference ended');
  await ended;
  t.equal(room.isClosed, true);
});

t.test('room: nobody overhears a coach, not even while he or they come in', async (t) => {
  const { enter } = openRoom();
  const agent = await enter('agent', { tag: 'agent' });
  const customer = await enter('customer');
  const coach = await enter('coach', { speakOnlyTo: 'agent' });
  t.equal(coach.chair.options?.isMuted, true, 'says nothing before it is settled who hears him');
  t.strictSame(coach.chair.orders, [
    ['heard', customer.member?.seat.memberId, false],
    ['mute', false],
  ]);
  const late = await enter('late');
  t.equal(late.chair.options?.isDeaf, true);
  t.strictSame(late.chair.orders, [['deaf', false]]);
  coach.chair.orders.length = 0;
  await agent.member?.setTag(undefined);
  await coach.member?.coach(undefined);
  t.strictSame(coach.chair.orders, [
    ['heard', agent.member?.seat.memberId, false],
    ['heard', ...[agent, customer, late].map(({ member }) => member?.seat.memberId), true],
  ]);
});

/** A chair whose seat is given by hand. */
function slowChair() {
  let grant = (): void => {};
  const chair = new FakeChair(
    new Promise<void>((resolve) => {
      grant = resolve;
    }),
  );
  return { chair, grant };
}

t.test('room: nobody overhears a coach who comes in at the same time', async (t) => {
  const { enter } = openRoom();
  const [customerChair, coachChair] = [slowChair(), slowChair()];
  const customerComes = enter('customer', {}, customerChair.chair);
  const coachComes = enter('coach', { speakOnlyTo: 'agent' }, coachChair.chair);
  const lateComes = enter('late');
  coachChair.grant();
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(coachChair.chair.orders, [], 'he says nothing before the customer is in');
  customerChair.grant();
  const [customer, coach, late] = await Promise.all([customerComes, coachComes, lateComes]);
  const notHeard = coachChair.chair.orders.flatMap((order) => {
    const [what, ...ids] = order as [string, ...unknown[]];
    return what === 'heard' && ids.at(-1) === false ? ids.slice(0, -1) : [];
  });
  t.strictSame(new Set(notHeard), new Set([customer, late].map(({ member }) => member?.seat.memberId)));
  t.strictSame(coach.chair.orders.at(-1), ['mute', false], 'he speaks at the last');
  t.equal(late.chair.options?.isDeaf, true, 'who comes while a coach does hears nothing yet');
});

t.test('room: who is on his way in when somebody begins to coach does not overhear it', async (t) => {
  const { enter } = openRoom();
  await enter('agent', { tag: 'agent' });
  const coach = await enter('coach');
  const { chair, grant } = slowChair();
  const customerComes = enter('customer', {}, chair);
  const coaching = coach.member?.coach('agent');
  grant();
  const customer = await customerComes;
  await coaching;
  t.strictSame(coach.chair.orders, [['heard', customer.member?.seat.memberId, false]]);
});

t.test('room: who is on his way in when it ends is not let in, and it ends', async (t) => {
  const { enter, ended, events } = openRoom();
  const host = await enter('host', { endsConference: true });
  const guest = await enter('guest');
  const { chair, grant } = slowChair();
  const late = enter('late', {}, chair);
  host.chair.leave();
  t.equal(await guest.member?.departed, 'conference ended');
  grant();
  t.equal((await late).member, undefined);
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(events.slice(-2), [
    ['guest', 'leave', 0],
    ['guest', 'end', 0],
  ]);
});

t.test('room: it is not told that it ended while somebody is on his way in', async (t) => {
  const { enter, ended, events } = openRoom();
  const first = await enter('first');
  const { chair, grant } = slowChair();
  const next = enter('next', {}, chair);
  first.chair.leave();
  await first.member?.departed;
  grant();
  t.ok((await next).member);
  chair.leave();
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(
    events.map(([, event]) => event),
    ['start', 'join', 'leave', 'join', 'leave', 'end'],
  );
});

t.test('room: moderators are not muted with all others; who is on hold stays so when he is unmuted', async (t) => {
  const { room, enter } = openRoom();
  const host = await enter('host', { isModerator: true });
  const guest = await enter('guest');
  await guest.member?.setOnHold(true);
  await room.muteAll(true);
  await room.muteAll(false);
  t.strictSame(host.chair.orders, []);
  t.strictSame(guest.chair.orders, [
    ['mute', true],
    ['deaf', true],
    ['mute', true],
    ['mute', true],
  ]);
});

t.test('room: the end of what was told to begin is told however much waits', async (t) => {
  const { room, enter, events } = openRoom({
    tells: new Set<ConferenceEvent>(['start-talking', 'play-start', 'play-done']),
  });
  const { member } = await enter('a');
  if (!member) throw new Error('it has joined');
  t.equal(room.tell(member, 'play-start'), true);
  while (room.tell(member, 'start-talking'));
  t.equal(room.tell(member, 'play-start'), false, 'too much waits');
  t.equal(room.tell(member, 'play-done', {}, true), true);
  await until('all are told', () => events.at(-1)?.[1] === 'play-done');
});
