import { randomUUID } from 'node:crypto';
import type { Channel } from './channel.js';

/**
 * What the other leg of a bridge hears while a channel is on hold: `temp_hold_music`, else `hold_music`. As in FreeSWITCH who hears music is
 * not heard.
 */
export class HoldMusic {
  readonly #channel: Channel;
  #playing: { hearer: Channel; uuid: string } | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Plays it to that channel, again and again; to undefined: no longer. */
  play(hearer: Channel | undefined): void {
    this.#playing?.hearer.executing.stop(this.#playing.uuid);
    this.#playing?.hearer.leg.withhold(false);
    this.#playing = undefined;
    const music = this.#channel.getVariable('temp_hold_music') ?? this.#channel.getVariable('hold_music') ?? 'silence';
    if (!hearer || hearer.isEnded || /^(silence|indicate_hold)$/i.test(music)) return;
    const uuid = randomUUID();
    this.#playing = { hearer, uuid };
    hearer.leg.withhold(true);
    hearer.execute('playback', this.#channel.expand(music), { uuid, lock: false, loops: -1 });
  }
}
