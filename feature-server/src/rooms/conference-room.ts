import type { ConferenceMemberInfo } from '@ringwire/common';
import type { HookSpec } from '@ringwire/verb-specs';
import type { ConferenceControl, ConferenceSeat } from '../media/conference.js';
import { RoomSound } from './room-sound.js';

/** What a status hook hears of (compat 1.3.15). */
export const CONFERENCE_EVENTS = [
  ...(['start', 'end', 'join', 'leave', 'start-talking', 'stop-talking'] as const),
  // Of what commands have everybody hear.
  ...(['say-start', 'say-done', 'play-start', 'play-done'] as const),
] as const;
/** One of those. */
export type ConferenceEvent = (typeof CONFERENCE_EVENTS)[number];

/** Two short tones: somebody comes; one: somebody goes. */
const ENTER_TONE = 'tone_stream://%(150,50,660);%(150,0,880)';
const EXIT_TONE = 'tone_stream://%(200,0,440)';
/** Who talks, and what is played, is told no more while so many events wait for a slow application. */
const MAX_UNTOLD = 50;

/** Who joins, and how. */
export interface NewMember {
  callSid: string;
  conference: ConferenceControl;
  tag?: string;
  /** Only members with this tag hear it. */
  speakOnlyTo?: string;
  isModerator: boolean;
  isMuted: boolean;
  sharesKeys: boolean;
  /** Tones tell of its coming and going. */
  beeps: boolean;
  /** The conference ends, after the room's time of grace, when the last such member has left. */
  endsConference: boolean;
  /**
   * Tells the application of an event about this member, after what `after` stands for; resolves when that is told.
   */
  tell(event: ConferenceEvent, facts: Record<string, unknown>, after: Promise<void>): Promise<void>;
}

/** How a room is, decided by who starts it. */
export interface RoomOptions {
  accountSid: string;
  name: string;
  /** Its name on the media server. */
  mediaName: string;
  startedAt: number;
  /** At most so many members. */
  maxMembers?: number;
  /** How long it goes on without those who end it. */
  graceMs: number;
  /** What a status hook was asked to hear of. */
  tells: ReadonlySet<ConferenceEvent>;
  statusHook?: HookSpec;
  /** Shown to others. */
  onMember(member: ConferenceMemberInfo): void;
  onMemberGone(callSid: string): void;
  onEnded(): void;
  now?: () => number;
}

/** Why somebody is a member no more. `left`: by himself, or his call is over. */
export type Departure = 'left' | 'kicked' | 'conference ended';

/** A conference that lives at this feature server: members, who hears whom, and what is told of it. */
export class ConferenceRoom {
  readonly #members = new Set<RoomMember>();
  /** Those who are on their way in count too; each with what resolves when that is settled. */
  readonly #entering = new Map<RoomMember, Promise<void>>();
  #isClosed = false;
  #isEnding = false;
  #grace: NodeJS.Timeout | undefined;
  /** Changes of who hears whom, one after the other. */
  #related: Promise<void> = Promise.resolve();
  #told: Promise<void> = Promise.resolve();
  #untold = 0;
  #hasStarted = false;
  #lastOut: RoomMember | undefined;
  /** What everybody hears. */
  readonly sound = new RoomSound();

  constructor(readonly options: RoomOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Nobody can join any more. */
  get isClosed(): boolean {
    return this.#isClosed || this.#isEnding;
  }

  get members(): readonly RoomMember[] {
    return [...this.#members];
  }

  /**
   * Lets somebody in; undefined when the room is full, or has ended.
   *
   * @throws MediaServerError
   */
  async join(who: NewMember): Promise<RoomMember | undefined> {
    const { maxMembers = Number.POSITIVE_INFINITY, mediaName: room } = this.options;
    if (this.isClosed || this.#members.size + this.#entering.size >= maxMembers) return undefined;
    const isCoach = who.speakOnlyTo !== undefined;
    const member = new RoomMember(who, this);
    // Until it is settled who hears whom, a coach says nothing, and nobody overhears one.
    const isDeaf = this.#hasCoachBeside(member);
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#entering.set(member, settled);
    try {
      const seat = await who.conference.join(
        {
          room,
          isMuted: who.isMuted || isCoach,
          isDeaf,
          isModerator: who.isModerator,
          sharesKeys: who.sharesKeys,
        },
        {
          onTalking: (isTalking) => this.tell(member, isTalking ? 'start-talking' : 'stop-talking'),
          onKey: (digit) => {
            for (const other of this.#members) if (other !== member) void other.seat.sendKey(digit);
          },
        },
      );
      member.sit(seat);
      if (this.#isEnding) {
        // All others have been shown out meanwhile.
        await seat.leave();
        return undefined;
      }
      this.#members.add(member);
    } finally {
      this.#entering.delete(member);
      settle();
      this.closeIfEmpty();
    }
    void member.seat.left.then(() => this.#onLeft(member));
    if (who.endsConference) clearTimeout(this.#grace);
    if (!this.#hasStarted) {
      this.#hasStarted = true;
      this.tell(member, 'start');
    }
    this.tell(member, 'join');
    this.show(member);
    if (isCoach || isDeaf || this.#hasCoachBeside(member)) {
      await this.relate();
      if (isCoach) await member.applyMute();
      if (isDeaf) await member.seat.setDeaf(member.isOnHold);
    }
    if (who.beeps && this.#members.size > 1) await member.seat.playToAll(ENTER_TONE);
    return member;
  }

  /** Mutes all who are no moderators, or takes that back. */
  async muteAll(isMuted: boolean): Promise<void> {
    await Promise.all(this.members.filter(({ isModerator }) => !isModerator).map((one) => one.setMuted(isMuted)));
  }

  /** Ends it where nobody has joined: who started it does not come. */
  closeIfEmpty(): void {
    if (this.#members.size === 0 && this.#entering.size === 0) this.#close();
  }

  /** Shows everybody out. */
  end(): void {
    this.#isEnding = true;
    clearTimeout(this.#grace);
    for (const member of this.#members) void member.depart('conference ended');
  }

  /** Has each coach heard by those only whom it speaks to, those included who are on their way in now. */
  relate(): Promise<void> {
    const settled = Promise.all(this.#entering.values());
    this.#related = Promise.allSettled([this.#related, settled]).then(() => this.#relate());
    return this.#related;
  }

  /** What others see of a member has changed. */
  show(member: RoomMember): void {
    if (this.#members.has(member)) this.options.onMember(member.info);
  }

  #hasCoachBeside(member: RoomMember): boolean {
    return [...this.#members, ...this.#entering.keys()].some(
      (other) => other !== member && other.speakOnlyTo !== undefined,
    );
  }

  async #relate(): Promise<void> {
    const members = this.members;
    for (const coach of members) {
      const deaf = members.filter((other) => other !== coach && !coach.speaksTo(other));
      const wanted = new Set(deaf.map(({ seat }) => seat.memberId));
      const added = [...wanted].filter((id) => !coach.unheardBy.has(id));
      const removed = [...coach.unheardBy].filter((id) => !wanted.has(id));
      coach.unheardBy = wanted;
      if (added.length > 0) await coach.seat.setHeardBy(added, false);
      if (removed.length > 0) await coach.seat.setHeardBy(removed, true);
    }
  }

  #onLeft(member: RoomMember): void {
    if (!this.#members.delete(member)) return;
    this.options.onMemberGone(member.callSid);
    this.tell(member, 'leave');
    this.#lastOut = member;
    this.closeIfEmpty();
    if (this.#isClosed) return;
    const [other] = this.#members;
    if (other && member.who.beeps) void other.seat.playToAll(EXIT_TONE);
    for (const { unheardBy } of this.#members) unheardBy.delete(member.seat.memberId);
    const isLastOfThem = member.who.endsConference && !this.members.some(({ who }) => who.endsConference);
    if (isLastOfThem && !this.#isEnding) {
      const { graceMs } = this.options;
      if (graceMs > 0) this.#grace = setTimeout(() => this.end(), graceMs);
      else this.end();
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#grace);
    if (this.#lastOut) this.tell(this.#lastOut, 'end');
    this.options.onEnded();
  }

  /**
   * In the order in which things happen, whichever member's application is told.
   * @param isOwed - the end of what was begun: it is told however much waits
   * @returns whether it is told: the room tells of such events, and not too much waits
   */
  tell(
    member: RoomMember,
    event: ConferenceEvent,
    more: Readonly<Record<string, unknown>> = {},
    isOwed = false,
  ): boolean {
    const { accountSid, name, startedAt, tells, now = Date.now } = this.options;
    const isOfRoom = ['start', 'end', 'join', 'leave'].includes(event);
    if (!tells.has(event) || (!isOfRoom && !isOwed && this.#untold >= MAX_UNTOLD)) return false;
    const facts = {
      event,
      conferenceSid: `conf:${accountSid}:${name}`,
      friendlyName: name,
      members: this.#members.size,
      duration: Math.floor((now() - startedAt) / 1000),
      time: new Date(now()).toISOString(),
      ...more,
    };
    this.#untold += 1;
    this.#told = member.who.tell(event, facts, this.#told).finally(() => {
      this.#untold -= 1;
    });
    return true;
  }
}

/** A member of a conference of this feature server. */
export class RoomMember {
  readonly callSid: string;
  readonly isModerator: boolean;
  tag: string | undefined;
  speakOnlyTo: string | undefined;
  /** Members that do not hear it, by their ids on the media server. */
  unheardBy = new Set<number>();
  #seat: ConferenceSeat | undefined;
  #isMuted: boolean;
  #isOnHold = false;
  #departure: Departure = 'left';
  readonly #leaving = new AbortController();
  readonly #joinedAt = Date.now();

  constructor(
    readonly who: NewMember,
    private readonly room: ConferenceRoom,
  ) {
    this.callSid = who.callSid;
    this.isModerator = who.isModerator;
    this.tag = who.tag;
    this.speakOnlyTo = who.speakOnlyTo;
    this.#isMuted = who.isMuted;
  }

  get seat(): ConferenceSeat {
    if (!this.#seat) throw new Error('the member has not joined yet');
    return this.#seat;
  }

  get isMuted(): boolean {
    return this.#isMuted;
  }

  get isOnHold(): boolean {
    return this.#isOnHold;
  }

  get info(): ConferenceMemberInfo {
    return {
      callSid: this.callSid,
      memberId: this.seat.memberId,
      ...(this.tag !== undefined && { memberTag: this.tag }),
      ...(this.speakOnlyTo !== undefined && { speakOnlyTo: this.speakOnlyTo }),
      isModerator: this.isModerator,
      isMuted: this.isMuted,
      isOnHold: this.isOnHold,
      joinedAt: this.#joinedAt,
    };
  }

  sit(seat: ConferenceSeat): void {
    this.#seat = seat;
  }

  speaksTo(other: RoomMember): boolean {
    return this.speakOnlyTo === undefined || other.tag === this.speakOnlyTo;
  }

  async setMuted(isMuted: boolean): Promise<void> {
    this.#isMuted = isMuted;
    await this.applyMute();
    this.room.show(this);
  }

  /** Neither heard nor hearing, or as before. */
  async setOnHold(isOnHold: boolean): Promise<void> {
    this.#isOnHold = isOnHold;
    await this.applyMute();
    await this.seat.setDeaf(isOnHold);
    this.room.show(this);
  }

  async setTag(tag: string | undefined): Promise<void> {
    this.tag = tag;
    await this.room.relate();
    this.room.show(this);
  }

  /** @param tag - of those who are to hear it; undefined: everybody */
  async coach(tag: string | undefined): Promise<void> {
    this.speakOnlyTo = tag;
    await this.room.relate();
    this.room.show(this);
  }

  applyMute(): Promise<void> {
    return this.seat.setMuted(this.#isMuted || this.#isOnHold);
  }

  /** Aborts when it begins to leave: what it has the others hear can be stopped only as long as it is in the room. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Leaves the room; resolves when it has. */
  async depart(why: Departure): Promise<void> {
    if (this.#departure === 'left') this.#departure = why;
    this.#leaving.abort();
    await this.seat.leave();
  }

  /** Resolves when it is a member no more, and why. */
  get departed(): Promise<Departure> {
    return this.seat.left.then(() => this.#departure);
  }
}
