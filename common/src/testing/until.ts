/**
 * Resolves with the first defined, true value of `look`, asked again and again; for what no event tells of (a row, a key).
 * Rejects after `deadlineMs` with what was seen last.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false | null> | T | undefined | false | null,
  deadlineMs = 15_000,
): Promise<T> {
  const giveUpAt = performance.now() + deadlineMs;
  let seen: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false && value !== null) return value;
      seen = value;
    } catch (err) {
      seen = err;
    }
    if (performance.now() > giveUpAt)
      throw new Error(`${what}: not within ${deadlineMs} ms; last seen: ${String(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
