import { isAbsolute } from 'node:path';
import type { MediaRoom, RoomPlay, RoomPlayEnd } from '../media/media-room.js';
import type { Conference } from './conference.js';
import type { ConferenceMember } from './conference-member.js';
import { areReadable } from './files.js';

/** Rate in which lengths are reported, whatever the mix's. */
const REPORT_RATE_HZ = 8000;

/** How a conference plays something. */
export interface PlayOptions {
  /** Beside what plays, not after it. */
  async?: boolean;
  /** To this member instead of all. */
  member?: ConferenceMember;
  /** While it plays the member hears nothing else. */
  alone?: boolean;
  /** Nobody asked for it, so that no event tells that it begins. */
  unasked?: boolean;
}

/** What is heard when someone comes, or goes. */
export interface DoorSound {
  file: string | undefined;
  isOn: boolean;
}

/** What a conference plays: what it is asked for, the sounds of its profile, music while someone waits. */
export class ConferenceSounds {
  readonly enter: DoorSound;
  readonly exit: DoorSound;
  /** Where relative names of sounds begin. */
  prefix: string;
  /** What plays while a member is alone or a moderator is awaited. */
  holdMusic: string | undefined;
  readonly #conference: Conference;
  readonly #room: MediaRoom;
  #stopMusic: (() => void) | undefined;

  constructor(conference: Conference, room: MediaRoom) {
    this.#conference = conference;
    this.#room = room;
    const { settings } = conference;
    this.prefix = settings['sound-prefix'] ?? '';
    this.enter = { file: settings['enter-sound'], isOn: true };
    this.exit = { file: settings['exit-sound'], isOn: true };
    this.holdMusic = settings['moh-sound'];
  }

  /** Plays a file, tone or list to all or to one; false when there is no such file, or too much plays already. */
  async play(
    file: string,
    { async = false, member, alone = false, unasked = false }: PlayOptions = {},
  ): Promise<boolean> {
    const conference = this.#conference;
    const plays = (member ?? conference).plays;
    const items = await this.#resolve(file);
    const isThere = items.length > 0 && (await areReadable(items));
    if (!isThere || plays.isFull || conference.isEnded || (member && !conference.members.has(member.id))) {
      conference.context.playlists.release(items);
      return false;
    }
    const play = this.#room.play({ items, member: member?.id, async, alone });
    plays.add(play, async);
    if (unasked) {
      // Only its end is told.
    } else if (member) conference.emitMember(member, 'play-file-member', [['File', file]]);
    else {
      conference.emit('play-file', [
        ['File', file],
        ['Async', String(async)],
      ]);
    }
    void play.ended.then((end) => {
      conference.context.playlists.release(items);
      this.#onPlayed(file, async, member, end);
    });
    return true;
  }

  /** Plays a sound of the profile to all or to one after what plays; nothing where it is not set or not there. */
  announce(file: string | undefined, member?: ConferenceMember): void {
    if (file) void this.play(file, { unasked: true, ...(member && { member }) });
  }

  /** Tells all that someone came or went, with a sound of that one's own where there is one. */
  announceDoor(side: 'enter' | 'exit', own: string | undefined): void {
    this.announce(own ?? this[side].file);
  }

  /** The name under which a sound is looked for: relative ones begin at the sound prefix. */
  path(file: string): string {
    const isWhole = this.prefix === '' || isAbsolute(file) || /^[{[]|:\/\//.test(file);
    return isWhole ? file : `${this.prefix}/${file}`;
  }

  /** Sets what plays while a member is alone or waits; undefined is nothing. */
  setHoldMusic(file: string | undefined): void {
    this.#stopMusic?.();
    this.#stopMusic = undefined;
    this.holdMusic = file;
    this.updateMusic();
  }

  /** Takes the music away, or brings back what the profile has. */
  toggleHoldMusic(): void {
    this.setHoldMusic(this.holdMusic === undefined ? this.#conference.settings['moh-sound'] : undefined);
  }

  /** Music plays while someone is alone or waits for a moderator, unless the first to come did not want it. To be called when that may have changed. */
  updateMusic(): void {
    const { isEnded, isWaiting, members, size } = this.#conference;
    const first = [...members.values()][0];
    const wanted = !isEnded && this.holdMusic !== undefined && (size === 1 || isWaiting) && !first?.flags.has('nomoh');
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
    const isOver = (): boolean => isStopped || this.#conference.isEnded;
    void (async () => {
      while (!isOver()) {
        const items = await this.#resolve(file);
        if (isOver() || items.length === 0) {
          this.#conference.context.playlists.release(items);
          return;
        }
        current = this.#room.play({ items, async: true });
        const { outcome, samples } = await current.ended;
        this.#conference.context.playlists.release(items);
        // What is missing or has no length would be asked for again at once.
        if (outcome !== 'done' || samples === 0) return;
      }
    })();
    return () => {
      isStopped = true;
      current?.stop();
    };
  }

  #resolve(file: string): ReturnType<Conference['context']['playlists']['resolve']> {
    return this.#conference.context.playlists.resolve(this.path(file), undefined, new AbortController().signal);
  }

  #onPlayed(file: string, async: boolean, member: ConferenceMember | undefined, { samples }: RoomPlayEnd): void {
    const extra: [string, string][] = [
      ['seconds', String(Math.floor(samples / REPORT_RATE_HZ))],
      ['milliseconds', String(Math.floor((samples * 1000) / REPORT_RATE_HZ))],
      ['samples', String(samples)],
      ['File', file],
    ];
    if (async) extra.push(['Async', 'true']);
    const conference = this.#conference;
    if (!member) conference.emit('play-file-done', extra);
    else if (conference.members.has(member.id)) conference.emitMember(member, 'play-file-member-done', extra);
  }
}
