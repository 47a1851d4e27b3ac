import type { Metrics } from '@ringwire/common';

/** The measurements of a feature server. */
export interface FeatureServerMetrics {
  admitted(): void;
  refused(status: number): void;
  hook(type: string, outcome: string, ms: number): void;
  verb(verb: string, outcome: string, ms: number): void;
  synthesis(vendor: string, outcome: string, ms: number): void;
  recognition(vendor: string, outcome: string): void;
}

/** Upper bounds of durations in ms, from "in memory" to "timed out". */
const BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/** Registers the measurements; `calls` is read whenever they are. */
export function createFeatureServerMetrics(metrics: Metrics, calls: () => number): FeatureServerMetrics {
  metrics.gauge({
    name: 'ringwire_fs_calls',
    help: 'Calls in progress',
    collect() {
      this.set(calls());
    },
  });
  const admitted = metrics.counter({ name: 'ringwire_fs_calls_admitted_total', help: 'Calls that got a session' });
  const refused = metrics.counter({
    name: 'ringwire_fs_calls_refused_total',
    help: 'INVITEs that were refused without a session',
    labelNames: ['status'],
  });
  const hooks = metrics.histogram({
    name: 'ringwire_fs_hook_duration_ms',
    help: 'Time to the answer of a webhook, per attempt',
    labelNames: ['type', 'outcome'],
    buckets: BUCKETS_MS,
  });
  const verbs = metrics.counter({
    name: 'ringwire_fs_verbs_total',
    help: 'Verbs that were run',
    labelNames: ['verb', 'outcome'],
  });
  const synthesis = metrics.histogram({
    name: 'ringwire_fs_tts_duration_ms',
    help: 'Time to synthesized audio',
    labelNames: ['vendor', 'outcome'],
    buckets: BUCKETS_MS,
  });
  const recognition = metrics.counter({
    name: 'ringwire_fs_stt_sessions_total',
    help: 'Sessions with vendors that listen, opened and failed',
    labelNames: ['vendor', 'outcome'],
  });
  return {
    admitted: () => admitted.inc(),
    refused: (status) => refused.inc({ status: String(status) }),
    hook: (type, outcome, ms) => hooks.observe({ type, outcome }, ms),
    verb: (verb, outcome) => verbs.inc({ verb, outcome }),
    synthesis: (vendor, outcome, ms) => synthesis.observe({ vendor, outcome }, ms),
    // The names of customers' own vendors are theirs to invent.
    recognition: (vendor, outcome) => recognition.inc({ vendor: vendor.split(':')[0] ?? vendor, outcome }),
  };
}
