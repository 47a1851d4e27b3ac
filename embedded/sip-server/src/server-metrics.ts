import type { Metrics } from '@ringwire/common/metrics/metrics.js';
import type { SipCounters, SourceLimits, TransactionLayer } from '@ringwire/sip';
import type { SipBridge } from './bridge.js';
import type { ControlServer } from './control/control-server.js';
import type { SipProxy } from './proxy/proxy.js';
import type { ServerCounters } from './server-counters.js';

/** What the metrics show. */
export interface Measured {
  layer: TransactionLayer;
  bridge: SipBridge;
  proxy: SipProxy;
  control: ControlServer;
  counters: ServerCounters;
  sourceLimits: SourceLimits | undefined;
}

/** The numeric fields of a counters object. */
type Field<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

const SIP_FIELDS: ReadonlyArray<Field<SipCounters>> = [
  'requestsReceived',
  'requestsSent',
  'responsesReceived',
  'responsesSent',
  'strayResponses',
  'strayAcks',
  'strayCancels',
  'oversize',
  'transportErrors',
  'timeouts',
  'failovers',
  'ignoredEvents',
  'listenerErrors',
  'connectionsRefused',
  'keepAlives',
];

/**
 * Adds the Prometheus metrics of a server. Counts are kept as plain numbers on the hot path and read when metrics are fetched:
 * `sip_*_total`, `sip_parse_errors_total{reason}`, `sip_server_*_total`, and the gauges of what is alive.
 */
export function addServerMetrics(metrics: Metrics, measured: Measured): void {
  const { layer, bridge, proxy, control, counters } = measured;
  const read = (name: string, help: string, value: () => number): void => metrics.number({ name, help, read: value });
  for (const field of SIP_FIELDS)
    read(`sip_${snake(field)}_total`, `SIP: ${words(field)}`, () => layer.counters[field]);
  for (const field of Object.keys(counters) as Array<Field<ServerCounters>>) {
    read(`sip_server_${snake(field)}_total`, `Server: ${words(field)}`, () => counters[field]);
  }
  metrics.total({
    name: 'sip_parse_errors_total',
    help: 'Bytes that were no acceptable SIP message, by reason',
    labelNames: ['reason'],
    collect() {
      for (const [reason, count] of Object.entries(layer.counters.parseErrors)) this.set({ reason }, count);
    },
  });
  metrics.gauge({
    name: 'sip_transactions',
    help: 'Live transactions',
    labelNames: ['side', 'transport'],
    collect() {
      const { client, server } = layer.byTransport;
      for (const [transport, count] of Object.entries(client)) this.set({ side: 'client', transport }, count);
      for (const [transport, count] of Object.entries(server)) this.set({ side: 'server', transport }, count);
    },
  });
  for (const direction of ['received', 'sent'] as const) {
    metrics.total({
      name: `sip_retransmissions_${direction}_total`,
      help: `SIP: messages ${direction} again`,
      labelNames: ['transport'],
      collect() {
        const { [direction]: repeats } = layer.counters.repeats;
        for (const { transport } of layer.addresses) this.set({ transport }, repeats[transport] ?? 0);
      },
    });
  }
  addLimitMetrics(metrics, measured);
  read('sip_dialogs', 'Live dialogs', () => bridge.dialogCount);
  read('sip_proxied_requests', 'Requests that are being proxied', () => proxy.size);
  read('sip_control_clients', 'Applications connected and authenticated', () => control.registry.size);
  read('sip_outbound_connections', 'Connections that we opened to applications', () => control.outbound.size);
  read('sip_pending_server_requests', 'Requests that wait for an application', () => bridge.pendingCounts.server);
  read(
    'sip_pending_client_requests',
    'Requests of applications without final response',
    () => bridge.pendingCounts.client,
  );
}

/** What was turned away or closed to protect the server. */
function addLimitMetrics(metrics: Metrics, { layer, sourceLimits }: Measured): void {
  metrics.total({
    name: 'sip_source_limited_total',
    help: 'Requests, connections and datagrams over the limits of their source address, by reason',
    labelNames: ['reason'],
    collect() {
      for (const [reason, count] of Object.entries(sourceLimits?.limited ?? {})) this.set({ reason }, count);
    },
  });
  metrics.total({
    name: 'sip_connections_closed_total',
    help: 'Connections closed or not taken, by reason',
    labelNames: ['reason'],
    collect() {
      for (const [reason, count] of Object.entries(layer.counters.connectionsClosed)) this.set({ reason }, count);
    },
  });
  metrics.gauge({
    name: 'sip_connections',
    help: 'Open connections',
    labelNames: ['transport'],
    collect() {
      for (const [transport, count] of Object.entries(layer.byTransport.connections)) this.set({ transport }, count);
    },
  });
  metrics.gauge({
    name: 'sip_sources',
    help: 'Source addresses that are remembered for their limits',
    collect() {
      this.set(sourceLimits?.size ?? 0);
    },
  });
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function words(name: string): string {
  return snake(name).replaceAll('_', ' ');
}
