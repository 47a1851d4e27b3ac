import { isIP } from 'node:net';
import { nowMs, type SipGateway, type VoipCarrier } from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { hiddenHop, privateHop } from '@ringwire/common/sip/private-hop.js';
import { splitUri } from '@ringwire/common/sip/uri.js';
import { gatewayUri, proxyOf } from './gateway-uri.js';

/** For so long what was found out of a name counts for all calls. */
const KEEP_MS = 5_000;
const MAX_KEPT = 10_000;

/** Whether it is the SIP server of a feature server: that takes calls from edges, as they have admitted them. */
export function isCore({ featureServers }: Pick<Edge, 'featureServers'>, uri: string): boolean {
  const hop = splitUri(uri);
  const address = hop && `${hop.host.includes(':') ? `[${hop.host}]` : hop.host}:${hop.port ?? 5060}`;
  return featureServers.list().some(({ sipAddress }) => sipAddress === address);
}

/**
 * Keeps the gateways of accounts' own carriers out of the operator's network also when their names say something else than when they were given.
 * Literal addresses were judged then, for good: a private one was given by the operator or the service provider.
 */
export class CarrierHops {
  /** By URI, the oldest first. */
  readonly #judged = new Map<string, { why: Promise<string | null>; untilMs: number }>();

  constructor(
    private readonly edge: Pick<Edge, 'featureServers'>,
    private readonly addresses: AddressGuard,
  ) {}

  /** Why nothing may be sent to a gateway, for people; null when it may, which is known at once where no name is looked up. */
  refusal(carrier: VoipCarrier, gateway: SipGateway): Promise<string | null> | string | null {
    if (carrier.accountSid === null) return null;
    // null: what cannot be read is not sent to.
    const uri = proxyOf(carrier, gateway) ?? gatewayUri(null, carrier, gateway);
    if (isCore(this.edge, uri)) return 'it is a SIP server of our own';
    if (this.addresses.allowsAll) return null;
    if (isIP(splitUri(uri)?.host ?? '')) return hiddenHop(uri);
    return this.#judge(uri);
  }

  #judge(uri: string): Promise<string | null> {
    const now = nowMs();
    for (const [known, { untilMs }] of this.#judged) {
      if (untilMs > now && this.#judged.size < MAX_KEPT) break;
      this.#judged.delete(known);
    }
    const known = this.#judged.get(uri);
    if (known) return known.why;
    const why = privateHop(uri, this.addresses);
    this.#judged.set(uri, { why, untilMs: now + KEEP_MS });
    return why;
  }
}
