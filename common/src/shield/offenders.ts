/** What a source did that telephones and carriers seldom do. */
export type Offence =
  | 'scanner'
  | 'malformed'
  | 'unknown-source'
  | 'unknown-user'
  | 'unknown-number'
  | 'device'
  | 'bad-credentials'
  | 'challenged'
  | 'flood';

/** When a source has gone too far. */
export interface OffenderRules {
  /** Points in a row, without a call that is let in, after which a source is banned, or slowed down. */
  points: number;
  /** A source that was quiet for so long begins anew. */
  forgetMs: number;
  /** INVITEs a second of a source that is nobody we know; five times as many may come at once. More is a flood. */
  invitesPerSecond: number;
  /** Sources that are remembered; those that were seen longest ago are forgotten. */
  maxSources: number;
}

/** Ten wrong guesses; a dialler of ours that was never provisioned is told ten times, too. */
export const OFFENDER_RULES: OffenderRules = {
  points: 10,
  forgetMs: 600_000,
  invitesPerSecond: 20,
  maxSources: 20_000,
};

/**
 * A scanner says who it is; a name that nobody has is guessed, a wrong password may be a slip; a challenge alone is no offence, nor is a
 * telephone's call, only very many are that nobody answers.
 */
const POINTS: Record<Offence, number> = {
  scanner: 10,
  flood: 10,
  malformed: 1,
  'unknown-source': 1,
  'unknown-user': 2,
  'unknown-number': 0.5,
  device: 0.1,
  'bad-credentials': 1,
  challenged: 0.1,
};
const BURST_SECONDS = 5;
/** Who had a call let in may err so many times more often: a wrong password in a new telephone must not silence an office. */
const KNOWN_TIMES = 10;
/** And call so many times as fast: a trunk that authenticates is at no address that we know before. */
const KNOWN_RATE_TIMES = 50;
/** INVITEs a second of a source that went too far and may not be banned. Larger costs work, smaller shuts a victim of forgery out. */
const SLOWED_PER_SECOND = 1;

interface Source {
  /** Of requests whose sender has heard us. */
  points: number;
  /** Of requests that anybody may have sent in its name. */
  unheardPoints: number;
  seenAt: number;
  tokens: number;
  isKnown: boolean;
  isSlowed: boolean;
}

/** Counts what sources do wrong, in bounded memory. */
export interface Offenders {
  /** Counts an INVITE of a source; false when it is one too many. */
  mayAsk(source: string): boolean;
  /**
   * Counts an offence.
   *
   * @param isHeard - whether it is proven that the source hears what we answer; offences that anybody may have sent in its name never add up with those
   * @returns whether the source has now gone too far and is to be banned; one that is not proven is slowed down instead
   */
  offence(source: string, what: Offence, isHeard: boolean): boolean;
  /** Lets a source ask seldom until it was quiet for long enough. */
  slowDown(source: string): void;
  /** A call was let in: what came before is forgiven. */
  success(source: string): void;
  /** Whether a call of the source was let in, and it has not been quiet since for longer than offenders are remembered. */
  isKnown(source: string): boolean;
  readonly size: number;
}

/** @param now - ms of a clock that only goes forward */
export function offenders(rules: OffenderRules = OFFENDER_RULES, now = (): number => performance.now()): Offenders {
  const sources = new Map<string, Source>();
  const rateOf = ({ isKnown, isSlowed }: Source): number =>
    isSlowed
      ? Math.min(SLOWED_PER_SECOND, rules.invitesPerSecond)
      : rules.invitesPerSecond * (isKnown ? KNOWN_RATE_TIMES : 1);
  const find = (name: string): Source => {
    const at = now();
    let source = sources.get(name);
    if (source) {
      // The last seen stand last: the first are forgotten first.
      sources.delete(name);
      const quietMs = at - source.seenAt;
      if (quietMs > rules.forgetMs) {
        source.points = 0;
        source.unheardPoints = 0;
        source.isSlowed = false;
      }
      const rate = rateOf(source);
      source.tokens = Math.min(rate * BURST_SECONDS, source.tokens + (quietMs * rate) / 1000);
      source.seenAt = at;
    } else {
      const oldest = sources.size >= rules.maxSources ? sources.keys().next().value : undefined;
      if (oldest !== undefined) sources.delete(oldest);
      const tokens = rules.invitesPerSecond * BURST_SECONDS;
      source = { points: 0, unheardPoints: 0, seenAt: at, tokens, isKnown: false, isSlowed: false };
    }
    sources.set(name, source);
    return source;
  };
  const slow = (source: Source): void => {
    source.isSlowed = true;
    source.tokens = Math.min(source.tokens, rateOf(source) * BURST_SECONDS);
  };
  return {
    mayAsk(name) {
      const source = find(name);
      if (source.tokens < 1) return false;
      source.tokens -= 1;
      return true;
    },
    offence(name, what, isHeard) {
      const source = find(name);
      if (isHeard) source.points += POINTS[what];
      else source.unheardPoints += POINTS[what];
      // What 0.1 adds up to is not exact.
      const most = rules.points * (source.isKnown ? KNOWN_TIMES : 1) - 1e-6;
      if (source.unheardPoints >= most) slow(source);
      if (source.points < most) return false;
      source.points = 0;
      slow(source);
      return !source.isKnown;
    },
    slowDown: (name) => slow(find(name)),
    success(name) {
      const source = find(name);
      source.points = 0;
      source.unheardPoints = 0;
      if (source.isKnown && !source.isSlowed) return;
      source.isKnown = true;
      source.isSlowed = false;
      source.tokens = rateOf(source) * BURST_SECONDS;
    },
    isKnown: (name) => sources.get(name)?.isKnown ?? false,
    get size() {
      return sources.size;
    },
  };
}
