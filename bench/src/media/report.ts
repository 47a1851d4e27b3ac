import { table } from '../table.js';
import type { RtpCount } from './rtp-load.js';

/** What was measured while a number of calls was up. */
export interface CallsResult {
  server: string;
  calls: number;
  /** Calls that did not come about, by what went wrong. */
  failures: Record<string, number>;
  seconds: number;
  /** What the callers heard. */
  heard: RtpCount;
  /** Packets of the callers that the kernel dropped because the server did not read them in time. */
  unread: number;
  /** CPU of the server's process, % of a core: per call, all, and of its busiest thread. */
  cpuPercentPerCall: number;
  cpuPercent: number;
  busiestThreadPercent: number;
  rssBytes: number;
  /** Time for which the host kept its processors from this machine, ms. */
  stolenMs: number;
  /** Digits heard by the server of those that the callers sent as tones, one each; undefined where nobody listens. */
  digits?: number;
  /** Nothing lost or unread, p99 of the gap's error under 5 ms, a packet every 20 ms. */
  good: boolean;
}

/** What a bridge adds. */
export interface BridgeResult {
  server: string;
  pairs: number;
  heard: RtpCount;
  unread: number;
  cpuPercentPerCall: number;
}

/** Calls that were answered at a rate. */
export interface AnswerResult {
  server: string;
  callsPerSecond: number;
  calls: number;
  failures: Record<string, number>;
  /** INVITE → 200, and → endpoint ready, ms. */
  answeredMs: { p50: number; p99: number; max: number };
  readyMs: { p50: number; p99: number; max: number };
  /** CPU of the server per call, with its media for {@link holdSeconds} and its end, ms. */
  cpuMsPerCall: number;
  holdSeconds: number;
}

/** The long run. */
export interface SoakResult extends CallsResult {
  course: Array<{ atSeconds: number; rssBytes: number; cpuPercent: number; lost: number; gapP99: number }>;
  /** Memory that came or went per hour in the second half, by the straight line through it. */
  rssBytesPerHour: number;
}

/** A whole run. */
export interface MediaReport {
  at: string;
  /** Cores that server and load generator share. */
  cores: number;
  cpu: string;
  node: string;
  calls: CallsResult[];
  /** By server: the most calls of a good measurement; 0: none was. */
  largest: Record<string, number>;
  /** By server: what memory grew by per call, bytes. */
  memoryPerCall: Record<string, number>;
  bridges: BridgeResult[];
  answers: AnswerResult[];
  soak: SoakResult | undefined;
  /** What ended a server's measurements early. */
  problems: string[];
}

/** The report as tables for people. */
export function formatMediaReport(report: MediaReport): string {
  const { calls, bridges, answers, soak, largest, memoryPerCall } = report;
  const parts: string[] = [];
  if (calls.length > 0) {
    const most = Object.entries(largest).map(([server, count]) => `${server}: ${count} calls`);
    const memory = Object.entries(memoryPerCall).map(([server, bytes]) => `${server} ${(bytes / 1024).toFixed(0)} KB`);
    parts.push(formatCalls(calls), `most without loss or lateness: ${most.join(', ')}`);
    if (memory.length > 0) parts.push(`memory per call: ${memory.join(', ')}`);
  }
  if (bridges.length > 0) parts.push(formatBridges(bridges));
  if (answers.length > 0) parts.push(formatAnswers(answers));
  if (soak) parts.push(formatSoak(soak));
  parts.push(...report.problems);
  return `${parts.join('\n\n')}\n`;
}

function formatCalls(results: readonly CallsResult[]): string {
  const head = ['server', 'calls', 'lost', 'unread', 'gap p50 ms', 'p99', 'p99.9', 'max', 'drift', 'CPU %/call'];
  return table(
    [...head, 'CPU %', 'thread %', 'RSS MB', 'digits', 'load late ms', 'load CPU %', 'stolen ms', 'good'],
    results.map((one) => [
      one.server,
      `${one.heard.heard}/${one.calls}`,
      String(one.heard.lost),
      String(one.unread),
      ...[one.heard.gap.p50, one.heard.gap.p99, one.heard.gap.p999, one.heard.gap.max].map((ms) => ms.toFixed(1)),
      one.heard.drift.join('…'),
      one.cpuPercentPerCall.toFixed(3),
      one.cpuPercent.toFixed(0),
      one.busiestThreadPercent.toFixed(0),
      megabytes(one.rssBytes),
      one.digits === undefined ? '–' : String(one.digits),
      one.heard.lateMs.toFixed(1),
      (one.heard.cpu * 100).toFixed(0),
      one.stolenMs.toFixed(0),
      one.good ? 'yes' : 'no',
    ]),
  );
}

function formatBridges(results: readonly BridgeResult[]): string {
  return table(
    ['bridge', 'pairs', 'marks', 'delay p50 ms', 'p99', 'p99.9', 'lost', 'CPU %/call'],
    results.map(({ server, pairs, heard, cpuPercentPerCall }) => [
      server,
      String(pairs),
      String(heard.marks),
      ...[heard.delay.p50, heard.delay.p99, heard.delay.p999].map((ms) => ms.toFixed(1)),
      String(heard.lost),
      cpuPercentPerCall.toFixed(3),
    ]),
  );
}

function formatAnswers(results: readonly AnswerResult[]): string {
  const rows = table(
    [
      'answering',
      'calls/s',
      'calls',
      'failed',
      '200 p50 ms',
      'p99',
      'max',
      'ready p50 ms',
      'p99',
      'max',
      'CPU ms/call',
    ],
    results.map(({ server, callsPerSecond, calls, failures, answeredMs, readyMs, cpuMsPerCall }) => [
      server,
      String(callsPerSecond),
      String(calls),
      String(Object.values(failures).reduce((sum, count) => sum + count, 0)),
      ...[answeredMs, readyMs].flatMap(({ p50, p99, max }) => [p50, p99, max]).map((ms) => ms.toFixed(1)),
      cpuMsPerCall.toFixed(2),
    ]),
  );
  const failures = results.flatMap(({ server, failures }) =>
    Object.entries(failures).map(([what, count]) => `${server}: ${count} × ${what}`),
  );
  return [rows, ...failures].join('\n');
}

function formatSoak(soak: SoakResult): string {
  const courses = soak.course.map(({ atSeconds, rssBytes, cpuPercent, lost, gapP99 }) => [
    String(atSeconds),
    megabytes(rssBytes),
    cpuPercent.toFixed(0),
    String(lost),
    gapP99.toFixed(1),
  ]);
  const drift = `packets per call: ${soak.heard.fewest} to ${soak.heard.most}, ${soak.heard.drift.join(' to ')} beyond one in 20 ms`;
  return [
    formatCalls([soak]),
    table(['at s', 'RSS MB', 'CPU %', 'lost', 'gap p99 ms'], courses),
    `${drift}\nmemory in the second half: ${(soak.rssBytesPerHour / 1_048_576).toFixed(1)} MB per hour`,
  ].join('\n\n');
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
