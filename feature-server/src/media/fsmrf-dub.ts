import { createHash } from 'node:crypto';
import { MediaServerError } from '../errors.js';
import type { DubControl, TrackPlayOptions } from './dub.js';
import type { EventSocketChannel } from './event-socket-channel.js';
import { quotedArgument, urlArgument } from './event-socket-text.js';

/** FreeSWITCH's volumes end here. */
const MAX_GAIN_DB = 50;

/** Tracks by mod_dub's command `uuid_dub`. */
export class FsmrfDub implements DubControl {
  readonly #tracks = new Set<string>();
  #gainDb = 0;

  constructor(private readonly channel: EventSocketChannel) {}

  get isInUse(): boolean {
    return this.#tracks.size > 0 || this.#gainDb !== 0;
  }

  async addTrack(track: string): Promise<void> {
    await this.#tell('addTrack', trackName(track));
    this.#tracks.add(track);
  }

  async removeTrack(track: string): Promise<void> {
    await this.#tell('removeTrack', trackName(track));
    this.#tracks.delete(track);
  }

  silenceTrack(track: string): Promise<void> {
    return this.#tell('silenceTrack', trackName(track));
  }

  playOnTrack(track: string, source: string, { loop = false, gainDb = 0 }: TrackPlayOptions = {}): Promise<void> {
    const isUrl = /^https?:/i.test(source);
    // FreeSWITCH itself ends where mod_dub is given anything else.
    if (!isUrl && !/\.(mp3|r8)$/.test(source))
      throw new MediaServerError(`"${source}" cannot be played on a track: only URLs, .mp3 and .r8 files can`);
    const what = isUrl ? urlArgument(source) : quotedArgument(source);
    return this.#tell('playOnTrack', trackName(track), what, loop ? 'loop' : 'once', wholeDecibels(gainDb));
  }

  async setGain(gainDb: number): Promise<void> {
    await this.#tell('setGain', wholeDecibels(gainDb));
    this.#gainDb = gainDb;
  }

  async #tell(...words: string[]): Promise<void> {
    await this.channel.api('uuid_dub', [this.channel.uuid, ...words]);
  }
}

/** A track's name in one harmless word; others than words are known by their hash. */
function trackName(name: string): string {
  return /^[\w.-]{1,64}$/.test(name) ? name : `track-${createHash('sha1').update(name).digest('hex')}`;
}

/** mod_dub reads whole numbers only. */
function wholeDecibels(gainDb: number): string {
  return String(Math.max(-MAX_GAIN_DB, Math.min(MAX_GAIN_DB, Math.round(gainDb))));
}
