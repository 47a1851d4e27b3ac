import { table } from '../table.js';

/** Times of calls, ms. */
export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

/** What was measured at one rate. */
export interface OutboundResult {
  name: string;
  callsPerSecond: number;
  calls: number;
  failed: number;
  /** From the INVITE of the feature server to the one that the carrier got. */
  inviteMs: Spread;
  /** From the INVITE of the feature server to its 200; the carrier answers at once. */
  answerMs: Spread;
  /** CPU time by process. */
  cpuMsPerCall: Record<string, number>;
}

/** What `bench -- outbound` found. */
export interface OutboundReport {
  at: string;
  node: string;
  cores: number;
  cpu: string;
  /** Load of the machine in the last minute, before and after: above the cores, others used it too. */
  load: [before: number, after: number];
  results: OutboundResult[];
}

const PROCESSES = ['sbc-outbound', 'SIP server', 'rtpengine'];

/** The report as text for people. */
export function formatOutboundReport({ results, load, cores, cpu, node }: OutboundReport): string {
  const spread = ({ p50, p99, max }: Spread): string[] => [p50, p99, max].map((ms) => ms.toFixed(1));
  const head = ['calls/s', 'calls', 'failed', 'INVITE p50 ms', 'p99', 'max', '200 p50 ms', 'p99', 'max', '÷ sipp'];
  const alone = results[0];
  const rows = results.map((one) => [
    one.name,
    ...[one.callsPerSecond, one.calls, one.failed].map(String),
    ...spread(one.inviteMs),
    ...spread(one.answerMs),
    alone && alone.answerMs.p50 > 0 ? (one.answerMs.p50 / alone.answerMs.p50).toFixed(1) : '–',
    ...PROCESSES.map((name) => one.cpuMsPerCall[name]?.toFixed(2) ?? '–'),
  ]);
  return [
    `${cores} × ${cpu}, Node ${node}; load ${load.map((value) => value.toFixed(1)).join(' → ')}`,
    '',
    table(['way', ...head, ...PROCESSES.map((name) => `${name} CPU ms`)], rows),
    '',
  ].join('\n');
}
