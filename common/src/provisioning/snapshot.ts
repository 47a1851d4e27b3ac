import { FraudPolicies } from '../fraud/policy.js';
import { type CompiledLcr, compileLcrs } from '../routing/lcr.js';
import { IpNetworkTable, parseIp } from '../sip/ip-address.js';
import type { StirCredential } from '../stir/signer.js';
import { compileNumberPattern, isNumberPattern, type NumberPattern } from './number-pattern.js';
import type {
  Account,
  Application,
  Client,
  HttpMessageGateway,
  LimitScope,
  PhoneNumber,
  ProvisioningRows,
  RateDeck,
  ServiceProvider,
  SipGateway,
  SmppGateway,
  TeamsTenant,
  VoipCarrier,
  Webhook,
} from './rows.js';

/** A gateway together with the carrier that it belongs to. */
export interface CarrierGateway {
  gateway: SipGateway;
  carrier: VoipCarrier;
}

/** A row that could not be used, and why; `column` names the culprit. */
export interface SkippedRow {
  table: string;
  sid: string;
  column: string;
  reason: string;
}

const groupBy = <T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
};
const indexBy = <T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T> =>
  new Map(items.map((item) => [keyOf(item), item]));
const stripPlus = (number: string): string => (number.startsWith('+') ? number.slice(1) : number);

/**
 * All provisioning data as it was at one moment, indexed for the call path: no lookup costs more than microseconds, except
 * patterns, which are tried one after the other. Immutable.
 */
export class ProvisioningSnapshot {
  readonly serviceProvidersBySid: ReadonlyMap<string, ServiceProvider>;
  readonly accountsBySid: ReadonlyMap<string, Account>;
  readonly accountsByRealm: ReadonlyMap<string, Account>;
  readonly applicationsBySid: ReadonlyMap<string, Application>;
  readonly carriersBySid: ReadonlyMap<string, VoipCarrier>;
  readonly gatewaysByCarrierSid: ReadonlyMap<string, SipGateway[]>;
  readonly smppGatewaysByCarrierSid: ReadonlyMap<string, SmppGateway[]>;
  readonly httpMessageGatewaysByCarrierSid: ReadonlyMap<string, HttpMessageGateway>;
  readonly #carriersByOwner: ReadonlyMap<string, VoipCarrier[]>;
  readonly numbersByNumber: ReadonlyMap<string, PhoneNumber[]>;
  /** Longest first. */
  readonly numberPatterns: readonly NumberPattern[];
  readonly rateDecks: readonly RateDeck[];
  /** By domain. */
  readonly teamsTenants: readonly TeamsTenant[];
  readonly #teamsByFqdn: ReadonlyMap<string, TeamsTenant>;
  readonly #teamsByAccount: ReadonlyMap<string, TeamsTenant[]>;
  readonly #lcrByOwner: ReadonlyMap<string, CompiledLcr>;
  readonly #stirByOwner: ReadonlyMap<string, StirCredential>;
  /** Rows that could not be used. */
  readonly skipped: readonly SkippedRow[];
  readonly #inbound: IpNetworkTable<CarrierGateway>;
  readonly #authTrunks: ReadonlyMap<string, VoipCarrier[]>;
  /** Accounts and service providers with carriers that authenticate. */
  readonly #authTrunkOwners: ReadonlySet<string>;
  /** Whether any carrier's calls may come from where we are registered. */
  readonly hasRegistrationTrunks: boolean;
  readonly #callLimits: ReadonlyMap<string, number>;
  /** What accounts may call, and how often. */
  readonly fraudPolicies: FraudPolicies;
  /** Active ones, by account and username. */
  readonly #clients: ReadonlyMap<string, ReadonlyMap<string, Client>>;
  readonly #deviceLimits: ReadonlyMap<string, number>;

  constructor(
    rows: ProvisioningRows,
    skipped: readonly SkippedRow[],
    /** When the rows were read (ms since the epoch). */
    readonly loadedAt: number,
  ) {
    this.serviceProvidersBySid = indexBy(rows.serviceProviders, (row) => row.serviceProviderSid);
    this.accountsBySid = indexBy(rows.accounts, (row) => row.accountSid);
    this.accountsByRealm = indexBy(
      rows.accounts.filter((row) => row.sipRealm !== null),
      (row) => row.sipRealm ?? '',
    );
    this.applicationsBySid = indexBy(rows.applications, (row) => row.applicationSid);
    this.carriersBySid = indexBy(rows.voipCarriers, (row) => row.voipCarrierSid);
    this.#carriersByOwner = groupBy(rows.voipCarriers, (row) => row.accountSid ?? sharedBy(row.serviceProviderSid));
    this.gatewaysByCarrierSid = groupBy(rows.sipGateways, (row) => row.voipCarrierSid);
    this.smppGatewaysByCarrierSid = groupBy(rows.smppGateways ?? [], (row) => row.voipCarrierSid);
    this.httpMessageGatewaysByCarrierSid = indexBy(
      (rows.httpMessageGateways ?? []).filter((row) => row.isActive),
      (row) => row.voipCarrierSid,
    );
    const numbers = rows.phoneNumbers.map((row) => ({ ...row, number: stripPlus(row.number) }));
    this.numbersByNumber = groupBy(
      numbers.filter((row) => !isNumberPattern(row.number)),
      (row) => row.number,
    );
    const problems = [...skipped];
    this.numberPatterns = numbers
      .filter((row) => isNumberPattern(row.number))
      .sort((a, b) => b.number.length - a.number.length || a.number.localeCompare(b.number))
      .flatMap((row) => {
        const compiled = compileNumberPattern(row);
        if (compiled.ok) return [compiled.pattern];
        problems.push({ table: 'phone_numbers', sid: row.phoneNumberSid, column: 'number', reason: compiled.reason });
        return [];
      });
    this.rateDecks = rows.rateDecks ?? [];
    const tenants = [...(rows.teamsTenants ?? [])];
    this.teamsTenants = tenants.sort((a, b) => a.tenantFqdn.localeCompare(b.tenantFqdn));
    this.#teamsByFqdn = indexBy(this.teamsTenants, (row) => row.tenantFqdn);
    this.#teamsByAccount = groupBy(this.teamsTenants, (row) => row.accountSid);
    this.#stirByOwner = indexBy(
      (rows.stirCredentials ?? []).filter((row) => row.isActive),
      (row) => row.accountSid ?? row.serviceProviderSid ?? '',
    );
    this.#lcrByOwner = compileLcrs(rows, problems);
    this.skipped = problems;
    this.#callLimits = new Map(
      (rows.callLimits ?? []).map(({ scope, sid, quantity }) => [`${scope}:${sid}`, quantity]),
    );
    this.fraudPolicies = new FraudPolicies(rows.fraudPolicies ?? []);
    const clients = groupBy(
      (rows.clients ?? []).filter((row) => row.isActive),
      (row) => row.accountSid,
    );
    this.#clients = new Map([...clients].map(([sid, list]) => [sid, indexBy(list, (row) => row.username)]));
    this.#deviceLimits = new Map((rows.deviceLimits ?? []).map((row) => [row.accountSid, row.quantity]));
    this.#inbound = this.#indexGateways(rows.sipGateways);
    const active = rows.voipCarriers.filter((row) => row.isActive);
    const authTrunks = active.filter(
      (row) => row.trunkType === 'auth' && row.inboundAuthUsername && row.inboundAuthPassword,
    );
    this.#authTrunks = groupBy(authTrunks, (row) => row.inboundAuthUsername ?? '');
    this.#authTrunkOwners = new Set(authTrunks.map((row) => row.accountSid ?? row.serviceProviderSid ?? ''));
    this.hasRegistrationTrunks = active.some((row) => row.trunkType === 'reg' || row.requiresRegister);
  }

  #indexGateways(gateways: readonly SipGateway[]): IpNetworkTable<CarrierGateway> {
    const usable = gateways.flatMap((gateway): CarrierGateway[] => {
      const carrier = this.carriersBySid.get(gateway.voipCarrierSid);
      const isInbound = gateway.inbound && gateway.isActive;
      return isInbound && carrier?.isActive ? [{ gateway, carrier }] : [];
    });
    // Account-level carriers come before those that a service provider shares.
    usable.sort((a, b) => Number(a.carrier.accountSid === null) - Number(b.carrier.accountSid === null));
    return new IpNetworkTable(
      usable.flatMap((value) => {
        const address = parseIp(value.gateway.address);
        return address ? [{ address, bits: value.gateway.netmask, value }] : [];
      }),
    );
  }

  /**
   * Active inbound gateways of active carriers that contain an IP address: the most specific network first, within one network
   * account-level carriers first. Empty for anything that is not an IP address.
   */
  findInboundGateways(ip: string): CarrierGateway[] {
    const address = parseIp(ip);
    return address ? this.#inbound.find(address) : [];
  }

  /** Active carriers that authenticate their calls with this username. */
  findAuthTrunks(username: string): readonly VoipCarrier[] {
    return this.#authTrunks.get(username) ?? [];
  }

  /** Whether carriers that authenticate bring calls to an account: its own ones, or those that its service provider shares. */
  hasAuthTrunks({ accountSid, serviceProviderSid }: Account): boolean {
    return this.#authTrunkOwners.has(accountSid) || this.#authTrunkOwners.has(serviceProviderSid);
  }

  /** The carriers of an account itself. */
  carriersOf(accountSid: string): readonly VoipCarrier[] {
    return this.#carriersByOwner.get(accountSid) ?? [];
  }

  /** The carriers that a service provider shares among its accounts. */
  sharedCarriersOf(serviceProviderSid: string): readonly VoipCarrier[] {
    return this.#carriersByOwner.get(sharedBy(serviceProviderSid)) ?? [];
  }

  /** Entries for exactly this number (a leading `+` does not matter), all carriers or only the given ones. */
  findNumbers(dialled: string, carrierSids?: ReadonlySet<string>): PhoneNumber[] {
    const entries = this.numbersByNumber.get(stripPlus(dialled)) ?? [];
    return carrierSids === undefined ? [...entries] : entries.filter((row) => belongs(row, carrierSids));
  }

  /**
   * Whether an account may show a number as its own to a carrier. Anybody can put any number on a carrier of his own, so a carrier that a service
   * provider shares is shown those only that the provider has given: on a shared carrier, or on none. What its own carriers are shown is up to
   * the account. Not by pattern: `*` is no number that the account was given.
   *
   * @param over - who is to believe it; null: everybody, as an attestation asks it
   */
  isOwnNumber(number: string, accountSid: string, over: VoipCarrier | null): boolean {
    const isUpToAccount = over !== null && over.accountSid === accountSid;
    return this.findNumbers(number).some(
      (row) => row.accountSid === accountSid && (isUpToAccount || this.#isGiven(row.voipCarrierSid)),
    );
  }

  /** Numbers of shared carriers are given by the service provider only; those without a carrier no account's key can make. */
  #isGiven(voipCarrierSid: string | null): boolean {
    return voipCarrierSid === null || this.carriersBySid.get(voipCarrierSid)?.accountSid === null;
  }

  /** The entry of the longest pattern that matches, all carriers or only the given ones. */
  findNumberPattern(dialled: string, carrierSids?: ReadonlySet<string>): PhoneNumber | undefined {
    const digits = stripPlus(dialled);
    return this.numberPatterns.find(
      ({ phoneNumber, matches }) => (carrierSids === undefined || belongs(phoneNumber, carrierSids)) && matches(digits),
    )?.phoneNumber;
  }

  /** The active LCR of an account, else of its service provider. */
  findLcr(accountSid: string, serviceProviderSid: string): CompiledLcr | undefined {
    return this.#lcrByOwner.get(accountSid) ?? this.#lcrByOwner.get(serviceProviderSid);
  }

  /**
   * How many calls at once are allowed in each direction; null where no limit is provisioned. A row whose quantity cannot be used (a negative
   * one, by hand in SQL) is left out and named in the log, so that it limits nothing: a slip must not end an account's calls.
   */
  callLimit(scope: LimitScope, sid: string): number | null {
    return this.#callLimits.get(`${scope}:${sid}`) ?? null;
  }

  /** What signs the calls of an account: its own credential, else its service provider's; undefined: they are not signed. */
  findStirCredential(accountSid: string, serviceProviderSid: string): StirCredential | undefined {
    return this.#stirByOwner.get(accountSid) ?? this.#stirByOwner.get(serviceProviderSid);
  }

  /** An active user of an account, by the exact name. */
  findClient(accountSid: string, username: string): Client | undefined {
    return this.#clients.get(accountSid)?.get(username);
  }

  /** What asks whether a user of an account is who he says, instead of the account's own users: its hook, else its service provider's. */
  registrationHookOf(account: Account): Webhook | null {
    return (
      account.registrationHook ?? this.serviceProvidersBySid.get(account.serviceProviderSid)?.registrationHook ?? null
    );
  }

  /** Whether anybody can be a user of the account: it has active users, or a registration hook. */
  hasUsers(account: Account): boolean {
    return this.#clients.has(account.accountSid) || this.registrationHookOf(account) !== null;
  }

  /**
   * How many users of an account may be registered at the same time: so many for each call that it may have, and more by a limit of its own; null
   * where neither is provisioned.
   */
  deviceLimit(account: Account): number | null {
    const calls = this.callLimit('account', account.accountSid);
    const more = this.#deviceLimits.get(account.accountSid);
    if (calls === null && more === undefined) return null;
    return (calls ?? 0) * (account.deviceToCallRatio ?? DEVICE_TO_CALL_RATIO) + (more ?? 0);
  }

  /** The Teams tenant with this domain. */
  teamsTenantByFqdn(fqdn: string): TeamsTenant | undefined {
    return this.#teamsByFqdn.get(fqdn.toLowerCase());
  }

  /** The Teams tenants of an account, by domain. */
  teamsTenantsOf(accountSid: string): readonly TeamsTenant[] {
    return this.#teamsByAccount.get(accountSid) ?? [];
  }

  /** The account that owns a SIP realm. */
  findAccountByRealm(realm: string): Account | undefined {
    return this.accountsByRealm.get(realm.toLowerCase());
  }
}

/** jambonz's default of `device_to_call_ratio`. */
const DEVICE_TO_CALL_RATIO = 5;

/** Sids of accounts and service providers stand in one map. */
const sharedBy = (serviceProviderSid: string | null): string => `shared by ${serviceProviderSid}`;
const belongs = (row: PhoneNumber, carrierSids: ReadonlySet<string>): boolean =>
  row.voipCarrierSid !== null && carrierSids.has(row.voipCarrierSid);
