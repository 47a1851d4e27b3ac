/** More sources with failures than this are not remembered; the one whose failure is longest ago is forgotten. */
const MAX_SOURCES = 10_000;
/** How fast failures are forgiven. */
const FORGIVEN_PER_MS = 1 / 1000;

/**
 * Bounds the guessing of the secret: each source address may fail `limit` times, then once a second. A source over its
 * limit is barred, whatever secret it would bring.
 */
export class AuthenticationGuard {
  /** In the order of the last failure. */
  private readonly failures = new Map<string, { count: number; atMs: number }>();

  constructor(
    private readonly limit: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Sources that are remembered. */
  get size(): number {
    return this.failures.size;
  }

  isBarred(source: string): boolean {
    return this.countOf(source) >= this.limit;
  }

  failed(source: string): void {
    const count = this.countOf(source) + 1;
    this.failures.delete(source);
    this.forget();
    this.failures.set(source, { count, atMs: this.now() });
  }

  private countOf(source: string): number {
    const known = this.failures.get(source);
    return known ? Math.max(0, known.count - (this.now() - known.atMs) * FORGIVEN_PER_MS) : 0;
  }

  /** Drops sources that are forgiven, and the oldest when there are too many. */
  private forget(): void {
    for (const source of this.failures.keys()) {
      if (this.countOf(source) > 0 && this.failures.size < MAX_SOURCES) break;
      this.failures.delete(source);
    }
  }
}
