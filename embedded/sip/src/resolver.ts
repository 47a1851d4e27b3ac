import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Endpoint, isInvalidName, type TransportName } from './transport.js';

/** Where names are looked up. */
export interface ResolverOptions {
  /** DNS servers, `address` or `address:port`. @defaultValue those of the system, and its hosts file for addresses */
  servers?: string[];
  /** How long one query may take; it is asked twice. @defaultValue 2000 */
  timeoutMs?: number;
  /** How long NAPTR, SRV and addresses together may take, whoever is asked; then there is no address. @defaultValue 8000 */
  deadlineMs?: number;
}

interface Service {
  transport: TransportName;
  /** The name under which SRV records stand. */
  srv: string;
}

/** NAPTR services (RFC 3263 §4.1, RFC 7118 §5.4) and the SRV names of the transports (§4.2). */
const NAPTR_TRANSPORTS: Record<string, TransportName> = {
  'SIP+D2U': 'udp',
  'SIP+D2T': 'tcp',
  'SIPS+D2T': 'tls',
  'SIP+D2W': 'ws',
  'SIPS+D2W': 'wss',
};
const SRV_PREFIXES: Record<TransportName, string> = {
  udp: '_sip._udp.',
  tcp: '_sip._tcp.',
  tls: '_sips._tcp.',
  ws: '_sip._ws.',
  wss: '_sips._wss.',
};
/** What is tried when DNS says nothing of transports; the first is what a URI means by itself. */
const PLAIN: readonly TransportName[] = ['udp', 'tcp', 'tls'];
const SECURE: readonly TransportName[] = ['tls'];

/** Answers are kept so long: a burst of calls to one carrier asks once. */
const KEEP_MS = 30_000;
/** That there is nothing is kept for a while too, so that calls to a name that is gone do not become as many questions. */
const KEEP_NOTHING_MS = 5000;
const DEADLINE_MS = 8000;
const MAX_KEPT = 1000;
/** More addresses than these are not tried: each may take 64*T1. */
const MAX_TARGETS = 8;

/** Finds the addresses of a next hop (RFC 3263 §4) in the order in which they are to be tried. */
export class SipResolver {
  private readonly dns: Resolver;
  private readonly kept = new Map<string, { targets: Promise<Endpoint[]>; untilMs: number }>();

  /** @param speaks whether we can send over a transport in an address family */
  constructor(
    private readonly options: ResolverOptions,
    private readonly speaks: (transport: TransportName, family: 4 | 6) => boolean,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.dns = new Resolver({ timeout: options.timeoutMs ?? 2000, tries: 2 });
    if (options.servers) this.dns.setServers(options.servers);
  }

  /** Whether an endpoint has to be looked up. */
  static isName(to: Endpoint): boolean {
    return to.connectionId === undefined && to.host !== '' && isIP(to.host) === 0 && !isInvalidName(to.host);
  }

  /** The addresses of a name; none when there are none. Does not reject. */
  async targets(to: Endpoint): Promise<Endpoint[]> {
    const key = `${to.transport} ${to.host.toLowerCase()} ${to.port} ${to.open?.transport} ${to.open?.port}`;
    const nowMs = this.nowMs();
    const known = this.kept.get(key);
    if (known && known.untilMs > nowMs) return await known.targets;
    const targets = this.inTime(this.find(to));
    this.kept.delete(key);
    this.kept.set(key, { targets, untilMs: nowMs + KEEP_MS });
    if (this.kept.size > MAX_KEPT) this.kept.delete(this.kept.keys().next().value!);
    const found = await targets;
    // What was not found may come into being, or the network back.
    const entry = this.kept.get(key);
    if (found.length === 0 && entry?.targets === targets) entry.untilMs = this.nowMs() + KEEP_NOTHING_MS;
    return found;
  }

  /** What takes longer is as good as nothing: the caller waits. */
  private async inTime(search: Promise<Endpoint[]>): Promise<Endpoint[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Endpoint[]>((resolve) => {
      timer = setTimeout(() => resolve([]), this.options.deadlineMs ?? DEADLINE_MS);
    });
    try {
      return await Promise.race([search, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends queries that are under way. */
  close(): void {
    this.dns.cancel();
  }

  private async find(to: Endpoint): Promise<Endpoint[]> {
    // Names of the hosts file and of container networks have no dot, and no service records.
    const hosts = (to.open?.port && to.host.includes('.') ? await this.locate(to) : undefined) ?? [to];
    const targets: Endpoint[] = [];
    for (const { transport, host, port } of hosts) {
      // RFC 5922 §4: the certificate proves the domain that was asked for, not the host that DNS named.
      const serverName = transport === 'tls' || transport === 'wss' ? { serverName: to.host } : {};
      const open = to.open ? { open: { ...to.open, port: false } } : {};
      for (const address of await this.addresses(host, transport)) {
        targets.push({ transport, host: address, port, ...serverName, ...open });
      }
      if (targets.length >= MAX_TARGETS) break;
    }
    return targets.slice(0, MAX_TARGETS);
  }

  /** Hosts by NAPTR and SRV; none where DNS says that there is no such service, undefined when there are no records. */
  private async locate(to: Endpoint): Promise<Endpoint[] | undefined> {
    const services = await this.services(to);
    const found = await Promise.all(
      services.map(async ({ transport, srv }) => {
        const servers = await this.servers(srv);
        return servers?.map(({ name, port }) => ({ transport, host: name, port }));
      }),
    );
    const told = found.filter((servers) => servers !== undefined);
    return told.length > 0 ? told.flat() : undefined;
  }

  private async services(to: Endpoint): Promise<Service[]> {
    const { host, transport, open } = to;
    const of = (one: TransportName): Service => ({ transport: one, srv: `${SRV_PREFIXES[one]}${host}` });
    if (!open?.transport) return [of(transport)];
    const usable = (one: TransportName): boolean => this.canSpeak(one) && (transport !== 'tls' || SECURE.includes(one));
    const records = await orNone(this.dns.resolveNaptr(host));
    const services = records
      .filter(({ flags }) => flags.toLowerCase() === 's')
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .flatMap(({ service, replacement }) => {
        const named = NAPTR_TRANSPORTS[service.toUpperCase()];
        return named && usable(named) ? [{ transport: named, srv: replacement }] : [];
      });
    return services.length > 0 ? services : (transport === 'tls' ? SECURE : PLAIN).filter(usable).map(of);
  }

  private async servers(name: string): Promise<Array<{ name: string; port: number }> | undefined> {
    const records = await orNone(this.dns.resolveSrv(name));
    if (records.length === 0) return undefined;
    // RFC 2782: a lone target of "." says that there is no such service.
    return orderByWeight(records.filter((record) => record.name !== '' && record.name !== '.'));
  }

  private async addresses(host: string, transport: TransportName): Promise<string[]> {
    if (isIP(host) !== 0) return [host];
    const families = ([4, 6] as const).filter((family) => this.speaks(transport, family));
    if (!this.options.servers) {
      const all = await orNone(lookup(host, { all: true }));
      return all.flatMap(({ address, family }) => (families.some((one) => one === family) ? [address] : []));
    }
    const found = await Promise.all(
      families.map((family) => orNone(family === 4 ? this.dns.resolve4(host) : this.dns.resolve6(host))),
    );
    return found.flat();
  }

  private canSpeak(transport: TransportName): boolean {
    return this.speaks(transport, 4) || this.speaks(transport, 6);
  }
}

/** RFC 2782: by priority; among equals at random, in proportion to the weights. */
export function orderByWeight<T extends { priority: number; weight: number }>(
  records: readonly T[],
  random: () => number = Math.random,
): T[] {
  const ordered: T[] = [];
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  while (left.length > 0) {
    const equals = left.filter(({ priority }) => priority === left[0]!.priority);
    let point = random() * equals.reduce((sum, { weight }) => sum + weight, 0);
    const picked = equals.find(({ weight }) => {
      point -= weight;
      return point < 0;
    });
    // All weights are 0: the first one.
    const next = picked ?? equals[0]!;
    ordered.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return ordered;
}

/** The records; none where there are none or no server answers: the next step of RFC 3263 follows in both cases. */
async function orNone<T>(query: Promise<T[]>): Promise<T[]> {
  try {
    return await query;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}
