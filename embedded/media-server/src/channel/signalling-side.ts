import type { HangupCause } from './hangup-causes.js';

/** What a channel needs of its SIP side. */
export interface SignallingSide {
  /** Sends 180. */
  ring(): void;
  /** Sends 183 with our SDP and lets media flow; false when that cannot be, as when the peer has not offered anything. */
  preAnswer(): boolean;
  /** Sends 200. */
  answer(): void;
  /** Refuses, or sends BYE, or nothing when the peer has ended the call. */
  end(cause: HangupCause): void;
  /** Sends a digit in an INFO. */
  sendInfoDigit(digit: string, durationMs: number): void;
  /** Sends a text in an INFO; false when there is no dialog to send it in. */
  sendInfo(contentType: string, body: string): boolean;
  /** Sends a NOTIFY with an event of phones, such as `talk`; false when that cannot be. */
  notify(event: string): boolean;
  /** Offers again what we agreed, on hold or not. */
  reoffer(hold: boolean): void;
}
