import type { Redis } from '../redis/connection.js';
import { CIRCUIT_REPORTS } from '../redis/keys.js';
import type { Circuit } from '../routing/circuit.js';

/** What a process says of a gateway that it has taken out: times in ms since the epoch. */
export interface CircuitReport {
  state: Exclude<Circuit['state'], 'closed'>;
  why: string;
  outSinceMs: number;
  outUntilMs: number;
  /** Until when the report counts: a process that died says nothing more. */
  untilMs: number;
}

/** Reports by gateway: of several processes the worst. */
export type CircuitReports = ReadonlyMap<string, CircuitReport>;

/** What is left of a process that died is swept by the others this long after it counts no more. */
const SWEPT_AFTER_MS = 60_000;

const isReport = (value: unknown): value is CircuitReport => {
  const { state, why, ...times } = (value ?? {}) as Partial<CircuitReport>;
  const isTime = (ms: unknown): boolean => typeof ms === 'number' && Math.abs(ms) < 8e15;
  return (
    (state === 'open' || state === 'half-open') &&
    typeof why === 'string' &&
    [times.outSinceMs, times.outUntilMs, times.untilMs].every(isTime)
  );
};

function parse(json: string): CircuitReport | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isReport(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Tells others which gateways this process has taken out, and hears of theirs: who only looks (a route preview) has no calls to judge by. */
export class CircuitExchange {
  #told = new Set<string>();

  constructor(
    private readonly redis: Redis,
    /** Names the process for as long as it lives. */
    private readonly reporter: string,
    private readonly ttlMs: number,
  ) {}

  /**
   * Writes the circuits that are not closed, takes back those that are closed again, and reads what all say.
   *
   * @throws what Redis answers
   */
  async exchange(circuits: Iterable<readonly [string, Circuit]>, atMs: number): Promise<CircuitReports> {
    const fields = new Map<string, string>();
    for (const [sid, { state, why, outSinceMs, outUntilMs }] of circuits) {
      if (state === 'closed') continue;
      const report: CircuitReport = { state, why, outSinceMs, outUntilMs, untilMs: atMs + this.ttlMs };
      fields.set(`${sid}:${this.reporter}`, JSON.stringify(report));
    }
    const closed = [...this.#told].filter((field) => !fields.has(field));
    if (closed.length > 0) await this.redis.hdel(CIRCUIT_REPORTS, ...closed);
    if (fields.size > 0) await this.redis.hset(CIRCUIT_REPORTS, Object.fromEntries(fields));
    this.#told = new Set(fields.keys());
    return readCircuitReports(this.redis, atMs);
  }
}

/** What all processes say of gateways that are out. @throws what Redis answers */
export async function readCircuitReports(redis: Redis, atMs: number): Promise<CircuitReports> {
  const worst = new Map<string, CircuitReport>();
  const dead: string[] = [];
  for (const [field, json] of Object.entries(await redis.hgetall(CIRCUIT_REPORTS))) {
    const report = parse(json);
    if (!report || report.untilMs + SWEPT_AFTER_MS < atMs) dead.push(field);
    if (!report || report.untilMs < atMs) continue;
    const sid = field.slice(0, field.lastIndexOf(':'));
    const known = worst.get(sid);
    if (!known || (known.state === 'half-open' && report.state === 'open')) worst.set(sid, report);
  }
  if (dead.length > 0) await redis.hdel(CIRCUIT_REPORTS, ...dead);
  return worst;
}
