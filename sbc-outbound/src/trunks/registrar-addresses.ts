import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { VoipCarrier } from '@ringwire/common';
import { splitUri } from '@ringwire/common/sip/uri.js';

/** More addresses than this no registrar has. */
const MAX_ADDRESSES = 32;

/**
 * The addresses behind a SIP URI: itself, or by SRV (where it names no port), A and AAAA (RFC 3263). Names that cannot be resolved have none.
 * Never rejects.
 */
export async function addressesOf(uri: string): Promise<string[]> {
  const parts = splitUri(uri);
  if (!parts || parts.host === '') return [];
  if (isIP(parts.host)) return [parts.host];
  const transport = /;transport=(\w+)/i.exec(uri)?.[1]?.toLowerCase();
  const isTls = parts.scheme === 'sips' || transport === 'tls';
  const service = isTls ? '_sips._tcp' : transport === 'tcp' ? '_sip._tcp' : '_sip._udp';
  const targets = parts.port === null ? await targetsOf(`${service}.${parts.host}`) : [];
  const hosts = targets.length > 0 ? targets : [parts.host];
  const found = await Promise.all(hosts.slice(0, MAX_ADDRESSES).map(hostAddresses));
  return [...new Set(found.flat())].slice(0, MAX_ADDRESSES);
}

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

const targetsOf = (name: string): Promise<string[]> =>
  resolveSrv(name).then(
    (records) => records.map((record) => record.name),
    () => [],
  );

const hostAddresses = (host: string): Promise<string[]> =>
  lookup(host, { all: true }).then(
    (addresses) => addresses.map(({ address }) => address),
    () => [],
  );
