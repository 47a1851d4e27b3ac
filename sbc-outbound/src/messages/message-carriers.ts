import type {
  HttpMessageGateway,
  Logger,
  Metrics,
  OutboundMessage,
  ProvisioningSnapshot,
  SmppGateway,
  SmppLogin,
  VoipCarrier,
} from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import type { Receive } from './receiver.js';
import { type MessageLink, SmppLink, type SmppTimings } from './smpp-link.js';

/** A carrier that takes messages. */
export interface MessageCarrier {
  carrier: VoipCarrier;
  /** Where it is reached over HTTP; null: over SMPP. */
  http: HttpMessageGateway | null;
}

/** What {@link MessageCarriers} needs. */
export interface MessageCarriersOptions {
  snapshot: () => ProvisioningSnapshot;
  receive: Receive;
  logger: Logger;
  metrics: Metrics;
  timings?: Partial<SmppTimings>;
  /** Authorities (PEM) of gateways with TLS, instead of those that Node brings. */
  ca?: readonly string[];
  /** Where the gateways of accounts' own carriers may be; those of a service provider may be in the operator's network. */
  guard: AddressGuard;
  /** Connections of a carrier's clients that are bound to our SMPP server. */
  clientsOf?: (carrierSid: string) => readonly MessageLink[];
}

interface Link {
  /** Everything that it was made with. */
  settings: string;
  carrierSid: string;
  isPrimary: boolean;
  canSend: boolean;
  link: SmppLink;
}

/** A link that ought to be. */
interface Wanted {
  gateway: SmppGateway;
  login: SmppLogin;
  /** Whether its carrier is an account's own. */
  isAccounts: boolean;
  settings: string;
}

/** The carriers with messaging, with a link to each of their SMPP gateways. */
export class MessageCarriers {
  readonly #options: MessageCarriersOptions;
  /** By gateway sid. */
  readonly #links = new Map<string, Link>();
  /** Links that were replaced and still wait for answers; each ends by itself. */
  readonly #leaving = new Set<SmppLink>();

  constructor(options: MessageCarriersOptions) {
    this.#options = options;
    options.metrics.number({
      name: 'ringwire_smpp_links_bound',
      help: 'SMPP gateways that are bound',
      read: () => [...this.#links.values()].filter(({ link }) => link.isBound).length,
    });
    this.sync();
  }

  /** Provisioning as it is now. */
  snapshot(): ProvisioningSnapshot {
    return this.#options.snapshot();
  }

  /** Opens, closes and replaces links so that they are those of the newest snapshot. */
  sync(): void {
    const wanted = new Map(this.#wanted().map((entry) => [entry.gateway.smppGatewaySid, entry]));
    for (const [sid, { link, settings }] of this.#links) {
      if (wanted.get(sid)?.settings === settings) continue;
      this.#links.delete(sid);
      this.#leaving.add(link);
      link.retire();
    }
    for (const [sid, entry] of wanted) {
      if (!this.#links.has(sid)) this.#links.set(sid, this.#open(entry));
    }
  }

  /**
   * The carriers that a message may go over, in the order in which they are tried: its number's own carrier, those of the account, those
   * that the service provider shares. Only one where the message names it.
   */
  carriersFor(message: OutboundMessage): MessageCarrier[] {
    const snapshot = this.#options.snapshot();
    const { accountSid, serviceProviderSid, carrier: named, from } = message;
    const shared = serviceProviderSid === null ? [] : snapshot.sharedCarriersOf(serviceProviderSid);
    const all = [...snapshot.carriersOf(accountSid), ...shared].flatMap((carrier) => this.#asMessageCarrier(carrier));
    if (named !== null) {
      const found = all.find(({ carrier }) => carrier.voipCarrierSid === named || carrier.name === named);
      return found === undefined ? [] : [found];
    }
    const own = snapshot.findNumbers(from).find((row) => row.accountSid === accountSid)?.voipCarrierSid;
    return all.sort((a, b) => Number(b.carrier.voipCarrierSid === own) - Number(a.carrier.voipCarrierSid === own));
  }

  /** Whether a carrier lets this sender through: where its rules say so, only numbers of the account. */
  allowsSender({ carrier }: MessageCarrier, { accountSid, from }: OutboundMessage): boolean {
    if (carrier.outboundRules.callerIdPolicy === 'pass') return true;
    return this.#options.snapshot().isOwnNumber(from, accountSid, carrier);
  }

  /** Whether a message's account may send; one that is not known any more may finish what it began. */
  isAccountActive({ accountSid }: OutboundMessage): boolean {
    return this.#options.snapshot().accountsBySid.get(accountSid)?.isActive !== false;
  }

  /**
   * The link over which a carrier is best reached: bound, primary before others, the emptiest; else any, which tells why not. Clients of the carrier that
   * are bound to us count as primary.
   */
  linkOf(carrierSid: string): MessageLink | undefined {
    const links: { link: MessageLink; isPrimary: boolean }[] = [...this.#links.values()].filter(
      (entry) => entry.carrierSid === carrierSid && entry.canSend,
    );
    const gateways = this.#options.snapshot().smppGatewaysByCarrierSid.get(carrierSid) ?? [];
    if (gateways.some(({ outbound }) => outbound)) {
      for (const link of this.#options.clientsOf?.(carrierSid) ?? []) links.push({ link, isPrimary: true });
    }
    links.sort(
      (a, b) =>
        Number(b.link.isBound) - Number(a.link.isBound) ||
        Number(b.isPrimary) - Number(a.isPrimary) ||
        a.link.load - b.link.load,
    );
    return links[0]?.link;
  }

  /** Ends all links. */
  close(): void {
    for (const link of [...this.#leaving, ...[...this.#links.values()].map((entry) => entry.link)]) link.close();
    this.#links.clear();
  }

  #asMessageCarrier(carrier: VoipCarrier): MessageCarrier[] {
    if (!carrier.isActive) return [];
    const snapshot = this.#options.snapshot();
    const http = snapshot.httpMessageGatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? null;
    if (http !== null) return [{ carrier, http }];
    const gateways = snapshot.smppGatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
    return gateways.some((gateway) => gateway.outbound) ? [{ carrier, http: null }] : [];
  }

  #wanted(): Wanted[] {
    const snapshot = this.#options.snapshot();
    return [...snapshot.carriersBySid.values()].flatMap((carrier) => {
      const login = carrier.smpp;
      if (!carrier.isActive || !login) return [];
      const gateways = snapshot.smppGatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
      return gateways
        .filter(({ inbound, outbound }) => inbound || outbound)
        .map((gateway) => ({
          gateway,
          login,
          isAccounts: carrier.accountSid !== null,
          settings: JSON.stringify([gateway, login, carrier.accountSid]),
        }));
    });
  }

  #open({ gateway, login, isAccounts, settings }: Wanted): Link {
    const { logger, receive, timings, ca, guard } = this.#options;
    const link: SmppLink = new SmppLink({
      gateway,
      login,
      logger,
      ...(timings && { timings }),
      ...(ca && { ca }),
      ...(isAccounts && { guard }),
      onDeliver: async (pdu) => (await receive({ ...gateway, name: gateway.smppGatewaySid }, pdu, null)).answer,
      onEnd: () => this.#leaving.delete(link),
    });
    const { voipCarrierSid: carrierSid, isPrimary, outbound: canSend } = gateway;
    return { settings, carrierSid, isPrimary, canSend, link };
  }
}
