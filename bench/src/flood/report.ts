import { table } from '../table.js';
import type { FloodReport } from './measure.js';

/** The report as a table for people. */
export function formatFloodReport({ phases }: FloodReport): string {
  const rows = phases.map((phase) => {
    const { p50, p90, p99, max, firstP50 } = phase.setupMs;
    return [
      phase.name,
      String(phase.floodPerSecond),
      String(phase.reached),
      String(phase.calls),
      String(phase.failed),
      ...[p50, p90, p99, max, firstP50].map((ms) => ms.toFixed(1)),
      ...[phase.serverCpuMs, phase.applicationCpuMs, phase.serverMemoryMb].map((value) => value.toFixed(0)),
    ];
  });
  const head = [
    'phase',
    'flood/s',
    'reached app',
    'calls',
    'failed',
    'p50 ms',
    'p90',
    'p99',
    'max',
    'p50 of first 2 s',
  ];
  return `${table([...head, 'server CPU ms/s', 'app CPU ms/s', 'server MB'], rows)}\n`;
}
