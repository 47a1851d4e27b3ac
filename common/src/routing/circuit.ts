/** When a gateway is taken out, and how it comes back. */
export interface CircuitRules {
  /** Taken out after this many failures of its own with no success between them. */
  failuresInRow: number;
  /** Taken out when at least this many attempts were made in the window … */
  windowAttempts: number;
  /** … and this share of them failed, from 0 to 1. */
  windowFailureShare: number;
  /** Taken out after this many unanswered or refused OPTIONS in a row. */
  pingFailuresInRow: number;
  /** How long it stays out the first time; doubles with each time that it fails again. */
  firstOutMs: number;
  maxOutMs: number;
  /** When it is tried again, it gets one call of this many. */
  oneCallOf: number;
}

/** Five failures are more than bad luck; half a minute is short for a restart and long for callers who would wait in vain. */
export const CIRCUIT_RULES: CircuitRules = {
  failuresInRow: 5,
  windowAttempts: 10,
  windowFailureShare: 0.5,
  pingFailuresInRow: 2,
  firstOutMs: 30_000,
  maxOutMs: 600_000,
  oneCallOf: 10,
};

/** `closed`: gets calls. `open`: is out. `half-open`: gets one call of n, whose outcome decides. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** What is known of a gateway's health; immutable. */
export interface Circuit {
  readonly state: CircuitState;
  /** Why it is not closed, for people; empty when it is. */
  readonly why: string;
  /** How often it was taken out since it last did well; the back-off grows with it. */
  readonly timesOut: number;
  /** Ms since the epoch at which it was taken out last; 0 when it is in. */
  readonly outSinceMs: number;
  /** Ms since the epoch until which it is out. */
  readonly outUntilMs: number;
  /** Attempts before this moment no longer count: it was given a new start then. */
  readonly countsFromMs: number;
  readonly failuresInRow: number;
  readonly pingFailuresInRow: number;
  /** While it is half-open: calls that were decided since one was tried over it, n at most; then the next that comes to it may be. */
  readonly asked: number;
  readonly isOutByPing: boolean;
}

/** A gateway that nothing bad is known of. */
export const HEALTHY: Circuit = {
  state: 'closed',
  why: '',
  timesOut: 0,
  outSinceMs: 0,
  outUntilMs: 0,
  countsFromMs: 0,
  failuresInRow: 0,
  pingFailuresInRow: 0,
  asked: 0,
  isOutByPing: false,
};

/** What a gateway's circuit is told. */
export type CircuitEvent =
  /** An attempt at it, begun at `startedAtMs`, ended; `failed` when the gateway is to blame. */
  | { type: 'attempt'; failed: boolean; startedAtMs: number; atMs: number }
  | { type: 'ping'; failed: boolean; atMs: number }
  /** Attempts at it by all processes since {@link Circuit.countsFromMs}, within the window. */
  | { type: 'window'; attempts: number; failures: number; atMs: number }
  /** A call is being decided that could go to it. */
  | { type: 'asked'; atMs: number }
  /** A call is tried over it because {@link admits} allowed it. */
  | { type: 'trial' }
  /** Time went by. */
  | { type: 'tick'; atMs: number };

type Cell<K extends CircuitEvent['type']> = (
  circuit: Circuit,
  event: Extract<CircuitEvent, { type: K }>,
  rules: CircuitRules,
) => Circuit;

const opened = (circuit: Circuit, why: string, atMs: number, rules: CircuitRules, isOutByPing = false): Circuit => ({
  ...circuit,
  state: 'open',
  why,
  timesOut: circuit.timesOut + 1,
  outSinceMs: atMs,
  outUntilMs: atMs + Math.min(rules.firstOutMs * 2 ** Math.min(circuit.timesOut, 30), rules.maxOutMs),
  isOutByPing,
  asked: 0,
});
const closed = (atMs: number): Circuit => ({ ...HEALTHY, countsFromMs: atMs });
/** A call that began before the gateway was taken out and ends well says nothing of how new ones fare. */
const closedByNewCall = (circuit: Circuit, startedAtMs: number, atMs: number): Circuit =>
  startedAtMs < circuit.outSinceMs ? circuit : closed(atMs);
const halfOpened = (circuit: Circuit, { oneCallOf }: CircuitRules): Circuit => ({
  ...circuit,
  state: 'half-open',
  asked: oneCallOf,
});

/** A cell is one transition; a missing one means that the event changes nothing. */
const TABLE: Record<CircuitState, { [K in CircuitEvent['type']]?: Cell<K> }> = {
  closed: {
    attempt(circuit, { failed, atMs }, rules) {
      if (!failed) return circuit.failuresInRow === 0 ? circuit : { ...circuit, failuresInRow: 0 };
      const failuresInRow = circuit.failuresInRow + 1;
      if (failuresInRow < rules.failuresInRow) return { ...circuit, failuresInRow };
      return opened(circuit, `${failuresInRow} attempts in a row failed`, atMs, rules);
    },
    ping(circuit, { failed, atMs }, rules) {
      if (!failed) return circuit.pingFailuresInRow === 0 ? circuit : { ...circuit, pingFailuresInRow: 0 };
      const pingFailuresInRow = circuit.pingFailuresInRow + 1;
      if (pingFailuresInRow < rules.pingFailuresInRow) return { ...circuit, pingFailuresInRow };
      return opened(circuit, `${pingFailuresInRow} OPTIONS in a row were not answered well`, atMs, rules, true);
    },
    window(circuit, { attempts, failures, atMs }, rules) {
      if (attempts < rules.windowAttempts || failures < attempts * rules.windowFailureShare) return circuit;
      return opened(circuit, `${failures} of its last ${attempts} attempts failed`, atMs, rules);
    },
  },
  open: {
    tick: (circuit, { atMs }, rules) => (atMs < circuit.outUntilMs ? circuit : halfOpened(circuit, rules)),
    asked: (circuit, { atMs }, rules) => (atMs < circuit.outUntilMs ? circuit : halfOpened(circuit, rules)),
    // It was tried because nothing else was left, and did well.
    attempt: (circuit, { failed, startedAtMs, atMs }) =>
      failed ? circuit : closedByNewCall(circuit, startedAtMs, atMs),
    // Answered OPTIONS say nothing of calls that failed; only what OPTIONS took out do they bring back.
    ping: (circuit, { failed }, rules) => (failed || !circuit.isOutByPing ? circuit : halfOpened(circuit, rules)),
  },
  'half-open': {
    asked: (circuit, _event, { oneCallOf }) =>
      circuit.asked >= oneCallOf ? circuit : { ...circuit, asked: circuit.asked + 1 },
    trial: (circuit) => ({ ...circuit, asked: 0 }),
    attempt: (circuit, { failed, startedAtMs, atMs }, rules) =>
      failed
        ? opened(circuit, 'it was tried again and failed', atMs, rules)
        : closedByNewCall(circuit, startedAtMs, atMs),
    ping: (circuit, { failed, atMs }, rules) =>
      failed ? opened(circuit, 'an OPTIONS was not answered well', atMs, rules, true) : circuit,
  },
};

/** The next state of a circuit. Pure: time and outcomes come with the event. */
export function stepCircuit(circuit: Circuit, event: CircuitEvent, rules: CircuitRules = CIRCUIT_RULES): Circuit {
  const cell = TABLE[circuit.state][event.type] as Cell<CircuitEvent['type']> | undefined;
  return cell?.(circuit, event, rules) ?? circuit;
}

/** Whether a call that comes to the gateway may be tried over it; of a half-open one tell it of the `trial` then. */
export const admits = (circuit: Circuit, rules: CircuitRules = CIRCUIT_RULES): boolean =>
  circuit.state === 'closed' || (circuit.state === 'half-open' && circuit.asked >= rules.oneCallOf);
