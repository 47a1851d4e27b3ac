/** How a device talked to us when it registered. */
export type FlowTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** A user of a realm: the address of record (RFC 3261 §6) without its scheme. */
export interface AddressOfRecord {
  /** As it was written: upper and lower case differ. */
  user: string;
  /** Lower case. */
  realm: string;
}

/** Where a device of a user can be reached, until when Redis says. */
export interface Binding {
  /** Contact URI, without angle brackets: the Request-URI of what goes there. */
  contact: string;
  /** Preference, 0 to 1. */
  q: number;
  /** Proxies on the way, the one next to us first: name-addrs for Route (RFC 3327). */
  path: readonly string[];
  transport: FlowTransport;
  /** Where the REGISTER came from, without brackets: behind NAT the device can be reached there only. */
  address: string;
  port: number;
  /** `ip:port` of the edge's SIP server that the device talks to: no other one gets through its NAT, or has its connection. */
  edge: string;
  userAgent: string;
  /** When the REGISTER came (ms since the epoch). */
  registeredAt: number;
  /** What the registration hook said; users with a password of ours have this in their row. */
  allowDirectAppCalling: boolean;
  allowDirectQueueCalling: boolean;
  allowDirectUserCalling: boolean;
  callHook?: string;
  callStatusHook?: string;
}

/** How a device talks to an edge: over TCP, TLS and WebSocket that is one connection. */
export type Flow = Pick<Binding, 'edge' | 'transport' | 'address' | 'port'>;

/** The connection or address over which a device is reached; null where proxies know the way (RFC 3327). */
export const flowOf = ({ path, edge, transport, address, port }: Binding): Flow | null =>
  path.length > 0 ? null : { edge, transport, address, port };

/** Whether both are one connection. */
export const isSameFlow = (one: Flow, other: Flow): boolean =>
  one.edge === other.edge &&
  one.transport === other.transport &&
  one.address === other.address &&
  one.port === other.port;

/** A binding as it is kept. */
export interface KeptBinding {
  /** Of the device where it says who it is (`+sip.instance`, RFC 5626), else the contact's URI. */
  id: string;
  binding: Binding;
  /** Ms since the epoch, by the clock of Redis. */
  expiresAt: number;
}

/**
 * Bindings by device: a device that keeps several connections (RFC 5626 §4.2) has a binding for each, and wants a request over one of them. Those of a device come
 * newest first; the devices are in the order of the bindings.
 */
export function byDevice(bindings: readonly KeptBinding[]): [KeptBinding, ...KeptBinding[]][] {
  const devices = new Map<string, [KeptBinding, ...KeptBinding[]]>();
  for (const kept of bindings) {
    const device = /^<[^<>]+>(?=;\d+$)/.exec(kept.id)?.[0] ?? kept.id;
    const flows = devices.get(device);
    if (flows) flows.push(kept);
    else devices.set(device, [kept]);
  }
  for (const flows of devices.values()) flows.sort((a, b) => b.binding.registeredAt - a.binding.registeredAt);
  return [...devices.values()];
}

/** `alice@example.com`. */
export const aorText = ({ user, realm }: AddressOfRecord): string => `${user}@${realm}`;

/** Reads `alice@example.com`; null when it is none. */
export function parseAor(text: string): AddressOfRecord | null {
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1 || text.length > 255) return null;
  return { user: text.slice(0, at), realm: text.slice(at + 1).toLowerCase() };
}

/** URI of the next hop to a device: where it was heard, whatever its Contact says. */
export function flowUri({ transport, address, port }: Pick<Binding, 'transport' | 'address' | 'port'>): string {
  return `sip:${address.includes(':') ? `[${address}]` : address}:${port};transport=${transport}`;
}
