import { cpus, loadavg } from 'node:os';
import { table } from '../table.js';
import { type ChangeTimes, measureChanges } from './changes.js';
import { type DecisionTimes, measureDecisions } from './decisions.js';
import type { RoutingOptions } from './options.js';
import { makePrefixes, seeded } from './prefixes.js';

/** What `bench -- routing` found. */
export interface RoutingReport {
  at: string;
  node: string;
  cores: number;
  /** Load of the machine in the last minute, before and after: above the cores, others used it too. */
  load: [before: number, after: number];
  prefixes: number;
  decisions: DecisionTimes[];
  changes: ChangeTimes;
}

/** Measures decisions, memory, import and changes. */
export async function measureRouting(
  { prefixes: count, decisions, changes }: RoutingOptions,
  progress: (text: string) => void,
): Promise<RoutingReport> {
  const before = loadavg()[0] ?? 0;
  progress(`${count} prefixes`);
  const changeTimes = await measureChanges(count, changes, progress);
  const prefixes = makePrefixes(count, seeded(1));
  progress('decisions');
  return {
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    prefixes: count,
    decisions: measureDecisions(prefixes, decisions),
    changes: changeTimes,
    load: [before, loadavg()[0] ?? 0],
  };
}

/** The report as text for people. */
export function formatRoutingReport({ prefixes, decisions, changes, load, cores }: RoutingReport): string {
  const rows = decisions.map((row) => [
    row.name,
    ...[row.cpuUs, row.p50Us, row.meanUs, row.p99Us, row.p999Us, row.maxUs].map((us) => us.toFixed(1)),
    (row.tableBytes / 1024 / 1024).toFixed(1),
    row.bytesPerPrefix.toFixed(1),
    row.buildMs.toFixed(0),
  ]);
  const head = ['decision', 'CPU µs', 'p50 µs', 'mean', 'p99', 'p99.9', 'max', 'tables MB', 'B/prefix', 'build ms'];
  const list = (values: readonly number[], places: number) => values.map((value) => value.toFixed(places)).join(', ');
  return [
    `${prefixes.toLocaleString('en-US')} prefixes; load ${load.map((value) => value.toFixed(1)).join(' → ')} on ${cores} cores`,
    '',
    table(head, rows),
    '',
    `import: ${list(changes.importSeconds, 1)} s`,
    `a change counts after ${list(changes.applyMs, 0)} ms, with ${changes.applyCpuMs.toFixed(0)} ms of CPU each`,
    `event loop meanwhile: p99 ${changes.loopDelayP99Ms.toFixed(1)} ms, max ${changes.loopDelayMaxMs.toFixed(1)} ms; idle for as long: p99 ${changes.idleDelayP99Ms.toFixed(1)} ms, max ${changes.idleDelayMaxMs.toFixed(1)} ms`,
    `memory of the process: ${changes.rssBeforeMb.toFixed(0)} MB before the deck, ${changes.rssAfterMb.toFixed(0)} MB with it`,
    '',
  ].join('\n');
}
