/** What a source did that telephones and carriers seldom do. */
export type Offence =
  | 'scanner'
  | 'malformed'
  | 'unknown-source'
  | 'device'
  | 'bad-credentials'
  | 'challenged'
  | 'flood';

/** When a source has gone too far. */
export interface OffenderRules {
  /** Points in a row, without a call that is let in, after which a source is banned. */
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

/** A scanner says who it is; a challenge alone is no offence, nor is a telephone's call, only very many are that nobody answers. */
const POINTS: Record<Offence, number> = {
  scanner: 10,
  flood: 10,
  malformed: 1,
  'unknown-source': 1,
  device: 0.1,
  'bad-credentials': 1,
  challenged: 0.1,
};
const BURST_SECONDS = 5;
/** Who had a call let in may err so many times more often: a wrong password in a new telephone must not silence an office. */
const KNOWN_TIMES = 10;
/** And call so many times as fast: a trunk that authenticates is at no address that we know before. */
const KNOWN_RATE_TIMES = 50;

interface Source {
  points: number;
  seenAt: number;
  tokens: number;
  isKnown: boolean;
}

/** Counts what sources do wrong, in bounded memory. */
export interface Offenders {
  /** Counts an INVITE of a source; false when it is one too many. */
  mayAsk(address: string): boolean;
  /** @returns whether the source has now gone too far */
  offence(address: string, what: Offence): boolean;
  /** A call was let in: what came before is forgiven. */
  success(address: string): void;
  readonly size: number;
}

/** @param now - ms of a clock that only goes forward */
export function offenders(rules: OffenderRules = OFFENDER_RULES, now = (): number => performance.now()): Offenders {
  const sources = new Map<string, Source>();
  const rateOf = ({ isKnown }: Source): number => rules.invitesPerSecond * (isKnown ? KNOWN_RATE_TIMES : 1);
  const find = (address: string): Source => {
    const at = now();
    let source = sources.get(address);
    if (source) {
      // The last seen stand last: the first are forgotten first.
      sources.delete(address);
      const quietMs = at - source.seenAt;
      if (quietMs > rules.forgetMs) source.points = 0;
      const rate = rateOf(source);
      source.tokens = Math.min(rate * BURST_SECONDS, source.tokens + (quietMs * rate) / 1000);
      source.seenAt = at;
    } else {
      const oldest = sources.size >= rules.maxSources ? sources.keys().next().value : undefined;
      if (oldest !== undefined) sources.delete(oldest);
      source = { points: 0, seenAt: at, tokens: rules.invitesPerSecond * BURST_SECONDS, isKnown: false };
    }
    sources.set(address, source);
    return source;
  };
  return {
    mayAsk(address) {
      const source = find(address);
      if (source.tokens < 1) return false;
      source.tokens -= 1;
      return true;
    },
    offence(address, what) {
      const source = find(address);
      source.points += POINTS[what];
      // What 0.1 adds up to is not exact.
      if (source.points < rules.points * (source.isKnown ? KNOWN_TIMES : 1) - 1e-6) return false;
      sources.delete(address);
      return true;
    },
    success(address) {
      const source = find(address);
      source.points = 0;
      if (source.isKnown) return;
      source.isKnown = true;
      source.tokens = rateOf(source) * BURST_SECONDS;
    },
    get size() {
      return sources.size;
    },
  };
}
