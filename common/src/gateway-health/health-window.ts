import { type GatewayCounts, NO_COUNTS } from '../routing/score.js';

/** Width of a bucket. Smaller costs Redis keys; larger makes the window jump. */
export const BUCKET_MS = 10_000;
/** How far back attempts count. */
export const WINDOW_MS = 300_000;

/** The bucket that a moment falls into. */
export const bucketAt = (ms: number): number => Math.floor(ms / BUCKET_MS);

/** Counts by gateway. */
export type CountsByGateway = Map<string, GatewayCounts>;

/** Adds counts to those of a gateway. */
export function addCounts(to: CountsByGateway, gatewaySid: string, counts: Partial<GatewayCounts>): void {
  const known = to.get(gatewaySid) ?? { ...NO_COUNTS };
  for (const [name, count] of Object.entries(counts) as [keyof GatewayCounts, number][]) known[name] += count;
  to.set(gatewaySid, known);
}

/** Attempts at gateways within a sliding window, in buckets. Whoever owns it calls {@link HealthWindow.forget}. */
export class HealthWindow {
  readonly #buckets = new Map<number, CountsByGateway>();

  /** Counts something that happened now, or did in a bucket. */
  add(bucket: number, gatewaySid: string, counts: Partial<GatewayCounts>): void {
    const known = this.#buckets.get(bucket) ?? new Map<string, GatewayCounts>();
    this.#buckets.set(bucket, known);
    addCounts(known, gatewaySid, counts);
  }

  /** Replaces a bucket by what all processes counted. */
  set(bucket: number, counts: CountsByGateway): void {
    this.#buckets.set(bucket, counts);
  }

  has(bucket: number): boolean {
    return this.#buckets.has(bucket);
  }

  /** Drops what is older than the window. */
  forget(nowMs: number): void {
    for (const bucket of this.#buckets.keys()) if (bucket <= bucketAt(nowMs - WINDOW_MS)) this.#buckets.delete(bucket);
  }

  /** Takes everything out. */
  drain(): [bucket: number, counts: CountsByGateway][] {
    const all = [...this.#buckets];
    this.#buckets.clear();
    return all;
  }

  gateways(): Set<string> {
    return new Set([...this.#buckets.values()].flatMap((counts) => [...counts.keys()]));
  }

  /** Adds what was counted of a gateway in buckets that began at `fromMs` or later to `sum`. */
  sumInto(sum: GatewayCounts, gatewaySid: string, fromMs: number): void {
    for (const [bucket, byGateway] of this.#buckets) {
      const counts = bucket * BUCKET_MS >= fromMs ? byGateway.get(gatewaySid) : undefined;
      if (counts === undefined) continue;
      for (const name of Object.keys(sum) as (keyof GatewayCounts)[]) sum[name] += counts[name];
    }
  }
}
