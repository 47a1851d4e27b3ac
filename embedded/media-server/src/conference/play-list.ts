import type { RoomPlay } from '../media/media-room.js';

/** Lists that may wait or play at once for one room or one member. */
const MAX_PLAYS = 100;

interface Entry {
  play: RoomPlay;
  async: boolean;
  paused: boolean;
}

/** Which playbacks to stop. */
export type StopWhich = 'current' | 'all' | 'async';

/** What plays to a room or a member now, as its commands address it. */
export class PlayList {
  readonly #entries: Entry[] = [];

  /** Whether no more may be asked for. */
  get isFull(): boolean {
    return this.#entries.length >= MAX_PLAYS;
  }

  /** Adds one; it leaves by itself when it has ended. */
  add(play: RoomPlay, async: boolean): void {
    const entry = { play, async, paused: false };
    this.#entries.push(entry);
    void play.ended.then(() => this.#entries.splice(this.#entries.indexOf(entry), 1));
  }

  /** Stops some and returns how many. */
  stop(which: StopWhich): number {
    const queued = this.#entries.filter(({ async }) => !async);
    const beside = this.#entries.filter(({ async }) => async);
    const stopped = which === 'current' ? queued.slice(0, 1) : which === 'async' ? beside : this.#entries;
    for (const { play } of [...stopped].reverse()) play.stop();
    return stopped.length;
  }

  /** Halts what plays, or lets it go on; undefined when nothing plays. */
  togglePause(): 'paused' | 'resumed' | undefined {
    const entry = this.#entries.find(({ async }) => !async);
    if (!entry) return undefined;
    entry.paused = !entry.paused;
    entry.play.pause(entry.paused);
    return entry.paused ? 'paused' : 'resumed';
  }

  /** Changes the volume of what plays, or of what plays beside it; false when nothing does. */
  setGain(gain: number, async: boolean): boolean {
    const entry = this.#entries.find((candidate) => candidate.async === async);
    entry?.play.setGain(gain);
    return entry !== undefined;
  }
}
