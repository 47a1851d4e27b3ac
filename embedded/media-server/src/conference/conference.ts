import { randomUUID } from 'node:crypto';
import type { Channel } from '../channel/channel.js';
import { isFalse } from '../channel/truth.js';
import type { EventBus } from '../event-socket/event-bus.js';
import type { Playlists } from '../files/playlists.js';
import type { MediaPool } from '../media/media-pool.js';
import type { MediaRoom } from '../media/media-room.js';
import { ConferenceMember } from './conference-member.js';
import type { ControlGroup } from './controls.js';
import { PlayList } from './play-list.js';
import type { ConferenceProfile, ConferenceProfiles } from './profiles.js';
import { ConferenceRecordings } from './recordings.js';
import { ConferenceSounds } from './sounds.js';

/** What a conference needs of the server. */
export interface ConferenceContext {
  bus: EventBus;
  pool: MediaPool;
  playlists: Playlists;
  profiles: ConferenceProfiles;
  /** What conferences tell as their domain. */
  domain: string;
}

/** Rate of every conference: what wideband callers say to each other stays wideband. */
const RATE_HZ = 16000;
/** Variables that one conference may have. */
const MAX_VARIABLES = 100;
const VARIABLE_NAME = /^[\w.-]{1,128}$/;
const MAX_VARIABLE_LENGTH = 4096;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Flag of members of whom one must be there. */
const MANDATORY = 'mandatory_member_endconf';
/** Mean amplitude from which on a member counts as talking, as in FreeSWITCH's own configuration. */
const DEFAULT_ENERGY_LEVEL = 100;

/** A conference as the event socket shows it: members, recordings, what plays, and the events of it all. */
export class Conference {
  readonly uuid = randomUUID();
  readonly createdMs = Date.now();
  /** By member id, in the order in which they came. */
  readonly members = new Map<number, ConferenceMember>();
  readonly recordings: ConferenceRecordings;
  readonly sounds: ConferenceSounds;
  readonly variables = new Map<string, string>();
  readonly plays = new PlayList();
  readonly context: ConferenceContext;
  /** What its profile says. */
  readonly settings: ConferenceProfile;
  readonly energyLevel: number;
  maxMembers: number;
  pin: string;
  moderatorPin: string;
  isLocked = false;
  /** Whether nobody is heard until a moderator comes. */
  isWaiting = false;
  graceSeconds: number;
  callerIdName: string;
  callerIdNumber: string;
  floor: number | undefined;
  isEnded = false;
  readonly #room: MediaRoom;
  readonly #onEnded: () => void;
  #minimum = 1;
  #enforcesMinimum = false;
  #graceTimer: NodeJS.Timeout | undefined;

  /** Throws MediaUnavailableError when no media thread runs. */
  constructor(
    readonly name: string,
    readonly profile: string,
    context: ConferenceContext,
    onEnded: () => void,
  ) {
    this.context = context;
    const settings = context.profiles.get(profile);
    this.settings = settings;
    this.energyLevel = Number(settings['energy-level'] ?? DEFAULT_ENERGY_LEVEL);
    this.maxMembers = Number(settings['max-members'] ?? 0);
    this.graceSeconds = Number(settings['endconf-grace-time'] ?? 0);
    this.pin = settings.pin ?? '';
    this.moderatorPin = settings['moderator-pin'] ?? '';
    this.callerIdName = settings['caller-id-name'] ?? '';
    this.callerIdNumber = settings['caller-id-number'] ?? '';
    this.#onEnded = onEnded;
    this.#room = context.pool.openRoom(
      { rateHz: RATE_HZ },
      {
        onEvent: (event) => {
          if (event.type === 'talking') this.#onTalking(event.member, event.on, event.score, event.ms);
          if (event.type === 'floor') this.#onFloor(event.member);
        },
        onLost: () => this.end(),
      },
    );
    this.recordings = new ConferenceRecordings(this, this.#room);
    this.sounds = new ConferenceSounds(this, this.#room);
    this.emit('conference-create');
  }

  /** Members that count. */
  get size(): number {
    return this.members.size - this.ghosts;
  }

  /** Members that do not count. */
  get ghosts(): number {
    let ghosts = 0;
    for (const { isGhost } of this.members.values()) if (isGhost) ghosts++;
    return ghosts;
  }

  /** Rate of the mix. */
  get rateHz(): typeof RATE_HZ {
    return RATE_HZ;
  }

  /** Fires an event of the conference. */
  emit(action: string, extra: Iterable<readonly [string, string]> = []): void {
    this.context.bus.emit('CUSTOM', [
      ['Event-Subclass', 'conference::maintenance'],
      ...this.#headers(),
      ...extra,
      ['Action', action],
    ]);
  }

  /** Fires an event of one member. */
  emitMember(member: ConferenceMember, action: string, extra: Iterable<readonly [string, string]> = []): void {
    const floor: [string, string] = ['Floor', String(member.id === this.floor)];
    this.emit(action, [floor, ...member.channel.basicHeaders(), ...member.headers(), ...extra]);
  }

  /** Adds a channel; `onLeft` is called once when it is no member any more, whyever. */
  join(
    channel: Channel,
    id: number,
    flags: ReadonlySet<string>,
    isModerator: boolean,
    onLeft: (member: ConferenceMember) => void,
  ): void {
    const member = new ConferenceMember(id, channel, flags, isModerator, this.energyLevel);
    this.members.set(id, member);
    channel.setVariable('conference_name', this.name);
    channel.setVariable('conference_uuid', this.uuid);
    channel.setVariable('conference_member_id', String(id));
    channel.setVariable('conference_moderator', String(isModerator));
    channel.setVariable('conference_ghost', String(member.isGhost));
    if (flags.has('mintwo')) this.#minimum = 2;
    if (this.members.size >= this.#minimum) this.#enforcesMinimum = true;
    if (isModerator && this.isWaiting) this.setWaiting(false);
    if (flags.has(MANDATORY)) clearTimeout(this.#graceTimer);
    const removeHold = channel.holding.onChange(() => this.apply(member));
    const left = (): void => {
      removeHold();
      removeDigits();
      this.#onLeft(member);
      onLeft(member);
    };
    const controls = this.#controlsOf(member);
    const removeDigits = channel.digits.take((digit) => {
      if (flags.has('dist-dtmf')) this.#distribute(member, digit);
      else controls.get(digit)?.(this, member, digit);
    });
    this.#room.add(channel.leg, member.settings(), { member: id, onLeft: left });
    if (this.size > 1 && this.sounds.enter.isOn) {
      this.sounds.announceDoor('enter', channel.getVariable('conference_enter_sound'));
    }
    if (!member.isGhost) this.#sayAlone();
    this.sounds.updateMusic();
    this.emitMember(member, 'add-member');
  }

  /** Parts a member from the conference. */
  remove(member: ConferenceMember): void {
    this.#room.remove(member.channel.leg);
  }

  /** Tells the media thread how a member takes part now. */
  apply(member: ConferenceMember): void {
    this.#room.set(member.id, member.settings());
  }

  /** Tells the media thread whom each of these does not hear now. */
  applyRelations(members: Iterable<ConferenceMember>): void {
    for (const listener of members) {
      const unheard: number[] = [];
      for (const other of this.members.values()) {
        const isHeard =
          listener.relations.get(other.id)?.hear !== false && other.relations.get(listener.id)?.speak !== false;
        if (!isHeard) unheard.push(other.id);
      }
      this.#room.set(listener.id, { unheard });
    }
  }

  /** Whether nobody is heard. */
  setWaiting(on: boolean): void {
    this.isWaiting = on;
    this.#room.command({ type: 'waiting', on });
    this.sounds.updateMusic();
  }

  /** Whether nobody more may come in; says so. */
  setLocked(on: boolean): void {
    this.sounds.announce(this.settings[on ? 'is-locked-sound' : 'is-unlocked-sound']);
    this.isLocked = on;
    this.emit(on ? 'lock' : 'unlock');
  }

  /** Gives the floor to a member, or takes it from who has it. */
  giveFloor(id: number | undefined): void {
    this.#room.command({ type: 'floor', member: id });
  }

  /** Sets a variable of the conference, which is a header of its events; an empty one is deleted, a name that is no header's is ignored. */
  setVariable(name: string, value: string): void {
    if (!VARIABLE_NAME.test(name)) return;
    if (value === '') this.variables.delete(name);
    else if (this.variables.has(name) || this.variables.size < MAX_VARIABLES) {
      this.variables.set(name, value.slice(0, MAX_VARIABLE_LENGTH));
    }
  }

  /** Ends the conference: who is left is hung up unless `hangup_after_conference` is false, recordings are completed. Idempotent. */
  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    clearTimeout(this.#graceTimer);
    for (const { channel } of this.members.values()) {
      if (!isFalse(channel.getVariable('hangup_after_conference'))) void channel.hangup('NORMAL_CLEARING');
    }
    // Members leave as the room closes; recordings complete and say so before the conference does.
    const closed = this.#room.close();
    this.#onEnded();
    void closed.then(() => this.emit('conference-destroy'));
  }

  #headers(): [string, string][] {
    return [
      ['Conference-Name', this.name],
      ['Conference-Domain', this.context.domain],
      ['Conference-Size', String(this.size)],
      ['Conference-Ghosts', String(this.ghosts)],
      ['Conference-Profile-Name', this.profile],
      ['Conference-Unique-ID', this.uuid],
      ...this.variables,
    ];
  }

  #onLeft(member: ConferenceMember): void {
    this.members.delete(member.id);
    this.#forgetRelations(member);
    if (member.id === this.floor) this.floor = undefined;
    member.isTalking = false;
    this.emitMember(member, 'del-member');
    if (this.isEnded) return;
    const tooFew = this.#enforcesMinimum && this.members.size < this.#minimum;
    if (this.members.size === 0 || tooFew || member.flags.has('endconf')) {
      this.end();
      return;
    }
    if (member.flags.has(MANDATORY) && ![...this.members.values()].some(({ flags }) => flags.has(MANDATORY))) {
      clearTimeout(this.#graceTimer);
      this.#graceTimer = setTimeout(() => this.end(), Math.min(this.graceSeconds * 1000, MAX_TIMER_MS));
    }
    const own = member.channel.getVariable('conference_exit_sound');
    if (own || this.sounds.exit.isOn) this.sounds.announceDoor('exit', own);
    this.#sayAlone();
    this.sounds.updateMusic();
  }

  /** The member keeps its id: when it comes again, nothing of before may hold. */
  #forgetRelations(member: ConferenceMember): void {
    const others = [...this.members.values()];
    const touched = others.filter(({ id, relations }) => relations.delete(member.id) || member.relations.has(id));
    if (!this.isEnded) this.applyRelations(touched);
  }

  #onTalking(id: number, on: boolean, score: number, ms: number): void {
    const member = this.members.get(id);
    if (!member) return;
    member.isTalking = on;
    member.energy = score;
    member.lastTalkedMs = Date.now();
    const speaks = member.canSpeak && !member.isOnHold;
    if (on && !speaks) this.sounds.announce(this.settings['mute-detect-sound'] ?? this.settings['muted-sound'], member);
    if (on) this.emitMember(member, speaks ? 'start-talking' : 'mute-detect');
    else if (speaks) this.emitMember(member, 'stop-talking', [['talking-duration-ms', String(ms)]]);
  }

  #onFloor(id: number | undefined): void {
    const member = id === undefined ? undefined : this.members.get(id);
    const old = this.floor;
    this.floor = member?.id;
    const ids: [string, string][] = [
      ['Old-ID', old === undefined ? 'none' : String(old)],
      ['New-ID', member ? String(member.id) : 'none'],
    ];
    if (member) this.emitMember(member, 'floor-change', ids);
    else if (old !== undefined) this.emit('floor-change', ids);
  }

  #distribute(from: ConferenceMember, digit: string): void {
    for (const member of this.members.values()) {
      if (member !== from && !member.flags.has('skip-dtmf')) member.channel.leg.sendDtmf(digit, 250);
    }
  }

  /** What a member's keys do. */
  #controlsOf({ channel, isModerator }: ConferenceMember): ControlGroup {
    const { 'caller-controls': callers, 'moderator-controls': moderators } = this.settings;
    const group = channel.getVariable('conference_controls') ?? (isModerator ? moderators : undefined) ?? callers;
    return this.context.profiles.controls(group ?? 'default');
  }

  #sayAlone(): void {
    if (this.size === 1 && !this.isWaiting) this.sounds.announce(this.settings['alone-sound']);
  }
}
