/** What was counted of attempts at a gateway in the window. */
export interface GatewayCounts {
  attempts: number;
  /** Attempts that failed by the gateway's fault. */
  failures: number;
  answered: number;
  /** Sum of post-dial delays, and of how many attempts. */
  postDialDelayMs: number;
  postDialDelays: number;
  pings: number;
  pingFailures: number;
}

/** Nothing was counted. */
export const NO_COUNTS: Readonly<GatewayCounts> = {
  attempts: 0,
  failures: 0,
  answered: 0,
  postDialDelayMs: 0,
  postDialDelays: 0,
  pings: 0,
  pingFailures: 0,
};

/** How a gateway does, from counts. */
export interface GatewayQuality {
  /** From 0 to 1, with one decimal, so that chance does not turn the order of equals with every call. 1 for what is not known. */
  score: number;
  /** Answer-seizure ratio: share of attempts that were answered; null without attempts. */
  answerSeizureRatio: number | null;
  failureShare: number | null;
  /** Mean post-dial delay; null when none was measured. */
  postDialDelayMs: number | null;
}

/** Attempts without blame that are assumed beside those counted: one bad attempt of one says little. */
const BENEFIT_OF_DOUBT = 5;
/** A share of answered calls that says nothing bad: more than half of all calls of the world are not answered. */
const GOOD_ANSWER_RATIO = 0.4;
/** Delays up to here are not noticed, and from there on callers give up. */
const GOOD_DELAY_MS = 2_000;
const BAD_DELAY_MS = 10_000;
const WEIGHTS = { failures: 0.5, answers: 0.2, delay: 0.2, pings: 0.1 };

const clamp = (value: number): number => Math.min(1, Math.max(0, value));
/** A share as if {@link BENEFIT_OF_DOUBT} more had gone as expected. */
const smoothed = (count: number, of: number, expected: number): number =>
  (count + BENEFIT_OF_DOUBT * expected) / (of + BENEFIT_OF_DOUBT);

/** Judges a gateway: half by failures, a fifth each by answers and by post-dial delay, a tenth by OPTIONS. Pure. */
export function gatewayQuality(counts: Readonly<GatewayCounts>): GatewayQuality {
  const { attempts, failures, answered, postDialDelays, pings, pingFailures } = counts;
  const delayMs = postDialDelays === 0 ? null : counts.postDialDelayMs / postDialDelays;
  const score =
    WEIGHTS.failures * (1 - smoothed(failures, attempts, 0)) +
    WEIGHTS.answers * clamp(smoothed(answered, attempts, GOOD_ANSWER_RATIO) / GOOD_ANSWER_RATIO) +
    WEIGHTS.delay * (delayMs === null ? 1 : 1 - clamp((delayMs - GOOD_DELAY_MS) / (BAD_DELAY_MS - GOOD_DELAY_MS))) +
    WEIGHTS.pings * (1 - smoothed(pingFailures, pings, 0));
  return {
    score: Math.round(score * 10) / 10,
    answerSeizureRatio: attempts === 0 ? null : answered / attempts,
    failureShare: attempts === 0 ? null : failures / attempts,
    postDialDelayMs: delayMs === null ? null : Math.round(delayMs),
  };
}
