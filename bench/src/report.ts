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

/** Value below which a share of the values lies (nearest rank); 0 for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
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

function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
