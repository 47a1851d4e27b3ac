import type { Channel } from './channel.js';
import { HoldMusic } from './hold-music.js';

/** Whether a channel is on hold, by whom, and what its peer hears meanwhile. */
export class Holding {
  readonly #channel: Channel;
  readonly #music: HoldMusic;
  readonly #listeners = new Set<() => void>();
  #isByUs = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#music = new HoldMusic(channel);
  }

  /** Whether it is on hold, by us or by its peer. */
  get isOn(): boolean {
    return this.#channel.callState === 'HELD';
  }

  /** Whether we hold it: it is not to be heard. */
  get isByUs(): boolean {
    return this.#isByUs;
  }

  /** Calls a listener whenever the channel has come on hold or off it; the returned function removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Holds the peer or takes it back, with a re-INVITE. */
  set(on: boolean): void {
    const channel = this.#channel;
    if (channel.isEnded || on === this.isOn || !channel.isAnswered) return;
    this.#isByUs = on;
    channel.signalling?.reoffer(on);
    this.show(on);
  }

  /** The call is held or not, whoever did it: says so. */
  show(on: boolean): void {
    const channel = this.#channel;
    if (channel.isEnded || on === this.isOn || !channel.isAnswered) return;
    if (on) channel.times.lastHoldMs = Date.now();
    else channel.times.heldMs += Date.now() - channel.times.lastHoldMs;
    this.#music.play(on ? channel.bridgedTo : undefined);
    channel.setCallState(on ? 'HELD' : 'UNHELD');
    channel.emit(on ? 'CHANNEL_HOLD' : 'CHANNEL_UNHOLD');
    if (!on) channel.setCallState('ACTIVE');
    for (const listener of this.#listeners) listener();
  }

  /** What its peer heard because of it ends. */
  endMusic(): void {
    this.#music.play(undefined);
  }
}
