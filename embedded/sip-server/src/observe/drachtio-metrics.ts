import type { Metrics } from '@ringwire/common/metrics/metrics.js';
import type { SipCounters, TransactionLayer } from '@ringwire/sip';
import type { MessageCount, SetUpTimes, WireMetrics } from './wire-metrics.js';

/** What is measured under drachtio-server's names. */
export interface DrachtioMeasured {
  layer: TransactionLayer;
  wire: WireMetrics;
  /** Release that the control port says it is. */
  version: string;
  applications: () => number;
  /** Dialogs that peers, and that applications, began. */
  dialogs: () => { inbound: number; outbound: number };
  /** Requests that are being proxied. */
  proxied: () => number;
}

/** drachtio-server's bounds, with finer ones below a second: buckets are cumulative, so its queries hold. */
const ANSWER_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 3, 6, 10, 15, 20, 30, 60];
const ALERT_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7, 10, 15, 20];

/** Histograms of set-up times, under drachtio-server's names: `drachtio_call_pdd_seconds_in|out`, `drachtio_call_answer_seconds_in|out`. */
export function makeSetUpHistograms(metrics: Metrics): SetUpTimes {
  const make = (name: string, help: string, buckets: number[]) => ({
    in: metrics.histogram({ name: `${name}_in`, help: `${help} of calls received`, buckets }),
    out: metrics.histogram({ name: `${name}_out`, help: `${help} of calls sent`, buckets }),
  });
  const alert = make('drachtio_call_pdd_seconds', 'Seconds to the first response but 100', ALERT_SECONDS);
  const answer = make('drachtio_call_answer_seconds', 'Seconds to the 2xx', ANSWER_SECONDS);
  return {
    alerted: (direction, seconds) => alert[direction].observe(seconds),
    answered: (direction, seconds) => answer[direction].observe(seconds),
  };
}

/** Offers what drachtio-server measures under its names, so that dashboards made for it work. */
export function addDrachtioMetrics(metrics: Metrics, measured: DrachtioMeasured): void {
  const { layer, wire, version, applications, dialogs, proxied } = measured;
  addMessageCounts(metrics, wire);
  const startedAt = Date.now() / 1000;
  read(metrics, 'drachtio_time_started', 'When this server started, in seconds since the epoch', () => startedAt);
  metrics
    .gauge({ name: 'drachtio_build_info', help: 'Release whose control protocol this is', labelNames: ['version'] })
    .set({ version }, 1);
  read(metrics, 'drachtio_proxy_cores', 'Requests that are being proxied', proxied);
  read(metrics, 'drachtio_app_connections', 'Applications connected', applications);
  metrics.gauge({
    name: 'drachtio_stable_dialogs',
    help: 'Dialogs in progress, by who began them: a peer (inbound) or an application (outbound)',
    labelNames: ['type'],
    collect() {
      const { inbound, outbound } = dialogs();
      this.set({ type: 'inbound' }, inbound);
      this.set({ type: 'outbound' }, outbound);
    },
  });
  const { counters } = layer;
  const received = (c: SipCounters): number => c.requestsReceived + c.responsesReceived;
  const sent = (c: SipCounters): number => c.requestsSent + c.responsesSent + c.retransmissionsSent;
  const named: Array<[string, string, () => number]> = [
    ['server_txns', 'Live server transactions', () => layer.gauges.serverTransactions],
    ['client_txns', 'Live client transactions', () => layer.gauges.clientTransactions],
    ['dialogs', 'Live dialogs', () => dialogs().inbound + dialogs().outbound],
    ['msgs_recv', 'Messages received', () => received(counters)],
    ['msgs_sent', 'Messages sent', () => sent(counters)],
    ['requests_recv_total', 'Requests received', () => counters.requestsReceived],
    ['requests_sent', 'Requests sent, without repetitions', () => counters.requestsSent],
    ['bad_msgs_recv', 'Bytes that were no acceptable message', () => counters.parseErrorTotal],
  ];
  for (const [name, help, value] of named) read(metrics, `drachtio_sofia_${name}`, help, value);
}

/** `drachtio_sip_*_total` without the transport, `sip_messages_total` and `sip_message_bytes_total` with it. */
function addMessageCounts(metrics: Metrics, wire: WireMetrics): void {
  const requestHelp = 'as they passed the wire, with repetitions';
  for (const direction of ['in', 'out'] as const) {
    metrics.total({
      name: `drachtio_sip_requests_${direction}_total`,
      help: `Requests ${direction}, ${requestHelp}`,
      labelNames: ['method'],
      collect() {
        const sums = sumBy(
          wire,
          (count) => count.direction === direction && count.code === '',
          ({ method }) => method,
        );
        for (const [method, messages] of sums) this.set({ method }, messages);
      },
    });
    metrics.total({
      name: `drachtio_sip_responses_${direction}_total`,
      help: `Responses ${direction}, ${requestHelp}`,
      labelNames: ['method', 'code'],
      collect() {
        const sums = sumBy(
          wire,
          (count) => count.direction === direction && count.code !== '',
          ({ method, code }) => `${method} ${code}`,
        );
        for (const [key, messages] of sums) {
          const [method = '', code = ''] = key.split(' ');
          this.set({ method, code }, messages);
        }
      },
    });
  }
  for (const what of ['messages', 'bytes'] as const) {
    metrics.total({
      name: what === 'messages' ? 'sip_messages_total' : 'sip_message_bytes_total',
      help: `SIP ${what} by transport, with repetitions`,
      labelNames: ['direction', 'transport', 'type'],
      collect() {
        const type = ({ code }: MessageCount): string => (code === '' ? 'request' : 'response');
        const sums = new Map<string, number>();
        for (const count of wire.counts) {
          const key = `${count.direction} ${count.transport} ${type(count)}`;
          sums.set(key, (sums.get(key) ?? 0) + count[what]);
        }
        for (const [key, sum] of sums) {
          const [direction = '', transport = '', kind = ''] = key.split(' ');
          this.set({ direction, transport, type: kind }, sum);
        }
      },
    });
  }
}

function sumBy(
  wire: WireMetrics,
  matches: (count: MessageCount) => boolean,
  keyOf: (count: MessageCount) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const count of wire.counts) {
    if (matches(count)) sums.set(keyOf(count), (sums.get(keyOf(count)) ?? 0) + count.messages);
  }
  return sums;
}

function read(metrics: Metrics, name: string, help: string, value: () => number): void {
  metrics.number({ name, help, read: value });
}
