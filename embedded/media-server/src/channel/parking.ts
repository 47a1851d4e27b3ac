import type { Channel } from './channel.js';

/** The application in which a channel waits. */
export interface ParkingPlace {
  application: 'socket' | 'park';
  argument: string;
}

function placeHeaders({ application, argument }: ParkingPlace): [string, string][] {
  return [['Application', application], ...(argument ? [['Application-Data', argument] as [string, string]] : [])];
}

/** Whether and where a channel waits for what its client says. */
export class Parking {
  readonly #channel: Channel;
  /** Undefined when it does something else. */
  #place: ParkingPlace | 'state' | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Whether it waits. */
  get isOn(): boolean {
    return this.#place !== undefined;
  }

  /** Waits in an application or, without one, in a state of its own. */
  enter(place?: ParkingPlace): void {
    const channel = this.#channel;
    if (channel.isEnded) return;
    this.leave();
    this.#place = place ?? 'state';
    if (place) {
      channel.lastExecuted = place;
      channel.emit('CHANNEL_EXECUTE', placeHeaders(place));
    } else channel.setState('CS_PARK');
    channel.emit('CHANNEL_PARK');
  }

  /** Waits no more; does nothing when it does not wait. */
  leave(): void {
    const place = this.#place;
    if (!place) return;
    this.#place = undefined;
    this.#channel.emit('CHANNEL_UNPARK');
    if (place === 'state') return;
    this.#channel.emit('CHANNEL_EXECUTE_COMPLETE', [...placeHeaders(place), ['Application-Response', '_none_']]);
  }
}
