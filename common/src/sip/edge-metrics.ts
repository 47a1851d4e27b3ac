import type { CallDirection, TerminationReason } from '../events/types.js';
import type { Metrics } from '../metrics/metrics.js';

/** What an edge counts. */
export interface EdgeMetrics {
  invite(): void;
  /** An INVITE that did not become a call; `reason` is a short constant such as `unknown-source`. */
  rejected(reason: string): void;
  /** Time from INVITE to the 200 that goes back, the far end's own time included. */
  setUp(ms: number): void;
  terminated(reason: TerminationReason): void;
}

/** Upper bounds in seconds; the platform's own share is meant to stay below 100 ms. */
const SETUP_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Registers an edge's series; `active` is read when the gauge is. */
export function edgeMetrics(metrics: Metrics, direction: CallDirection, active: () => number): EdgeMetrics {
  const invites = metrics.counter({
    name: 'ringwire_invites_total',
    help: 'New INVITEs received',
    labelNames: ['direction'],
  });
  const rejections = metrics.counter({
    name: 'ringwire_calls_rejected_total',
    help: 'INVITEs refused before a target was tried, by reason',
    labelNames: ['direction', 'reason'],
  });
  const setups = metrics.histogram({
    name: 'ringwire_call_setup_seconds',
    help: 'From INVITE to its 200',
    labelNames: ['direction'],
    buckets: SETUP_BUCKETS_S,
  });
  const terminations = metrics.counter({
    name: 'ringwire_calls_terminated_total',
    help: 'Calls ended, by termination reason',
    labelNames: ['direction', 'reason'],
  });
  metrics.gauge({
    name: 'ringwire_calls_active',
    help: 'Calls in progress, those being set up included',
    labelNames: ['direction'],
    collect() {
      this.set({ direction }, active());
    },
  });
  return {
    invite: () => invites.inc({ direction }),
    rejected: (reason) => rejections.inc({ direction, reason }),
    setUp: (ms) => setups.observe({ direction }, ms / 1000),
    terminated: (reason) => terminations.inc({ direction, reason }),
  };
}
