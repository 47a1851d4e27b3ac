import { lookup, resolveNaptr, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { splitUri } from './uri.js';

/** More addresses than this nobody has. */
const MAX_ADDRESSES = 32;
/** The services under which a name may have SIP servers (RFC 3263 §4.2, RFC 7118 §5.4). */
const SERVICES = ['_sip._udp', '_sip._tcp', '_sips._tcp', '_sip._ws', '_sips._wss'];

/** The questions to DNS; names' addresses come from the system. */
export interface DnsQueries {
  resolveSrv(name: string): Promise<readonly { name: string }[]>;
  resolveNaptr(name: string): Promise<readonly { service: string; replacement: string }[]>;
}

/** What is behind a SIP URI. */
export interface FoundAddresses {
  addresses: string[];
  /** Whether there are more, which were not looked up. */
  isCut: boolean;
}

/**
 * All addresses to which a request for a SIP URI may be sent: itself, or by NAPTR, SRV (where it names no port), A and AAAA (RFC 3263), over whatever
 * transport. Names that cannot be resolved have none. Never rejects.
 */
export async function findAddresses(
  uri: string,
  dns: DnsQueries = { resolveSrv, resolveNaptr },
): Promise<FoundAddresses> {
  const parts = splitUri(uri);
  if (!parts || parts.host === '') return { addresses: [], isCut: false };
  if (isIP(parts.host)) return { addresses: [parts.host], isCut: false };
  // Names of the hosts file and of container networks have no dot, and no service records.
  const isLookedUp = parts.port === null && parts.host.includes('.');
  const hosts = [...new Set([parts.host, ...(isLookedUp ? await serversOf(parts.host, dns) : [])])];
  const found = await Promise.all(hosts.slice(0, MAX_ADDRESSES).map(hostAddresses));
  const addresses = [...new Set(found.flat())];
  return {
    addresses: addresses.slice(0, MAX_ADDRESSES),
    isCut: hosts.length > MAX_ADDRESSES || addresses.length > MAX_ADDRESSES,
  };
}

/** The addresses behind a SIP URI, see {@link findAddresses}. */
export const addressesOf = async (uri: string): Promise<string[]> => (await findAddresses(uri)).addresses;

/** The hosts that DNS names for SIP to a domain. What stands in NAPTR may be a host as well as a service. */
async function serversOf(domain: string, { resolveSrv, resolveNaptr }: DnsQueries): Promise<string[]> {
  const targetsOf = (name: string): Promise<string[]> =>
    resolveSrv(name).then(
      (records) => records.map((record) => record.name),
      () => [],
    );
  const usual = Promise.all(SERVICES.map((service) => targetsOf(`${service}.${domain}`)));
  const replacements = await resolveNaptr(domain).then(
    (records) => [...new Set(records.filter(isOfSip).map(({ replacement }) => replacement))],
    () => [],
  );
  const named = await Promise.all(replacements.map(targetsOf));
  const hosts = [...replacements, ...named.flat(), ...(await usual).flat()];
  // "." says that there is no such service (RFC 2782); names of services are no hosts.
  return hosts.filter((host) => host !== '' && host !== '.' && !host.startsWith('_'));
}

const isOfSip = ({ service }: { service: string }): boolean => /^sips?\+/i.test(service);

const hostAddresses = (host: string): Promise<string[]> =>
  lookup(host, { all: true }).then(
    (addresses) => addresses.map(({ address }) => address),
    () => [],
  );
