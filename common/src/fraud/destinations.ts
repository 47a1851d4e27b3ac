import { COUNTRY_PREFIXES, foreignWithin } from './country-prefixes.js';
import { findHighRisk } from './high-risk.js';

/** What becomes of calls to a destination. */
export type DestinationAction = 'allow' | 'deny';

/** One line of a list of destinations: a prefix (digits in E.164) or a country (ISO 3166-1 alpha-2). */
export type DestinationRule =
  | { prefix: string; action: DestinationAction }
  | { country: string; action: DestinationAction };

/** Whether a number may be called, and where not, why: `no entry allows it`. */
export type DestinationVerdict = { allowed: true } | { allowed: false; why: string };

/** Lines of one list. */
export const MAX_DESTINATIONS = 2_000;

/**
 * Numbers of emergency services that are the same in all mobile networks (3GPP TS 22.101 §10.1): exactly these are never refused. They cost nothing,
 * and nobody must be kept from them by a list or a block.
 */
const EMERGENCY = new Set(['112', '911']);
/** Before an international number as it is dialled in most countries, and in North America and Australia. */
const INTERNATIONAL_PREFIX = /^(?:00(?:11)?|011)(?=[1-9])/;
const DIGITS = /^\d{1,32}$/;

/** Whether a number is one of the emergency services'. */
export const isEmergency = (number: string): boolean => EMERGENCY.has(number);

/**
 * A list of destinations: the longest prefix that a number begins with decides, else the default. What is of high risk is denied unless a line
 * that is at least as long allows it. Immutable.
 */
export class Destinations {
  readonly #actions = new Map<string, DestinationAction | 'default'>();
  readonly #longest: number;

  constructor(
    rules: readonly DestinationRule[],
    readonly defaultAction: DestinationAction,
    /** What becomes of numbers of high risk that no line names. */
    readonly highRiskAction: DestinationAction = 'deny',
  ) {
    const named = new Map<string, DestinationAction>();
    for (const rule of rules) {
      const prefixes = 'country' in rule ? (COUNTRY_PREFIXES.get(rule.country) ?? []) : [rule.prefix];
      for (const prefix of prefixes) {
        // Of two lines about the same prefix the one that denies counts.
        if (named.get(prefix) !== 'deny') named.set(prefix, rule.action);
        if (!('country' in rule)) continue;
        // Who allows the USA has not allowed the Caribbean islands that share their country code.
        for (const foreign of foreignWithin(rule.country, prefix)) this.#actions.set(foreign, 'default');
      }
    }
    for (const [prefix, action] of named) this.#actions.set(prefix, action);
    this.#longest = Math.max(0, ...[...this.#actions.keys()].map(({ length }) => length));
  }

  /** Whether a number may be called. @param number - digits, as {@link dialledDigits} leaves them */
  verdict(number: string): DestinationVerdict {
    const direct = this.#judge(number);
    const international = number.replace(INTERNATIONAL_PREFIX, '');
    // Carriers understand 00881… as they do 881…: what stands behind the prefix must be allowed as well.
    return direct.allowed && international !== number ? this.#judge(international) : direct;
  }

  #judge(number: string): DestinationVerdict {
    if (!DIGITS.test(number)) return { allowed: false, why: 'it is no telephone number' };
    let length = Math.min(this.#longest, number.length);
    while (length > 0 && !this.#actions.has(number.slice(0, length))) length--;
    const found = length === 0 ? 'default' : (this.#actions.get(number.slice(0, length)) ?? 'default');
    const risk = findHighRisk(number);
    const isRisky = risk !== undefined && risk.kind !== 'revenue-share' && this.highRiskAction === 'deny';
    if (isRisky && (found === 'default' || risk.prefix.length > length)) {
      return { allowed: false, why: `${risk.prefix} is of high risk (${risk.kind}) and not allowed by name` };
    }
    if (found === 'deny') return { allowed: false, why: `prefix ${number.slice(0, length)} is denied` };
    if (found === 'allow' || this.defaultAction === 'allow') return { allowed: true };
    return { allowed: false, why: 'no entry allows it' };
  }
}
