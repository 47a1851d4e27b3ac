import type { Channel } from '../channel/channel.js';
import type { ServerCounters } from '../counters.js';
import { Fork, type ForkOptions } from './fork.js';

const PUMP_EVERY_MS = 20;

/** All audio forks, by channel and name. One timer moves the audio of all. */
export class ChannelForks {
  readonly #byChannel = new Map<Channel, Map<string, Fork>>();
  #timer: NodeJS.Timeout | undefined;

  /** Starts a fork; false when the channel has one of that name, or is over. */
  start(channel: Channel, options: ForkOptions, counters: ServerCounters): boolean {
    if (channel.isEnded) return false;
    let forks = this.#byChannel.get(channel);
    if (forks?.has(options.bugname)) return false;
    if (!forks) {
      forks = new Map();
      this.#byChannel.set(channel, forks);
      channel.onEnd(() => this.#stopAll(channel));
    }
    forks.set(options.bugname, new Fork(channel, options, counters));
    this.#timer ??= setInterval(() => this.#pump(), PUMP_EVERY_MS);
    return true;
  }

  /** A fork that was started and not stopped. */
  get(channel: Channel, bugname: string): Fork | undefined {
    return this.#byChannel.get(channel)?.get(bugname);
  }

  /** Ends a fork; false when there is none of that name. */
  stop(channel: Channel, bugname: string, lastText?: string): boolean {
    const fork = this.get(channel, bugname);
    if (!fork) return false;
    this.#byChannel.get(channel)!.delete(bugname);
    fork.stop(lastText);
    return true;
  }

  #stopAll(channel: Channel): void {
    const forks = this.#byChannel.get(channel);
    this.#byChannel.delete(channel);
    for (const fork of forks?.values() ?? []) fork.stop();
    if (this.#byChannel.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #pump(): void {
    for (const forks of this.#byChannel.values()) for (const fork of forks.values()) fork.pump();
  }
}
