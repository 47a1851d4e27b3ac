import { type DestinationAction, type DestinationRule, Destinations, type DestinationVerdict } from './destinations.js';

/** Who has said what an account may call; each can only narrow what those before allow. */
export type PolicyAuthor = 'operator' | 'service_provider' | 'account';

/** Whose word a layer is; `built_in` stands in for an operator and a service provider who have none. */
export type PolicySource = PolicyAuthor | 'built_in';

/** How often an account may call out and send text messages; null: as often as it likes. */
export interface FraudLimits {
  callsPerMinute: number | null;
  callsPerHour: number | null;
  messagesPerMinute: number | null;
  messagesPerHour: number | null;
  /** Different prefixes, of those that are expensive, within an hour. */
  expensivePrefixesPerHour: number | null;
  /** Price of a minute, in millionths of the rate deck's currency, from which a prefix is expensive; null: those of high risk are. */
  expensiveRateMicros: number | null;
  /** How long an account may not call out that goes beyond one of these. */
  blockMinutes: number;
}

/** Time of a block about which nobody said anything. */
export const DEFAULT_BLOCK_MINUTES = 60;

/** What is said of an account, whoever says it. */
export interface FraudPolicyWords {
  defaultAction: DestinationAction;
  /** What becomes of satellite and premium numbers that no line allows by name. */
  highRiskAction: DestinationAction;
  destinations: readonly DestinationRule[];
  limits: FraudLimits;
}

/** One author's word about one owner. */
export interface FraudPolicyRow extends FraudPolicyWords {
  /** Sid of an account or a service provider; `platform` for all. */
  ownerSid: string;
  setBy: PolicyAuthor;
}

/** Something that counts for an account. */
export interface FraudPolicyLayer extends FraudPolicyWords {
  ownerSid: string;
  setBy: PolicySource;
}

/** The owner of the policy for all who have no other. */
export const PLATFORM = 'platform';

/**
 * What counts while neither the operator nor the service provider has said anything: everything may be called but what is of high risk, and who calls
 * into many ranges that traffic pumping favours is blocked.
 */
export const BUILT_IN_POLICY: FraudPolicyLayer = {
  ownerSid: PLATFORM,
  setBy: 'built_in',
  defaultAction: 'allow',
  highRiskAction: 'deny',
  destinations: [],
  limits: {
    callsPerMinute: null,
    callsPerHour: null,
    messagesPerMinute: null,
    messagesPerHour: null,
    expensivePrefixesPerHour: 10,
    expensiveRateMicros: null,
    blockMinutes: DEFAULT_BLOCK_MINUTES,
  },
};

/** The list of a layer, ready to judge. */
const compile = ({ destinations, defaultAction, highRiskAction }: FraudPolicyWords): Destinations =>
  new Destinations(destinations, defaultAction, highRiskAction);

const least = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.min(...known);
};

/** What an account may call and how often: all words that count for it together. */
export class FraudPolicy {
  readonly limits: FraudLimits;
  readonly #lists: readonly { source: PolicySource; destinations: Destinations }[];

  /** @param layers - at least one; in the order in which they are asked */
  constructor(layers: readonly FraudPolicyLayer[], listOf: (layer: FraudPolicyLayer) => Destinations = compile) {
    this.#lists = layers.map((layer) => ({ source: layer.setBy, destinations: listOf(layer) }));
    const all = layers.map(({ limits }) => limits);
    this.limits = {
      callsPerMinute: least(all.map((limits) => limits.callsPerMinute)),
      callsPerHour: least(all.map((limits) => limits.callsPerHour)),
      messagesPerMinute: least(all.map((limits) => limits.messagesPerMinute)),
      messagesPerHour: least(all.map((limits) => limits.messagesPerHour)),
      expensivePrefixesPerHour: least(all.map((limits) => limits.expensivePrefixesPerHour)),
      expensiveRateMicros: least(all.map((limits) => limits.expensiveRateMicros)),
      blockMinutes: Math.max(...all.map(({ blockMinutes }) => blockMinutes)),
    };
  }

  /** Whether anything is counted, so that there may be a block. */
  get hasLimits(): boolean {
    const { callsPerMinute, callsPerHour, messagesPerMinute, messagesPerHour, expensivePrefixesPerHour } = this.limits;
    return [callsPerMinute, callsPerHour, messagesPerMinute, messagesPerHour, expensivePrefixesPerHour].some(
      (limit) => limit !== null,
    );
  }

  /** Whether everybody allows a number. */
  verdict(number: string): DestinationVerdict {
    for (const { source, destinations } of this.#lists) {
      const verdict = destinations.verdict(number);
      if (verdict.allowed) continue;
      const whose = source === 'built_in' ? 'built-in list' : `list of the ${source.replace('_', ' ')}`;
      return { allowed: false, why: `${verdict.why} (${whose})` };
    }
    return { allowed: true };
  }
}

/** All policies of the platform; what counts for an account is put together when it is first asked for. */
export class FraudPolicies {
  readonly #rows: ReadonlyMap<string, FraudPolicyRow>;
  readonly #compiled = new Map<string, FraudPolicy>();
  /** Lists are shared by all accounts for which they count. */
  readonly #lists = new Map<FraudPolicyLayer, Destinations>();

  constructor(rows: readonly FraudPolicyRow[]) {
    this.#rows = new Map(rows.map((row) => [`${row.setBy}:${row.ownerSid}`, row]));
  }

  /**
   * The words that count for an account: the operator's about its service provider, else about all; its service provider's about it, else about
   * all its accounts; its own. While the first two have none, the built-in one stands in for them: whoever has an account's key cannot take it away.
   */
  layersOf(accountSid: string, serviceProviderSid: string): FraudPolicyLayer[] {
    const find = (setBy: PolicyAuthor, ...owners: string[]): FraudPolicyRow[] => {
      const rows = owners.map((owner) => this.#rows.get(`${setBy}:${owner}`));
      return rows.filter((row) => row !== undefined).slice(0, 1);
    };
    const above = [
      ...find('operator', serviceProviderSid, PLATFORM),
      ...find('service_provider', accountSid, serviceProviderSid),
    ];
    return [...(above.length === 0 ? [BUILT_IN_POLICY] : above), ...find('account', accountSid)];
  }

  /** What an account may call. */
  of(accountSid: string, serviceProviderSid: string): FraudPolicy {
    const key = `${accountSid}:${serviceProviderSid}`;
    let policy = this.#compiled.get(key);
    if (policy === undefined) {
      policy = new FraudPolicy(this.layersOf(accountSid, serviceProviderSid), (layer) => this.#listOf(layer));
      this.#compiled.set(key, policy);
    }
    return policy;
  }

  #listOf(layer: FraudPolicyLayer): Destinations {
    let list = this.#lists.get(layer);
    if (list === undefined) {
      list = compile(layer);
      this.#lists.set(layer, list);
    }
    return list;
  }
}
