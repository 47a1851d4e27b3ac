/** RFC 3261 §17 timers in ms, as RFC 6026 extends them. D and the linger timers are 0 where the transport is reliable. */
export interface SipTimers {
  T1: number;
  T2: number;
  T4: number;
  /** INVITE client: first retransmission. */
  A: number;
  /** INVITE client: no answer at all. */
  B: number;
  /** INVITE client: wait for repeated failure responses. */
  D: number;
  E: number;
  F: number;
  G: number;
  /** INVITE server: no ACK for a failure response. */
  H: number;
  I: number;
  J: number;
  K: number;
  /** INVITE server in Accepted (RFC 6026). */
  L: number;
  /** INVITE client in Accepted (RFC 6026). */
  M: number;
}

/**
 * All timers from T1, T2 and T4 (defaults 500, 4000 and 5000 ms); single ones may be given too. Tests shrink T1 and all
 * that hangs on it shrinks along.
 */
export function makeTimers(given: Partial<SipTimers> = {}): SipTimers {
  const T1 = given.T1 ?? 500;
  const T2 = given.T2 ?? 8 * T1;
  const T4 = given.T4 ?? 10 * T1;
  const long = 64 * T1;
  return {
    T1,
    T2,
    T4,
    A: T1,
    B: long,
    D: long,
    E: T1,
    F: long,
    G: T1,
    H: long,
    I: T4,
    J: long,
    K: T4,
    L: long,
    M: long,
    ...given,
  };
}

/** What runs timers; tests inject a fake one. */
export interface SipClock {
  /** Time that only goes forward, ms; from when it counts does not matter. */
  readonly nowMs: number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

export const systemClock: SipClock = {
  get nowMs() {
    return performance.now();
  },
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
