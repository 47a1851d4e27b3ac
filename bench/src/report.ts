import { table } from './table.js';

/** What was measured at one rate. */
export interface RateResult {
  callsPerSecond: number;
  calls: number;
  /** Answered and ended as they should. */
  successful: number;
  /** Refused with 503: overload that was shed. */
  shed: number;
  failed: number;
  /** INVITE → 200, ms. */
  setupMs: { p50: number; p90: number; p99: number; max: number };
  /** CPU time per call over what the process uses when nobody calls, ms, by process. */
  cpuMsPerCall: Record<string, number>;
  cpuMsPerCallTotal: number;
}

/** A whole run. */
export interface SetupReport {
  at: string;
  /** Cores that platform and load generator share. */
  cores: number;
  cpu: string;
  node: string;
  callSeconds: number;
  /** CPU time per second when nobody calls, ms, by process. */
  idleCpuMsPerSecond: Record<string, number>;
  rates: RateResult[];
}

/** The report as two tables for people. */
export function formatReport(report: SetupReport): string {
  const { rates } = report;
  const first = table(
    ['calls/s', 'calls', 'good', 'shed', 'failed', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'CPU ms/call'],
    rates.map(({ callsPerSecond, calls, successful, shed, failed, setupMs, cpuMsPerCallTotal }) =>
      [callsPerSecond, calls, successful, shed, failed, setupMs.p50, setupMs.p90, setupMs.p99, setupMs.max]
        .map(String)
        .concat(cpuMsPerCallTotal.toFixed(1)),
    ),
  );
  const names = Object.keys(report.idleCpuMsPerSecond);
  const second = table(
    ['CPU ms/call', 'idle ms/s', ...rates.map(({ callsPerSecond }) => `${callsPerSecond}/s`)],
    names.map((name) => [
      name,
      (report.idleCpuMsPerSecond[name] ?? 0).toFixed(1),
      ...rates.map(({ cpuMsPerCall }) => (cpuMsPerCall[name] ?? 0).toFixed(1)),
    ]),
  );
  return `${first}\n\n${second}\n`;
}
