import type { Channel } from './channel.js';

/** The live channels, by uuid. */
export class ChannelRegistry {
  readonly #channels = new Map<string, Channel>();
  readonly #onRemoved: (uuid: string) => void;

  /** `onRemoved` is called with each channel that has gone. */
  constructor(onRemoved: (uuid: string) => void = () => undefined) {
    this.#onRemoved = onRemoved;
  }

  /** Adds a channel. */
  add(channel: Channel): void {
    this.#channels.set(channel.uuid, channel);
  }

  /** Removes a channel. */
  remove(channel: Channel): void {
    this.#channels.delete(channel.uuid);
    this.#onRemoved(channel.uuid);
  }

  /** The channel of that uuid, if it lives. */
  get(uuid: string): Channel | undefined {
    return this.#channels.get(uuid);
  }

  /** All live channels. */
  all(): Channel[] {
    return [...this.#channels.values()];
  }

  /** Number of live channels. */
  get size(): number {
    return this.#channels.size;
  }
}
