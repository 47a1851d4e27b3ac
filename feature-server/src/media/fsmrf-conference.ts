import { MediaServerError, PlaybackNotFoundError } from '../errors.js';
import type { ConferenceControl, ConferenceSeat, SeatListeners, SeatOptions } from './conference.js';
import { within } from './deadline.js';
import type { ChannelEvent, EventSocketChannel } from './event-socket-channel.js';
import { type Digit, KEY_MS, type PlayResult } from './media.js';

const EVENTS = 'conference::maintenance';
/** A room that takes nobody in, or lets nobody out, within this time is given up. */
const DEADLINE_MS = 5_000;
/** A stop that came before the playback had begun does nothing; it is sent again until the playback ends. */
const STOP_REPEAT_MS = 200;
/** Others that one `relate` names; FreeSWITCH looks at a hundred. */
const MAX_RELATED = 50;
/** What would not stay one argument of the command, or be expanded by a real FreeSWITCH. */
const NO_ARGUMENT = /[\s'"\\]|\$\{/;

/** Rooms by FreeSWITCH's application and command `conference`. */
export class FsmrfConference implements ConferenceControl {
  #seat: Seat | undefined;

  /** @param deadlineMs - of joining, and of leaving */
  constructor(
    private readonly channel: EventSocketChannel,
    private readonly deadlineMs = DEADLINE_MS,
  ) {}

  async join(options: SeatOptions, listeners: Partial<SeatListeners> = {}): Promise<ConferenceSeat> {
    const { channel, deadlineMs } = this;
    const { room, isMuted, isDeaf, isModerator, sharesKeys } = options;
    if (!/^[\w-]+$/.test(room)) throw new TypeError(`a room may not be called "${room}"`);
    await channel.set({ hangup_after_conference: 'false', conference_controls: 'none' });
    const flags = [
      'nomoh',
      ...(isMuted ? ['mute'] : []),
      ...(isDeaf ? ['deaf'] : []),
      ...(isModerator ? ['moderator'] : []),
      ...(sharesKeys ? ['dist-dtmf'] : []),
    ];
    const seat = new Seat(channel, room, {
      onTalking: (isTalking) => listeners.onTalking?.(isTalking),
      onKey: (digit) => sharesKeys && listeners.onKey?.(digit),
      onLeft: () => {
        if (this.#seat === seat) this.#seat = undefined;
      },
      deadlineMs,
    });
    try {
      await seat.take(flags);
    } catch (error) {
      seat.abandon();
      throw error;
    }
    this.#seat = seat;
    if (seat.isLeft) this.#seat = undefined;
    return seat;
  }

  play(sources: readonly string[], signal: AbortSignal): Promise<PlayResult> | undefined {
    return this.#seat?.play(sources, signal);
  }

  passKey(digit: Digit): void {
    this.#seat?.options.onKey(digit);
  }
}

interface SeatParts extends SeatListeners {
  onLeft(): void;
  deadlineMs: number;
}

class Seat implements ConferenceSeat {
  memberId = 0;
  isLeft = false;
  readonly left: Promise<void>;
  #tellLeft: () => void = () => {};
  readonly #unlisten: () => void;
  #onAdded: () => void = () => {};
  /** Files that play, by name: one after the other. */
  #onPlayed: (event: ChannelEvent) => void = () => {};
  #onRoomPlayed: (event: ChannelEvent) => void = () => {};

  constructor(
    private readonly channel: EventSocketChannel,
    private readonly room: string,
    readonly options: SeatParts,
  ) {
    this.left = new Promise((resolve) => {
      this.#tellLeft = resolve;
    });
    this.#unlisten = channel.onCustom(EVENTS, (event) => {
      if (event.header('Conference-Name') === room) this.#heard(event);
    });
  }

  async take(flags: readonly string[]): Promise<void> {
    const added = new Promise<void>((resolve) => {
      this.#onAdded = resolve;
    });
    const ended = this.channel.execute('conference', `${this.room}@default+flags{${flags.join('|')}}`);
    // Over when it is no member any more: also where the event of that is lost, and where it never was one.
    ended.then(
      () => this.vacate(),
      () => this.vacate(),
    );
    const refused = this.left.then(() => {
      throw new MediaServerError('the media server let nobody into the room', { room: this.room });
    });
    const late = (): Error => new MediaServerError('the media server did not open the room in time');
    await within(this.options.deadlineMs, Promise.race([added, refused]), late);
  }

  /** Nobody waits for it any more: where it is let in after all it is shown out, for its call goes on without it. */
  abandon(): void {
    this.#onAdded = () => void this.#tell('hup', String(this.memberId));
  }

  #heard(event: ChannelEvent): void {
    const action = event.header('Action');
    if (action === 'add-member') {
      this.memberId = Number(event.header('Member-ID'));
      this.#onAdded();
    } else if (Number(event.header('Member-ID')) !== this.memberId) return;
    else if (action === 'start-talking' || action === 'stop-talking')
      this.options.onTalking(action === 'start-talking');
    else if (action === 'play-file-member-done') this.#onPlayed(event);
    else if (action === 'del-member') this.vacate();
  }

  vacate(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.#unlisten();
    this.options.onLeft();
    this.#tellLeft();
  }

  setMuted(isMuted: boolean): Promise<void> {
    return this.#tell(isMuted ? 'mute' : 'unmute', String(this.memberId), 'quiet');
  }

  setDeaf(isDeaf: boolean): Promise<void> {
    return this.#tell(isDeaf ? 'deaf' : 'undeaf', String(this.memberId), 'quiet');
  }

  async setHeardBy(memberIds: readonly number[], isHeard: boolean): Promise<void> {
    for (let i = 0; i < memberIds.length; i += MAX_RELATED) {
      const others = memberIds.slice(i, i + MAX_RELATED).join(',');
      await this.#tell('relate', String(this.memberId), others, isHeard ? 'clear' : 'nospeak');
    }
  }

  playToAll(source: string): Promise<void> {
    if (NO_ARGUMENT.test(source)) throw new TypeError(`"${source}" cannot be played in a room`);
    return this.#tell('play', source);
  }

  async record(path: string): Promise<void> {
    if (NO_ARGUMENT.test(path)) throw new MediaServerError(`"${path}" is no path of a recording`);
    await this.channel.api('conference', [this.room, 'recording', 'start', path]);
  }

  async playInRoom(sources: readonly string[], signal: AbortSignal): Promise<void> {
    const unlisten = this.channel.onCustomWith(EVENTS, ['Action', 'play-file-done'], (event) => {
      if (event.header('Conference-Name') === this.room) this.#onRoomPlayed(event);
    });
    try {
      for (const source of sources) {
        if (signal.aborted || this.isLeft) return;
        await this.#playOne(source, signal, 'room');
      }
    } finally {
      unlisten();
    }
  }

  async leave(): Promise<void> {
    if (this.isLeft) return;
    await this.#tell('hup', String(this.memberId));
    // Its end may be lost on the way here; nobody waits for that for ever.
    await within(this.options.deadlineMs, this.left, () => new Error('no word of its end')).catch(() => this.vacate());
  }

  async sendKey({ key, durationMs = KEY_MS }: Digit): Promise<void> {
    if (this.isLeft || !/^[0-9*#A-D]$/i.test(key)) return;
    try {
      await this.channel.api('uuid_send_dtmf', [this.channel.uuid, `${key}@${Math.round(durationMs)}`]);
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
    }
  }

  async play(sources: readonly string[], signal: AbortSignal): Promise<PlayResult> {
    let result: PlayResult = {};
    for (const source of sources) {
      if (signal.aborted || this.isLeft) break;
      result = await this.#playOne(source, signal, 'member');
    }
    return result;
  }

  async #playOne(source: string, signal: AbortSignal, to: 'member' | 'room'): Promise<PlayResult> {
    if (NO_ARGUMENT.test(source)) throw new PlaybackNotFoundError(`"${source}" cannot be played in a room`);
    const { channel, room } = this;
    const member = to === 'member' ? [String(this.memberId)] : [];
    let repeat: NodeJS.Timeout | undefined;
    const stop = (): void => {
      const tell = (): void => void this.#tell('stop', 'all', ...member);
      tell();
      repeat = setInterval(tell, STOP_REPEAT_MS);
    };
    try {
      const done = new Promise<ChannelEvent | undefined>((resolve) => {
        if (to === 'member') this.#onPlayed = resolve;
        // The tones of those who come and go end, too.
        else this.#onRoomPlayed = (event) => event.header('File') === source && resolve(event);
        void this.left.then(() => resolve(undefined));
      });
      const answer = await channel.api('conference', [room, 'play', source, ...member]);
      if (/not found/i.test(answer)) throw new PlaybackNotFoundError(`media server cannot play ${source}`);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      const event = await done;
      const seconds = event?.header('seconds');
      const milliseconds = event?.header('milliseconds');
      return {
        ...(seconds !== undefined && { playbackSeconds: seconds }),
        ...(milliseconds !== undefined && { playbackMilliseconds: milliseconds }),
      };
    } catch (error) {
      // Who was just shown out hears nothing more; that is no failure of the call.
      if (this.isLeft && error instanceof MediaServerError) return {};
      throw error;
    } finally {
      if (to === 'member') this.#onPlayed = () => {};
      else this.#onRoomPlayed = () => {};
      signal.removeEventListener('abort', stop);
      clearInterval(repeat);
    }
  }

  async #tell(...words: string[]): Promise<void> {
    if (this.isLeft) return;
    try {
      await this.channel.api('conference', [this.room, ...words]);
    } catch (error) {
      // Members leave, and rooms end, at any time.
      if (!(error instanceof MediaServerError)) throw error;
    }
  }
}
