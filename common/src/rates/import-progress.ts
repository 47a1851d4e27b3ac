import type { ImportProgress } from './import-rates.js';

/** Where progress is shown. */
export interface ProgressOutput {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** How often a bar is drawn, and how often a line is written where it cannot be. */
const BAR_MS = 100;
const LINE_MS = 2_000;
const BAR_WIDTH = 30;
/** Reading takes about this share of the whole. */
const READING_SHARE = 0.4;

/** How much of an import is done, from 0 to 1. */
export function shareDone(progress: ImportProgress, totalBytes: number): number {
  if (progress.phase === 'reading')
    return totalBytes === 0 ? 0 : READING_SHARE * Math.min(1, progress.bytes / totalBytes);
  if (progress.phase === 'storing') return READING_SHARE + (1 - READING_SHARE) * (progress.rows / progress.total);
  return 1;
}

/**
 * Shows how far an import has come: a bar on a terminal, elsewhere a plain line every two seconds.
 *
 * @returns what to call with each step, and at the end, which leaves the line to others
 */
export function showProgress(
  out: ProgressOutput,
  totalBytes: number,
  now: () => number = () => performance.now(),
): { step: (progress: ImportProgress) => void; end: () => void } {
  const startedAt = now();
  const isBar = out.isTTY === true;
  let shownAt = isBar ? Number.NEGATIVE_INFINITY : startedAt;
  let phase = '';
  return {
    step(progress) {
      const isDue = now() - shownAt >= (isBar ? BAR_MS : LINE_MS) || progress.phase !== phase;
      if (!isDue) return;
      shownAt = now();
      phase = progress.phase;
      const share = shareDone(progress, totalBytes);
      const seconds = ((now() - startedAt) / 1000).toFixed(0);
      const rows = 'rows' in progress ? `, ${progress.rows.toLocaleString('en-US')} rows` : '';
      const text = `${(share * 100).toFixed(0).padStart(3)} % ${progress.phase}${rows}, ${seconds} s`;
      if (!isBar) {
        out.write(`${text.trimStart()}\n`);
        return;
      }
      const filled = Math.round(share * BAR_WIDTH);
      const line = `[${'█'.repeat(filled)}${'·'.repeat(BAR_WIDTH - filled)}] ${text}`;
      out.write(`\r\u001b[2K${line.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`);
    },
    end() {
      if (isBar) out.write('\r\u001b[2K');
    },
  };
}
