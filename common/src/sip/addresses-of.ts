import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { splitUri } from './uri.js';

/** More addresses than this nobody has. */
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
