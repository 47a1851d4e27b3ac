import type { InboundRules } from '@ringwire/common';

/** What people and gateways write between digits (RFC 3966 §5.1.1). */
const SEPARATORS = /[-.() ]/g;

/**
 * A number as it is stored everywhere in the platform: E.164 without the plus. Rules are the carrier's, since it is the carrier that
 * decides how it writes numbers: one account may get calls of several, and one carrier brings calls to several accounts. Names, short
 * numbers and what the rules do not know stay as they are.
 */
export function toE164(number: string, rules: InboundRules | undefined): string {
  const { countryCode, nationalPrefix, internationalPrefix, nationalLength } = rules ?? {};
  if (!countryCode) return number;
  const text = number.replace(SEPARATORS, '');
  if (!/^\+?\d{3,18}$/.test(text)) return number;
  if (text.startsWith('+')) return text.slice(1);
  if (internationalPrefix && text.startsWith(internationalPrefix)) return text.slice(internationalPrefix.length);
  const isNational = (digits: string): boolean => !nationalLength || digits.length === nationalLength;
  if (nationalPrefix && text.startsWith(nationalPrefix)) {
    const digits = text.slice(nationalPrefix.length);
    if (isNational(digits)) return `${countryCode}${digits}`;
  }
  return nationalLength && isNational(text) ? `${countryCode}${text}` : text;
}
