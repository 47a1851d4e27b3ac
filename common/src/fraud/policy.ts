import { type DestinationRule, Destinations, type DestinationVerdict } from './destinations.js';

/** Who has said what an account may call; each can only narrow what those before allow. */
export type PolicyAuthor = 'operator' | 'service_provider' | 'account';

/** How often an account may call out; null: as often as it likes. */
export interface FraudLimits {
  callsPerMinute: number | null;
  callsPerHour: number | null;
  /** Different prefixes, of those that are expensive, within an hour. */
  expensivePrefixesPerHour: number | null;
  /** Price of a minute, in millionths of the rate deck's currency, from which a prefix is expensive; null: those of high risk are. */
  expensiveRateMicros: number | null;
  /** How long an account may not call out that goes beyond one of these. */
  blockMinutes: number;
}

/** Time of a block about which nobody said anything. */
export const DEFAULT_BLOCK_MINUTES = 60;

/** One author's word about one owner. */
export interface FraudPolicyRow {
  /** Sid of an account or a service provider; `platform` for all. */
  ownerSid: string;
  setBy: PolicyAuthor;
  defaultAction: 'allow' | 'deny';
  destinations: readonly DestinationRule[];
  limits: FraudLimits;
}

/** The owner of the policy for all who have no other. */
export const PLATFORM = 'platform';

const least = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.min(...known);
};

/** What an account may call and how often: all words that count for it together. */
export class FraudPolicy {
  readonly limits: FraudLimits;
  readonly #layers: readonly { row: FraudPolicyRow; destinations: Destinations }[];

  constructor(layers: readonly { row: FraudPolicyRow; destinations: Destinations }[]) {
    this.#layers = layers;
    const all = layers.map(({ row }) => row.limits);
    this.limits = {
      callsPerMinute: least(all.map((limits) => limits.callsPerMinute)),
      callsPerHour: least(all.map((limits) => limits.callsPerHour)),
      expensivePrefixesPerHour: least(all.map((limits) => limits.expensivePrefixesPerHour)),
      expensiveRateMicros: least(all.map((limits) => limits.expensiveRateMicros)),
      blockMinutes: Math.max(...all.map(({ blockMinutes }) => blockMinutes)),
    };
  }

  /** Whether anything is counted. */
  get hasLimits(): boolean {
    const { callsPerMinute, callsPerHour, expensivePrefixesPerHour } = this.limits;
    return callsPerMinute !== null || callsPerHour !== null || expensivePrefixesPerHour !== null;
  }

  /** Whether everybody allows a number. */
  verdict(number: string): DestinationVerdict {
    for (const { row, destinations } of this.#layers) {
      const verdict = destinations.verdict(number);
      if (!verdict.allowed)
        return { allowed: false, why: `${verdict.why} (list of the ${row.setBy.replace('_', ' ')})` };
    }
    return { allowed: true };
  }
}

/** All policies of the platform; what counts for an account is put together when it is first asked for. */
export class FraudPolicies {
  readonly #rows: ReadonlyMap<string, FraudPolicyRow>;
  readonly #compiled = new Map<string, FraudPolicy | null>();
  /** Lists are shared by all accounts for which they count. */
  readonly #destinations = new Map<FraudPolicyRow, Destinations>();

  constructor(rows: readonly FraudPolicyRow[]) {
    this.#rows = new Map(rows.map((row) => [`${row.setBy}:${row.ownerSid}`, row]));
  }

  /**
   * The words that count for an account: the operator's about its service provider, else about all; its service provider's about it, else about
   * all its accounts; its own.
   */
  layersOf(accountSid: string, serviceProviderSid: string): FraudPolicyRow[] {
    const find = (setBy: PolicyAuthor, ...owners: string[]): FraudPolicyRow | undefined => {
      for (const owner of owners) {
        const row = this.#rows.get(`${setBy}:${owner}`);
        if (row !== undefined) return row;
      }
      return undefined;
    };
    return [
      find('operator', serviceProviderSid, PLATFORM),
      find('service_provider', accountSid, serviceProviderSid),
      find('account', accountSid),
    ].filter((row) => row !== undefined);
  }

  /** What an account may call; null when nobody has said anything: everything. */
  of(accountSid: string, serviceProviderSid: string): FraudPolicy | null {
    if (this.#rows.size === 0) return null;
    const key = `${accountSid}:${serviceProviderSid}`;
    let policy = this.#compiled.get(key);
    if (policy === undefined) {
      const rows = this.layersOf(accountSid, serviceProviderSid);
      policy = rows.length === 0 ? null : new FraudPolicy(rows.map((row) => this.#layer(row)));
      this.#compiled.set(key, policy);
    }
    return policy;
  }

  #layer(row: FraudPolicyRow): { row: FraudPolicyRow; destinations: Destinations } {
    let destinations = this.#destinations.get(row);
    if (destinations === undefined) {
      destinations = new Destinations(row.destinations, row.defaultAction);
      this.#destinations.set(row, destinations);
    }
    return { row, destinations };
  }
}
