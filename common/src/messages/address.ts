import { aorText, parseAor } from '../registrations/binding.js';

/** Separators that people write between digits. */
const SEPARATORS = /[\s().-]/g;
/** Names as senders (3GPP TS 23.040 §9.1.2.5): at most 11 characters of the GSM alphabet; kept to those that every carrier takes. */
const NAME = /^(?=.*[A-Za-z])[A-Za-z0-9 &_.-]{1,11}$/;

/** A number as it is stored, digits without plus (E.164, or a short code of 3 digits and more); undefined when it is none. */
export function readNumber(text: string): string | undefined {
  const digits = text.replace(SEPARATORS, '').replace(/^\+/, '');
  return /^\d{3,15}$/.test(digits) ? digits : undefined;
}

/** A user as a message may be addressed to: `alice@example.com`. */
const USER = /^[\w\-.!~*'()&=+$,;?/%]{1,64}@[a-z0-9.-]{1,190}$/i;

/** Who a message is for: a number, or a user of the account, who is told by `@`. Undefined when it is neither. */
export function readRecipient(text: string): string | undefined {
  const aor = USER.test(text.trim()) ? parseAor(text.trim()) : null;
  return aor ? aorText(aor) : readNumber(text);
}

/** Who a message to a user is from: any name, that of an application also. Undefined when it is none. */
export const readUserPart = (text: string): string | undefined =>
  /^\+?[\w\-.!~*'()&=$,;?/%]{1,64}$/.test(text.trim()) ? text.trim() : undefined;

/** Who a message is from: a number, or a name. Undefined when it is neither. */
export const readSender = (text: string): string | undefined =>
  readNumber(text) ?? (NAME.test(text.trim()) ? text.trim() : undefined);
