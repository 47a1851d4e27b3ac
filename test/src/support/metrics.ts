/** Samples of a Prometheus text page: name with labels → value. */
export class MetricSamples {
  readonly #samples: ReadonlyMap<string, number>;

  constructor(text: string) {
    const samples = new Map<string, number>();
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
      if (match) samples.set(`${match[1]}${match[2] ?? ''}`, Number(match[3]));
    }
    this.#samples = samples;
  }

  /** Sum over all samples whose name (with labels) fits; undefined when none fits. */
  sum(pattern: RegExp): number | undefined {
    const values = [...this.#samples].filter(([name]) => pattern.test(name)).map(([, value]) => value);
    return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0);
  }

  /** All samples that fit, for messages. */
  matching(pattern: RegExp): Record<string, number> {
    return Object.fromEntries([...this.#samples].filter(([name]) => pattern.test(name)));
  }
}

/** Reads a `/metrics` page. */
export async function readMetrics(url: string): Promise<MetricSamples> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new MetricSamples(await response.text());
}
