/** Digits with `*` and `#`, as RFC 8224 §8.3 leaves them; no number is longer than a few dozen. */
const NUMBER = /^[0-9*#]{1,32}$/;
/** Visual separators (RFC 3966 §5.1.1). */
const SEPARATORS = /[-.() ]/g;

/** Brings a number that is written as a carrier writes it into E.164, with or without the plus. */
export type ToE164 = (number: string) => string;

/**
 * A telephone number as PASSporTs compare it (RFC 8224 §8.3): digits with the country code, without plus and separators.
 *
 * @param user - user part of a SIP URI or the number of a tel URI, without parameters
 * @param toE164 - the rules of who wrote it; by default a number without a plus is taken to have its country code
 * @returns null when it is no telephone number
 */
export function canonicalNumber(user: string | null | undefined, toE164?: ToE164): string | null {
  if (!user) return null;
  const digits = (toE164?.(user) ?? user).replace(SEPARATORS, '').replace(/^\+/, '');
  return NUMBER.test(digits) ? digits : null;
}
