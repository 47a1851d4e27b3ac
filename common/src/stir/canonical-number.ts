/** Digits with `*` and `#`, as RFC 8224 §8.3 leaves them; no number is longer than a few dozen. */
const NUMBER = /^[0-9*#]{1,32}$/;
/** Visual separators (RFC 3966 §5.1.1). */
const SEPARATORS = /[-.() ]/g;

/**
 * A telephone number as PASSporTs compare it (RFC 8224 §8.3): digits with the country code, without plus and separators.
 *
 * A number with a plus has its country code. One without is taken to have it too, since carriers mostly leave only the plus
 * out, unless `countryCode` says how numbers are dialled here: then `00` (or `011` where the code is `1`) goes before
 * international numbers, a single `0` before national ones, and in country code `1` ten digits are a national number.
 *
 * @param user - user part of a SIP URI or the number of a tel URI, without parameters
 * @returns null when it is no telephone number
 */
export function canonicalNumber(user: string | null | undefined, countryCode?: string): string | null {
  if (!user) return null;
  const bare = user.replace(SEPARATORS, '');
  const hasPlus = bare.startsWith('+');
  const digits = hasPlus ? bare.slice(1) : bare;
  if (!NUMBER.test(digits)) return null;
  return hasPlus || countryCode === undefined ? digits : withCountryCode(digits, countryCode);
}

function withCountryCode(digits: string, countryCode: string): string {
  if (countryCode === '1') {
    if (digits.startsWith('011')) return digits.slice(3);
    return digits.length === 10 ? `1${digits}` : digits;
  }
  if (digits.startsWith('00')) return digits.slice(2);
  return digits.startsWith('0') ? `${countryCode}${digits.slice(1)}` : digits;
}
