import type { Side } from '../media/protocol.js';
import { MAX_DIGITS_DIALED } from './call-record.js';
import type { Channel } from './channel.js';
import { digitDurationMs, parseDialString } from './dial-string.js';
import { DigitQueue, type ReceivedDigit } from './digit-queue.js';

/** Only what is sent has FreeSWITCH's bound of 99. */
const MAX_RECEIVED_DIAL_STRING = 1000;

/** The keys of a channel, both ways: what was pressed and nobody has taken, and what we press. */
export class ChannelDigits extends DigitQueue {
  /**
   * `start_dtmf_generate`: digits become tones. `read`: those that the peer presses, in what is heard of it; `write`: those that come over a bridge, and
   * dial strings with `~` in front.
   */
  generates: Side | undefined;
  /** Those that have left the queue so far, as many as FreeSWITCH remembers. */
  taken = '';
  readonly #channel: Channel;

  constructor(channel: Channel) {
    super({ isBusy: () => channel.executing.isBusy, onTaken: (digit) => this.#announce(digit) });
    this.#channel = channel;
  }

  /** A key was pressed: it waits until someone takes it. */
  receive(digit: string, durationMs: number, headers: [string, string][] = [], source = 'RTP'): void {
    if (this.#channel.isEnded) return;
    if (this.generates === 'read' && source !== 'INBAND_AUDIO' && source !== 'APP') {
      this.#generate(digit, digitDurationMs(durationMs), 'read');
      return;
    }
    this.push({ digit, durationMs, source, headers });
  }

  /** The digits of a dial string, as if they had been pressed; false when there is none in it. */
  receiveDialString(dialString: string): boolean {
    const parts = parseDialString(dialString, MAX_RECEIVED_DIAL_STRING);
    for (const { digits, durationMs } of parts) {
      for (const digit of digits) this.receive(digit, durationMs, [], 'APP');
    }
    return parts.length > 0;
  }

  /** Sends a dial string such as `12@200+3w4`, the way the channel variable `dtmf_type` says; false when there is no digit in it. */
  send(dialString: string, lengthMs?: number): boolean {
    const { leg, signalling } = this.#channel;
    const parts = parseDialString(dialString);
    const type = this.#channel.getVariable('dtmf_type');
    const generates = this.generates === 'write' && (lengthMs !== undefined || dialString.startsWith('~'));
    for (const part of parts) {
      const durationMs = lengthMs ?? part.durationMs;
      if (generates) this.#generate(part.digits, durationMs, 'write');
      else if (type !== 'info') leg.sendDtmf(part.digits, durationMs, type === 'inband');
      else for (const digit of part.digits) if (!/[wf]/i.test(digit)) signalling?.sendInfoDigit(digit, durationMs);
    }
    return parts.length > 0;
  }

  #generate(digits: string, durationMs: number, side: Side): void {
    this.#channel.leg.sendDtmf(digits, durationMs, true, side);
    for (const digit of digits) {
      if (/w/i.test(digit)) continue;
      this.#channel.emit('DTMF', [
        ['DTMF-Digit', digit],
        ['DTMF-Duration', String(durationMs * 8)],
        ['DTMF-Source', 'APP'],
        ['DTMF-Conversion', 'native:inband'],
      ]);
    }
  }

  /** Fires the event of a digit that was taken, and passes it over a bridge. */
  #announce({ digit, durationMs, source, headers }: ReceivedDigit): void {
    if (this.taken.length < MAX_DIGITS_DIALED) this.taken += digit;
    // FreeSWITCH counts at 8 kHz, whatever the codec.
    const duration = String(digitDurationMs(durationMs) * 8);
    this.#channel.emit('DTMF', [
      ['DTMF-Digit', digit],
      ['DTMF-Duration', duration],
      ['DTMF-Source', source],
      ...headers,
    ]);
    this.#channel.bridgedTo?.digits.send(digit, digitDurationMs(durationMs));
  }
}
