import { hostname } from 'node:os';
import { EslEvent } from './event.js';

/** A receiver of events. */
export interface EventReceiver {
  /** Whether events of that name may interest it: nothing is made of an event that interests nobody. */
  mayWant(name: string): boolean;
  offer(event: EslEvent): void;
}

/** Version that clients see; drachtio-fsmrf only shows it. */
export const SERVER_VERSION = '1.10.12-release~64bit';

/** Hands every event to every connected client. */
export class EventBus {
  readonly coreUuid: string;
  readonly #address: string;
  readonly #receivers = new Set<EventReceiver>();
  readonly #hostname = hostname();
  #sequence = 0;

  constructor(coreUuid: string, address: string) {
    this.coreUuid = coreUuid;
    this.#address = address;
  }

  /** Adds a client. */
  attach(receiver: EventReceiver): void {
    this.#receivers.add(receiver);
  }

  /** Removes a client. */
  detach(receiver: EventReceiver): void {
    this.#receivers.delete(receiver);
  }

  /** Whether any client may want events of that name. */
  isWanted(name: string): boolean {
    for (const receiver of this.#receivers) if (receiver.mayWant(name)) return true;
    return false;
  }

  /** Sends an event with its own headers after those that every event has. */
  emit(name: string, headers: Iterable<readonly [string, string]>, body?: string): void {
    if (!this.isWanted(name)) return;
    const event = new EslEvent(name, new Map([...this.commonHeaders(name), ...headers]), body);
    for (const receiver of this.#receivers) receiver.offer(event);
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
