import { nowMs } from '@ringwire/common/events/clock.js';
import type { HttpServerOptions } from '@ringwire/common/http/server.js';
import type { Logger } from '@ringwire/common/log/logger.js';
import type { Metrics } from '@ringwire/common/metrics/metrics.js';
import type { WireTap } from '@ringwire/sip';
import { addCapturePages } from './capture-pages.js';
import { CaptureRing } from './capture-ring.js';
import { makeSetUpHistograms } from './drachtio-metrics.js';
import { fdWriter } from './fd-writer.js';
import { HepSender } from './hep-sender.js';
import type { ObserveSettings } from './observe-arguments.js';
import { Trace } from './trace.js';
import { type TraceLimits, TraceOutput, type TraceWriter } from './trace-output.js';
import { readWireMessage, type WireMessage } from './wire-message.js';
import { WireMetrics } from './wire-metrics.js';

/** What an observer is made of. */
export interface ObserverOptions {
  settings: ObserveSettings;
  logger: Logger;
  /** Undefined: nobody reads metrics, so nothing is counted. */
  metrics: Metrics | undefined;
  /** Name of this server at Homer. */
  nodeName: string;
  /** Where the trace is written. @defaultValue standard output */
  traceWriter?: TraceWriter | undefined;
  traceLimits?: Partial<TraceLimits> | undefined;
}

/** Everything that watches the messages of one server; each part sees every message once. */
export class Observer {
  readonly wire: WireMetrics | undefined;
  readonly ring: CaptureRing | undefined;
  readonly trace: Trace | undefined;
  private traceOutput: TraceOutput | undefined;
  readonly hep: HepSender | undefined;
  /** What the transaction layer calls; undefined when nothing watches. */
  readonly tap: WireTap | undefined;
  private readonly watchers: Array<{ take(message: WireMessage): void }>;

  constructor(private readonly options: ObserverOptions) {
    const { settings, metrics, logger, nodeName } = options;
    const { capture, homer, trace } = settings;
    this.wire = metrics && new WireMetrics(makeSetUpHistograms(metrics));
    this.ring = capture && new CaptureRing(capture);
    this.hep =
      homer && new HepSender(homer.target, { agentId: homer.agentId, authKey: homer.authKey, nodeName }, logger);
    this.trace = trace && this.makeTrace(trace);
    this.watchers = [this.wire, this.ring, this.hep, this.trace].filter((watcher) => watcher !== undefined);
    if (this.watchers.length > 0)
      this.tap = (direction, bytes, peer, local) => this.see(readWireMessage(direction, bytes, peer, local));
    if (metrics) this.addMetrics(metrics);
  }

  /** Adds the pages of what is remembered. */
  addPages(app: Parameters<NonNullable<HttpServerOptions['routes']>>[0]): void {
    const { capture } = this.options.settings;
    if (this.ring && capture) addCapturePages(app, this.ring, capture.mayAsk, () => nowMs() * 1000);
  }

  close(): void {
    this.hep?.close();
    this.trace?.close();
  }

  private see(message: WireMessage): void {
    for (const watcher of this.watchers) {
      try {
        watcher.take(message);
      } catch (err) {
        // A bug there must not cost the call.
        this.options.logger.error({ err }, 'a message was not observed');
      }
    }
  }

  private makeTrace({ detail, filter }: NonNullable<ObserveSettings['trace']>): Trace {
    const { traceWriter = fdWriter(1) } = this.options;
    const isTerminal = this.options.traceWriter === undefined && process.stdout.isTTY === true;
    const width = isTerminal ? () => Math.min(160, Math.max(80, process.stdout.columns)) : () => 100;
    const output = new TraceOutput(traceWriter, this.options.traceLimits);
    this.traceOutput = output;
    return new Trace(output, { detail, filter, colour: isTerminal, width });
  }

  private addMetrics(metrics: Metrics): void {
    const { ring, hep, traceOutput } = this;
    if (traceOutput) {
      metrics.total({
        name: 'sip_trace_dropped_total',
        help: 'Messages that the trace did not show because they were too many',
        collect() {
          this.set(traceOutput.dropped);
        },
      });
    }
    if (ring) {
      metrics.gauge({
        name: 'sip_captured',
        help: 'What the last messages are remembered by: messages, calls, bytes',
        labelNames: ['what'],
        collect() {
          for (const [what, count] of Object.entries(ring.gauges)) this.set({ what }, count);
        },
      });
    }
    if (hep) {
      metrics.total({
        name: 'sip_hep_packets_total',
        help: 'Messages for Homer, by what became of them',
        labelNames: ['result'],
        collect() {
          for (const [result, count] of Object.entries(hep.counters)) this.set({ result }, count);
        },
      });
    }
  }
}
