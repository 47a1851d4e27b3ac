import type { VoipCarrier } from '@ringwire/common';

/**
 * A number as a carrier wants it dialled: tech prefix, then the plus where the carrier wants E.164 with one and the number can
 * be international (does not begin with 0), then the number. With a country code in the carrier's rules numbers are national
 * or international instead: 4930123 is 030123 at home (code 49, prefix 0), 33140 is 0033140 (prefix 00).
 *
 * @param number - with or without a leading plus
 */
export function dialledNumber(number: string, carrier: VoipCarrier): string {
  return `${carrier.techPrefix ?? ''}${formatted(number, carrier)}`;
}

function formatted(number: string, { e164LeadingPlus, outboundRules }: VoipCarrier): string {
  const digits = number.replace(/^\+/, '');
  const { countryCode, nationalPrefix, internationalPrefix } = outboundRules;
  if (countryCode !== null && /^[1-9]\d{6,14}$/.test(digits)) {
    if (digits.startsWith(countryCode)) return `${nationalPrefix}${digits.slice(countryCode.length)}`;
    return `${internationalPrefix || (e164LeadingPlus ? '+' : '')}${digits}`;
  }
  return e164LeadingPlus && /^[1-9]/.test(digits) ? `+${digits}` : digits;
}

/** The number that a carrier means by one in its own format: what {@link dialledNumber} made is undone. */
export function numberOf(dialled: string, { techPrefix, outboundRules }: VoipCarrier): string {
  const number = techPrefix && dialled.startsWith(techPrefix) ? dialled.slice(techPrefix.length) : dialled;
  const { countryCode, nationalPrefix, internationalPrefix } = outboundRules;
  if (countryCode === null || number.startsWith('+')) return number;
  if (internationalPrefix !== '' && number.startsWith(internationalPrefix))
    return number.slice(internationalPrefix.length);
  return nationalPrefix !== '' && number.startsWith(nationalPrefix)
    ? `${countryCode}${number.slice(nationalPrefix.length)}`
    : number;
}
