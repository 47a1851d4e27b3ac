import type { Playlists } from '../files/playlists.js';
import type { LegAttachment } from '../media/media-leg.js';
import type { PlayItem } from '../media/protocol.js';
import type { Channel } from './channel.js';

const MAX_TRACKS = 4;
const MAX_NAME_LENGTH = 64;
/** Plays that wait or run on one track. */
const MAX_PLAYS = 16;
/** dB at which FreeSWITCH stops; its negative is silence. */
const MAX_GAIN_DB = 50;

interface Track {
  /** Its number on the media thread. */
  slot: number;
  /** What runs or waits. */
  plays: Set<number>;
  /** When everything asked for so far has been told to the media thread. */
  told: Promise<void>;
}

const DUBBINGS = new WeakMap<Channel, Dubbing>();

/** Tracks of a channel: sound that its peer hears beside whatever else it hears. What cannot be done is answered with the reason. */
export class Dubbing {
  readonly #channel: Channel;
  readonly #playlists: Playlists;
  readonly #tracks = new Map<string, Track>();
  #attachment: LegAttachment<'dub'> | undefined;
  /** What the media thread has been told to play and has not ended. */
  readonly #told = new Map<number, PlayItem>();
  #nextPlay = 1;

  private constructor(channel: Channel, playlists: Playlists) {
    this.#channel = channel;
    this.#playlists = playlists;
  }

  /** That of a channel; it is made when first asked for and goes with the channel. */
  static of(channel: Channel, playlists: Playlists): Dubbing {
    const known = DUBBINGS.get(channel);
    if (known) return known;
    const dubbing = new Dubbing(channel, playlists);
    DUBBINGS.set(channel, dubbing);
    return dubbing;
  }

  /** Makes a track. */
  add(name: string): string | undefined {
    if (name.length > MAX_NAME_LENGTH) return `a track's name has at most ${MAX_NAME_LENGTH} characters`;
    if (this.#tracks.has(name)) return 'there is such a track';
    if (this.#tracks.size >= MAX_TRACKS) return `a channel has at most ${MAX_TRACKS} tracks`;
    const used = new Set([...this.#tracks.values()].map(({ slot }) => slot));
    let slot = 0;
    while (used.has(slot)) slot++;
    this.#tracks.set(name, { slot, plays: new Set(), told: Promise.resolve() });
    return undefined;
  }

  /** Ends a track and what is played on it. */
  remove(name: string): string | undefined {
    const problem = this.silence(name);
    this.#tracks.delete(name);
    return problem;
  }

  /** Ends what is played on a track or waits there. */
  silence(name: string): string | undefined {
    const track = this.#tracks.get(name);
    if (!track) return 'no such track';
    this.#media.tell({ type: 'silence', track: track.slot });
    track.plays.clear();
    track.told = Promise.resolve();
    return undefined;
  }

  /** Plays something on a track, after what was asked for before; that it cannot be had is told by an event only, for which mod_dub has none. */
  play(name: string, address: string, loop: boolean, gainDb: number): string | undefined {
    const track = this.#tracks.get(name);
    if (!track) return 'no such track';
    if (track.plays.size >= MAX_PLAYS) return `a track has at most ${MAX_PLAYS} plays`;
    const play = this.#nextPlay++;
    track.plays.add(play);
    const resolved = this.#playlists.resolveOne(address);
    track.told = Promise.all([resolved, track.told]).then(([item]) => {
      if (this.#channel.isEnded || !track.plays.has(play)) {
        this.#playlists.release([item]);
        return;
      }
      this.#told.set(play, item);
      this.#media.tell({ type: 'play', track: track.slot, play, item, loop, gain: factorOf(gainDb) });
    });
    return undefined;
  }

  /** Makes everything but the tracks louder or softer. */
  setGain(gainDb: number): void {
    this.#media.tell({ type: 'gain', gain: factorOf(gainDb) });
  }

  /** Its part on the media thread, from the first thing on that there is to do. */
  get #media(): LegAttachment<'dub'> {
    if (this.#attachment) return this.#attachment;
    this.#attachment = this.#channel.leg.attach({ kind: 'dub', tracks: MAX_TRACKS }, (event) => {
      if (event.type === 'dubProblem') this.#playlists.onProblem(this.#channel.uuid, event.problem, 'track');
      else this.#forget(event.play);
    });
    void this.#attachment.ended.then(() => {
      for (const play of [...this.#told.keys()]) this.#forget(play);
    });
    return this.#attachment;
  }

  #forget(play: number): void {
    for (const { plays } of this.#tracks.values()) plays.delete(play);
    const item = this.#told.get(play);
    if (item) this.#playlists.release([item]);
    this.#told.delete(play);
  }
}

function factorOf(gainDb: number): number {
  const bounded = Math.min(MAX_GAIN_DB, gainDb);
  return bounded > -MAX_GAIN_DB ? 10 ** (bounded / 20) : 0;
}
