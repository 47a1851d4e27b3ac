import type { EventSocketChannel } from './event-socket-channel.js';
import type { KeySender } from './keys.js';

/** Keys by FreeSWITCH's command `uuid_send_dtmf`. */
export class FsmrfKeys implements KeySender {
  constructor(private readonly channel: EventSocketChannel) {}

  async send(key: string, durationMs: number): Promise<void> {
    if (!/^[0-9*#A-D]$/i.test(key)) throw new TypeError(`"${key}" is no key`);
    await this.channel.api('uuid_send_dtmf', [this.channel.uuid, `${key}@${Math.round(durationMs)}`]);
  }
}
