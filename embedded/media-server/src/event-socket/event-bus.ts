import { hostname } from 'node:os';
import { EslEvent } from './event.js';

/** A receiver of events. */
export interface EventReceiver {
  /** Whether events of that name may interest it: nothing is made of an event that interests nobody. */
  mayWant(name: string): boolean;
  offer(event: EslEvent): void;
  /** The channels, in lower case, whose events alone may interest it; undefined: any. To be told with {@link EventBus.attach} when it changes. */
  readonly channels?: ReadonlySet<string> | undefined;
}

/** Version that clients see; drachtio-fsmrf only shows it. */
export const SERVER_VERSION = '1.10.12-release~64bit';

/**
 * Hands every event to every connected client that may want it. Nearly all clients are drachtio-fsmrf's endpoints, each with a filter on its own
 * channel: these are found by the event's channel, so that an event costs the same however many calls there are.
 */
export class EventBus {
  readonly coreUuid: string;
  readonly #address: string;
  readonly #ofAny = new Set<EventReceiver>();
  readonly #byChannel = new Map<string, Set<EventReceiver>>();
  /** Under which channels a client is filed. */
  readonly #filed = new Map<EventReceiver, ReadonlySet<string>>();
  readonly #hostname = hostname();
  #sequence = 0;

  constructor(coreUuid: string, address: string) {
    this.coreUuid = coreUuid;
    this.#address = address;
  }

  /** Adds a client, or files it anew when its channels have changed. */
  attach(receiver: EventReceiver): void {
    const { channels } = receiver;
    if (channels === undefined ? this.#ofAny.has(receiver) : this.#filed.get(receiver) === channels) return;
    this.detach(receiver);
    if (channels === undefined) {
      this.#ofAny.add(receiver);
      return;
    }
    this.#filed.set(receiver, channels);
    for (const channel of channels) {
      const others = this.#byChannel.get(channel);
      if (others) others.add(receiver);
      else this.#byChannel.set(channel, new Set([receiver]));
    }
  }

  /** Removes a client. */
  detach(receiver: EventReceiver): void {
    this.#ofAny.delete(receiver);
    for (const channel of this.#filed.get(receiver) ?? []) {
      const others = this.#byChannel.get(channel);
      others?.delete(receiver);
      if (others?.size === 0) this.#byChannel.delete(channel);
    }
    this.#filed.delete(receiver);
  }

  /** Whether any client may want events of that name, of that channel where it is known. */
  isWanted(name: string, channel?: string): boolean {
    if (mayWant(this.#ofAny, name)) return true;
    return mayWant(channel === undefined ? this.#filed.keys() : this.#byChannel.get(channel), name);
  }

  /** Sends an event with its own headers after those that every event has; `channel` is its channel where it has one. */
  emit(name: string, headers: Iterable<readonly [string, string]>, body?: string, channel?: string): void {
    if (!this.isWanted(name, channel)) return;
    const event = new EslEvent(name, new Map([...this.commonHeaders(name), ...headers]), body);
    for (const receiver of this.#ofAny) receiver.offer(event);
    const own = channel ?? event.header('Unique-ID')?.toLowerCase();
    if (own !== undefined) for (const receiver of this.#byChannel.get(own) ?? []) receiver.offer(event);
  }

  /** The headers that start every event. */
  commonHeaders(name: string): [string, string][] {
    const now = new Date();
    const timestampUs = Math.round((performance.timeOrigin + performance.now()) * 1000);
    return [
      ['Event-Name', name],
      ['Core-UUID', this.coreUuid],
      ['FreeSWITCH-Hostname', this.#hostname],
      ['FreeSWITCH-Switchname', this.#hostname],
      ['FreeSWITCH-IPv4', this.#address],
      ['FreeSWITCH-IPv6', '::1'],
      ['Event-Date-Local', now.toISOString().slice(0, 19).replace('T', ' ')],
      ['Event-Date-GMT', now.toUTCString()],
      ['Event-Date-Timestamp', String(timestampUs)],
      ['Event-Sequence', String(++this.#sequence)],
    ];
  }
}

function mayWant(receivers: Iterable<EventReceiver> | undefined, name: string): boolean {
  for (const receiver of receivers ?? []) if (receiver.mayWant(name)) return true;
  return false;
}
