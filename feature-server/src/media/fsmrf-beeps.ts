import type { Beep, BeepDetector } from './beeps.js';
import type { EventSocketChannel } from './event-socket-channel.js';

const BEEP = 'avmd::beep';

/** Beeps by FreeSWITCH's mod_avmd. */
export class FsmrfBeeps implements BeepDetector {
  constructor(private readonly channel: EventSocketChannel) {}

  async listen(onBeep: (beep: Beep) => void): Promise<() => Promise<void>> {
    const { uuid } = this.channel;
    const forget = this.channel.onCustom(BEEP, (event) => {
      const number = (name: string): number => Number(event.header(name)) || 0;
      onBeep({ frequencyHz: number('Frequency'), variance: number('Frequency-variance') });
    });
    try {
      await this.channel.api('avmd', [uuid, 'start']);
    } catch (error) {
      forget();
      throw error;
    }
    return async () => {
      forget();
      // It may be over with its channel.
      await this.channel.api('avmd', [uuid, 'stop']).catch(() => undefined);
    };
  }
}
