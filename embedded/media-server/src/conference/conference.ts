import { randomUUID } from 'node:crypto';
import { dirname, isAbsolute } from 'node:path';
import type { Channel } from '../channel/channel.js';
import { isFalse } from '../channel/truth.js';
import type { EventBus } from '../event-socket/event-bus.js';
import type { Playlists } from '../files/playlists.js';
import type { RecordEnded } from '../media/attachments/recorder.js';
import type { MediaPool } from '../media/media-pool.js';
import type { MediaRoom, RoomAttachment, RoomPlay, RoomPlayEnd } from '../media/media-room.js';
import { ConferenceMember } from './conference-member.js';
import type { ControlGroup } from './controls.js';
import { areReadable, isFolder } from './files.js';
import { PlayList } from './play-list.js';
import type { ConferenceProfile, ConferenceProfiles } from './profiles.js';

/** What a conference needs of the server. */
export interface ConferenceContext {
  bus: EventBus;
  pool: MediaPool;
  playlists: Playlists;
  profiles: ConferenceProfiles;
  /** What conferences tell as their domain. */
  domain: string;
}

/** A recording of a conference. */
export interface ConferenceRecording {
  path: string;
  startedMs: number;
  isPaused: boolean;
  attachment: RoomAttachment;
}

/** Rate of every conference: what wideband callers say to each other stays wideband. */
const RATE_HZ = 16000;
const REPORT_RATE_HZ = 8000;
/** Recordings that may run at once in one conference. */
const MAX_RECORDINGS = 16;
/** Variables that one conference may have. */
const MAX_VARIABLES = 100;
const VARIABLE_NAME = /^[\w.-]{1,128}$/;
const MAX_VARIABLE_LENGTH = 4096;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Flag of members of whom one must be there. */
const MANDATORY = 'mandatory_member_endconf';
/** Mean amplitude from which on a member counts as talking, as in FreeSWITCH's own configuration. */
const DEFAULT_ENERGY_LEVEL = 100;

/** How a conference plays something. */
interface PlayOptions {
  /** Beside what plays, not after it. */
  async?: boolean;
  /** To this member instead of all. */
  member?: ConferenceMember;
  /** While it plays the member hears nothing else. */
  alone?: boolean;
  /** Nobody asked for it, so that no event tells that it begins. */
  unasked?: boolean;
}

/** A conference as the event socket shows it: members, recordings, what plays, and the events of it all. */
export class Conference {
  readonly uuid = randomUUID();
  readonly createdMs = Date.now();
  /** By member id, in the order in which they came. */
  readonly members = new Map<number, ConferenceMember>();
  readonly recordings = new Map<string, ConferenceRecording>();
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
  /** What is heard when someone comes, and goes. */
  enterSound: string | undefined;
  exitSound: string | undefined;
  enterSoundOn = true;
  exitSoundOn = true;
  callerIdName: string;
  callerIdNumber: string;
  /** Where relative names of sounds begin. */
  soundPrefix: string;
  /** What plays while a member is alone or a moderator is awaited. */
  holdMusic: string | undefined;
  floor: number | undefined;
  isEnded = false;
  readonly #room: MediaRoom;
  readonly #onEnded: () => void;
  #minimum = 1;
  #enforcesMinimum = false;
  #graceTimer: NodeJS.Timeout | undefined;
  #stopMusic: (() => void) | undefined;

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
    this.soundPrefix = settings['sound-prefix'] ?? '';
    this.enterSound = settings['enter-sound'];
    this.exitSound = settings['exit-sound'];
    this.holdMusic = settings['moh-sound'];
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
  get rateHz(): number {
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
    const left = (): void => {
      removeDigits();
      this.#onLeft(member);
      onLeft(member);
    };
    const controls = this.#controlsOf(member);
    const removeDigits = channel.onDigit((digit) => {
      if (flags.has('dist-dtmf')) this.#distribute(member, digit);
      else controls.get(digit)?.(this, member, digit);
    });
    this.#room.add(channel.leg, member.settings(), { member: id, onLeft: left });
    if (this.size > 1 && this.enterSoundOn)
      this.announce(channel.getVariable('conference_enter_sound') ?? this.enterSound);
    if (!member.isGhost) this.#sayAlone();
    this.#updateMusic();
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
    this.#updateMusic();
  }

  /** Sets what plays while a member is alone or waits; undefined is nothing. */
  setHoldMusic(file: string | undefined): void {
    this.#stopMusic?.();
    this.#stopMusic = undefined;
    this.holdMusic = file;
    this.#updateMusic();
  }

  /** Takes the music away, or brings back what the profile has. */
  toggleHoldMusic(): void {
    this.setHoldMusic(this.holdMusic === undefined ? this.settings['moh-sound'] : undefined);
  }

  /** Whether nobody more may come in; says so. */
  setLocked(on: boolean): void {
    this.announce(this.settings[on ? 'is-locked-sound' : 'is-unlocked-sound']);
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

  /** Plays a file, tone or list to all or to one; false when there is no such file, or too much plays already. */
  async play(
    file: string,
    { async = false, member, alone = false, unasked = false }: PlayOptions = {},
  ): Promise<boolean> {
    const plays = (member ?? this).plays;
    const items = await this.context.playlists.resolve(this.soundPath(file), undefined, new AbortController().signal);
    const isThere = items.length > 0 && (await areReadable(items));
    if (!isThere || plays.isFull || this.isEnded || (member && !this.members.has(member.id))) return false;
    const play = this.#room.play({ items, member: member?.id, async, alone });
    plays.add(play, async);
    if (unasked) {
      // Only its end is told.
    } else if (member) this.emitMember(member, 'play-file-member', [['File', file]]);
    else {
      this.emit('play-file', [
        ['File', file],
        ['Async', String(async)],
      ]);
    }
    void play.ended.then((end) => this.#onPlayed(file, async, member, end));
    return true;
  }

  /** Plays a sound of the profile to all or to one after what plays; nothing where it is not set or not there. */
  announce(file: string | undefined, member?: ConferenceMember): void {
    if (file) void this.play(file, { unasked: true, ...(member && { member }) });
  }

  /** The name under which a sound is looked for: relative ones begin at the sound prefix. */
  soundPath(file: string): string {
    const isWhole = this.soundPrefix === '' || isAbsolute(file) || /^[{[]|:\/\//.test(file);
    return isWhole ? file : `${this.soundPrefix}/${file}`;
  }

  /** Begins to record; a text that says why not. */
  async record(path: string): Promise<string | undefined> {
    if (this.recordings.has(path)) return `file [${path}] is already being used for recording.`;
    if (this.recordings.size >= MAX_RECORDINGS) return 'too many recordings.';
    // A relative path has no place of its own here.
    if (!isAbsolute(path) || !(await isFolder(dirname(path)))) {
      this.emit('start-recording', [
        ['Path', path],
        ['Error', 'File could not be opened for recording'],
      ]);
      return undefined;
    }
    if (this.isEnded || this.recordings.has(path)) return undefined;
    // What a recording of a leg calls heard is here what all say and what is played to all.
    const spec = { kind: 'record', path, mode: 'read', format: 'wav', rateHz: RATE_HZ, limitMs: 0 } as const;
    let end: RecordEnded | undefined;
    const attachment = this.#room.attach({ ...spec, silenceThreshold: 0, silenceMs: 0 }, (event) => {
      if (event.type === 'recordEnded') end = event;
    });
    const recording = { path, startedMs: Date.now(), isPaused: false, attachment };
    this.recordings.set(path, recording);
    this.emit('start-recording', [['Path', path]]);
    void attachment.ended.then(() => this.#onRecorded(recording, end));
    return undefined;
  }

  /** Ends a recording; false when there is none of that path. */
  stopRecording(path: string): boolean {
    const recording = this.recordings.get(path);
    if (!recording) return false;
    this.recordings.delete(path);
    recording.attachment.detach();
    return true;
  }

  /** Halts a recording or lets it go on; false when there is none of that path. */
  pauseRecording(path: string, on: boolean): boolean {
    const recording = this.recordings.get(path);
    if (!recording) return false;
    recording.isPaused = on;
    recording.attachment.pause(on);
    return true;
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
    if (own || this.exitSoundOn) this.announce(own ?? this.exitSound);
    this.#sayAlone();
    this.#updateMusic();
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
    if (on && !speaks) this.announce(this.settings['mute-detect-sound'] ?? this.settings['muted-sound'], member);
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

  #onPlayed(file: string, async: boolean, member: ConferenceMember | undefined, { samples }: RoomPlayEnd): void {
    const extra: [string, string][] = [
      ['seconds', String(Math.floor(samples / REPORT_RATE_HZ))],
      ['milliseconds', String(Math.floor((samples * 1000) / REPORT_RATE_HZ))],
      ['samples', String(samples)],
      ['File', file],
      ...(async ? ([['Async', 'true']] as const) : []),
    ] as [string, string][];
    if (!member) this.emit('play-file-done', extra);
    else if (this.members.has(member.id)) this.emitMember(member, 'play-file-member-done', extra);
  }

  #onRecorded(recording: ConferenceRecording, end: RecordEnded | undefined): void {
    if (this.recordings.get(recording.path) === recording) this.recordings.delete(recording.path);
    const samples = end?.samples ?? 0;
    this.emit('stop-recording', [
      ['Path', recording.path],
      ['Other-Recordings', String(this.recordings.size > 0)],
      ['Samples-Out', String(samples)],
      ['Samplerate', String(RATE_HZ)],
      ['Milliseconds-Elapsed', String(Math.floor((samples * 1000) / RATE_HZ))],
    ]);
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
    if (this.size === 1 && !this.isWaiting) this.announce(this.settings['alone-sound']);
  }

  /** Music plays while someone is alone or waits for a moderator, unless the first to come did not want it. */
  #updateMusic(): void {
    const first = [...this.members.values()][0];
    const wanted =
      !this.isEnded &&
      this.holdMusic !== undefined &&
      (this.size === 1 || this.isWaiting) &&
      !first?.flags.has('nomoh');
    if (!wanted) {
      this.#stopMusic?.();
      this.#stopMusic = undefined;
    } else if (!this.#stopMusic) {
      this.#stopMusic = this.#startMusic(this.holdMusic!);
    }
  }

  #startMusic(file: string): () => void {
    let isStopped = false;
    let current: RoomPlay | undefined;
    void (async () => {
      while (!isStopped && !this.isEnded) {
        const items = await this.context.playlists.resolve(
          this.soundPath(file),
          undefined,
          new AbortController().signal,
        );
        if (isStopped || this.isEnded || items.length === 0) return;
        current = this.#room.play({ items, async: true });
        const { outcome, samples } = await current.ended;
        // What is missing or has no length would be asked for again at once.
        if (outcome !== 'done' || samples === 0) return;
      }
    })();
    return () => {
      isStopped = true;
      current?.stop();
    };
  }
}
