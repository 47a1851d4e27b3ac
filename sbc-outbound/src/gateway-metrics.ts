import type { GatewayAttempt, Metrics } from '@ringwire/common';

/** What is counted of each gateway. */
export interface GatewayMetrics {
  attempted(attempt: GatewayAttempt): void;
}

/** In seconds; carriers answer within a second at home and take ten abroad. */
const POST_DIAL_DELAY_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/** Registers the series. */
export function gatewayMetrics(metrics: Metrics): GatewayMetrics {
  const attempts = metrics.counter({
    name: 'ringwire_gateway_attempts_total',
    help: 'INVITEs to gateways, by how they came out',
    labelNames: ['carrier', 'gateway', 'outcome', 'status'],
  });
  const delays = metrics.histogram({
    name: 'ringwire_gateway_post_dial_delay_seconds',
    help: 'From the INVITE to ringing, progress or answer',
    labelNames: ['carrier', 'gateway'],
    buckets: POST_DIAL_DELAY_BUCKETS_S,
  });
  return {
    attempted({ carrier, gateway, outcome, status, postDialDelayMs }) {
      const labels = { carrier: carrier.voipCarrierSid, gateway: gateway.sipGatewaySid };
      attempts.inc({ ...labels, outcome, status: `${status}` });
      if (postDialDelayMs !== null) delays.observe(labels, postDialDelayMs / 1000);
    },
  };
}
