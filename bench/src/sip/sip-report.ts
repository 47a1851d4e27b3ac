import { table } from '../table.js';

/** What was measured of one server at one rate. */
export interface SipRateResult {
  server: string;
  callsPerSecond: number;
  calls: number;
  failed: number;
  /** Whether under 0.1 % failed. */
  clean: boolean;
  /** INVITE → 200 as sipp saw it, ms. */
  setupMs: { p50: number; p99: number; max: number };
  /** CPU time per call, µs. */
  cpuMicrosPerCall: number;
  appCpuMicrosPerCall: number;
  /** Share of its core that the server used. */
  load: number;
  rssBytes: number;
}

/** Memory of open dialogs: what a warm server without transactions grew by from none to N. */
export interface SipMemoryResult {
  server: string;
  dialogs: number;
  rssBytesPerDialog: number;
  /** Objects and buffers after a collection; undefined where the server is no Node process. */
  heldBytesPerDialog: number | undefined;
}

/** The long run, in search of leaks. */
export interface SipLongRunResult {
  calls: number;
  failed: number;
  callsPerSecond: number;
  p99Ms: number;
  cpuMicrosPerCall: number;
  /** When nothing was alive any more, before and after. */
  before: SipResidue;
  after: SipResidue;
  rssCourse: Array<{ atSeconds: number; rssBytes: number }>;
}

/** What a server holds when nobody calls. */
export interface SipResidue {
  gauges: Record<string, number>;
  /** Timers of Node's event loop. */
  timers: number;
  heldBytes: number;
  rssBytes: number;
}

/** A whole run. */
export interface SipReport {
  at: string;
  cores: number;
  cpu: string;
  node: string;
  /** The core that the servers had to themselves; undefined when they were not pinned. */
  serverCore: number | undefined;
  rates: SipRateResult[];
  memory: SipMemoryResult[];
  longRun: SipLongRunResult | undefined;
}

/** The report as tables for people. */
export function formatSipReport({ rates, memory, longRun, serverCore }: SipReport): string {
  const parts = [
    serverCore === undefined ? 'servers not pinned to a core' : `servers pinned to core ${serverCore}`,
    formatRates(rates),
  ];
  if (memory.length > 0) parts.push(formatMemory(memory));
  if (longRun) parts.push(formatLongRun(longRun));
  return `${parts.join('\n\n')}\n`;
}

function formatRates(rates: readonly SipRateResult[]): string {
  const head = ['server', 'calls/s', 'calls', 'failed', 'p50 ms', 'p99 ms', 'max ms'];
  return table(
    [...head, 'CPU µs/call', 'ratio', 'load', 'app µs/call', 'RSS MB'],
    rates.map((one) => {
      const real = rates.find((other) => other.server === 'drachtio' && other.callsPerSecond === one.callsPerSecond);
      return [
        one.server,
        String(one.callsPerSecond),
        String(one.calls),
        String(one.failed),
        ...[one.setupMs.p50, one.setupMs.p99, one.setupMs.max].map((ms) => ms.toFixed(0)),
        one.cpuMicrosPerCall.toFixed(0),
        real ? (one.cpuMicrosPerCall / real.cpuMicrosPerCall).toFixed(2) : '–',
        `${(one.load * 100).toFixed(0)} %`,
        one.appCpuMicrosPerCall.toFixed(0),
        megabytes(one.rssBytes),
      ];
    }),
  );
}

/** With fewer, what a process grows and shrinks by anyway, some megabytes, is more than what they take. */
const LEAST_DIALOGS = 2000;

function formatMemory(memory: readonly SipMemoryResult[]): string {
  const kilobytes = (bytes: number | undefined, dialogs: number): string => {
    if (bytes === undefined) return '–';
    return dialogs < LEAST_DIALOGS ? 'too few to tell' : (bytes / 1024).toFixed(1);
  };
  return table(
    ['open dialogs', 'number', 'RSS KB each', 'held KB each'],
    memory.map(({ server, dialogs, rssBytesPerDialog, heldBytesPerDialog }) => [
      server,
      String(dialogs),
      kilobytes(rssBytesPerDialog, dialogs),
      kilobytes(heldBytesPerDialog, dialogs),
    ]),
  );
}

function formatLongRun({ calls, failed, callsPerSecond, p99Ms, cpuMicrosPerCall, before, after }: SipLongRunResult) {
  const names = Object.keys(after.gauges);
  const row = (name: string, from: number, to: number, text: (value: number) => string = String): string[] => [
    name,
    text(from),
    text(to),
  ];
  return [
    `${calls} calls at ${callsPerSecond}/s: ${failed} failed, p99 ${p99Ms.toFixed(0)} ms, ${cpuMicrosPerCall.toFixed(0)} µs of CPU per call`,
    table(
      ['when nothing is alive', 'before', 'after'],
      [
        ...names.map((name) => row(name, before.gauges[name] ?? 0, after.gauges[name] ?? 0)),
        row('timers of the event loop', before.timers, after.timers),
        row('held MB', before.heldBytes, after.heldBytes, megabytes),
        row('RSS MB', before.rssBytes, after.rssBytes, megabytes),
      ],
    ),
  ].join('\n\n');
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
