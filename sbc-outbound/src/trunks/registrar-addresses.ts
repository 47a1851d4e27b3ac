import type { VoipCarrier } from '@ringwire/common';

/**
 * The addresses from which a carrier may call because we are registered: that which has let us in, and, for carriers that a service provider shares,
 * the others of the registrar. An account can make a name point anywhere, also at the carrier of another.
 *
 * @param answered - the address that answered; null when it is not known
 * @param known - all addresses behind the registrar
 */
export function openTo(
  carrier: Pick<VoipCarrier, 'accountSid'>,
  answered: string | null,
  known: readonly string[],
): string[] {
  return [...new Set([...(answered === null ? [] : [answered]), ...(carrier.accountSid === null ? known : [])])];
}
