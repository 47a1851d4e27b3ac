import { type MediaFailure, readFailure, writeFailure } from './input.js';
import type { Memory } from './report.js';
import { type FilesResult, runFiles } from './run-files.js';
import { type PacketsResult, runPackets } from './run-packets.js';

/** What a run does. */
export interface MediaFuzzOptions {
  packets: number;
  files: number;
  seed: number;
  /** A file that a failure was written to: only its inputs are sent. */
  replay?: string | undefined;
  /** Where failures are written. */
  outDir: string;
  /** Hears of the progress, and of each failure at once. */
  onProgress?: (text: string) => void;
}

/** How a run ended. */
export interface MediaFuzzSummary {
  seed: number;
  seconds: number;
  packets: PacketsResult | undefined;
  files: FilesResult | undefined;
  failures: MediaFailure[];
  ok: boolean;
}

/** Compiled code, pools and allocators go on growing a little. */
const MAX_HELD_GROWTH_BYTES = 32_000_000;
const MAX_RSS_GROWTH_BYTES = 64_000_000;
/** In a short run everything still warms up. */
const JUDGED_FROM = 20_000;
const SHOWN_BYTES = 300;

/** Fuzzes a media server with packets, then its decoders with files. What it finds is in the summary and in files. */
export async function runMediaFuzz(options: MediaFuzzOptions): Promise<MediaFuzzSummary> {
  const started = performance.now();
  const found = options.replay === undefined ? undefined : readFailure(options.replay);
  const seed = found?.seed ?? options.seed;
  const failures: MediaFailure[] = [];
  const onFailure = (failure: MediaFailure): void => {
    if (!found) failure.path = writeFailure(options.outDir, seed, failure);
    failures.push(failure);
    options.onProgress?.(describe(failure));
  };
  const tell = (what: string) => {
    const began = performance.now();
    return (done: number, total: number): void => {
      const rate = Math.round((done * 1000) / (performance.now() - began));
      options.onProgress?.(`${done} of ${total} ${what}, ${rate}/s, ${failures.length} failures\n`);
    };
  };
  const of = (part: MediaFailure['part'], count: number) =>
    found ? { count: found.part === part ? found.inputs.length : 0, replay: found.inputs } : { count };
  const packetsOf = of('packets', options.packets);
  const packets =
    packetsOf.count > 0 ? await runPackets({ ...packetsOf, seed, onFailure, onProgress: tell('packets') }) : undefined;
  const filesOf = of('files', options.files);
  const files =
    filesOf.count > 0 ? await runFiles({ ...filesOf, seed, onFailure, onProgress: tell('files') }) : undefined;
  const judged = [
    ['packets', packets, packets?.course ?? []],
    ['files', files, files ? [files.before, files.after] : []],
  ] as const;
  for (const [part, result, course] of judged) {
    if (!result || result.inputs < JUDGED_FROM) continue;
    if (heldGrowth(result) <= MAX_HELD_GROWTH_BYTES && residentGrowth(course) <= MAX_RSS_GROWTH_BYTES) continue;
    onFailure({ part, what: 'memory', error: `memory grew: ${memoryText(result)}`, inputs: [] });
  }
  return { seed, seconds: (performance.now() - started) / 1000, packets, files, failures, ok: failures.length === 0 };
}

/** The summary as people read it. */
export function formatMediaSummary({ seed, seconds, packets, files, failures }: MediaFuzzSummary): string {
  const parts: string[] = [];
  const counted = (what: MediaFailure['what']) => failures.filter((failure) => failure.what === what).length;
  if (packets) {
    parts.push(
      `packets: ${packets.inputs} in ${packets.seconds.toFixed(1)} s: ${kindsText(packets.kinds)}`,
      `  the server counted: ${kindsText(packets.counts)}`,
      `  ${packets.probes} good calls in between were answered and heard their tone`,
      `  server: ${memoryText(packets)}`,
      ...packets.course.map((at) => `  with all calls: ${oneMemory(at)}`),
    );
  }
  if (files) {
    parts.push(
      `files: ${files.inputs} in ${files.seconds.toFixed(1)} s: ${kindsText(files.kinds)}`,
      `  process: ${memoryText(files)}`,
    );
  }
  parts.push(
    `seed ${seed}, ${seconds.toFixed(1)} s: ${counted('crash')} crashes, ${counted('rejection')} unhandled rejections, ` +
      `${counted('error')} errors that are bugs, ${counted('stall') + counted('hang')} stalls, ${counted('probe')} good calls that failed, ` +
      `memory ${counted('memory') === 0 ? 'flat' : 'grew'}`,
  );
  return `${parts.join('\n')}\n`;
}

function describe({ part, what, error, inputs, path }: MediaFailure): string {
  const last = inputs.at(-1);
  const bytes = last
    ? `\nlast input ${last.n} (${last.kind}): ${JSON.stringify(last.bytes.toString('latin1').slice(0, SHOWN_BYTES))}`
    : '';
  const again = path ? `\nagain: npm run fuzz -- media --replay ${path}` : '';
  return `${part}: ${what}: ${error.slice(0, 2000)}${bytes}${again}\n`;
}

function heldGrowth({ before, after }: { before: Memory; after: Memory }): number {
  // Nothing was measured of a process that ended.
  return before.heldBytes === 0 || after.heldBytes === 0 ? 0 : after.heldBytes - before.heldBytes;
}

/**
 * The most of the second half less the most of the first: what a process has had at its busiest it does not give back, but what leaks
 * goes on growing.
 */
function residentGrowth(course: readonly Memory[]): number {
  const half = Math.ceil(course.length / 2);
  const most = (part: readonly Memory[]): number => Math.max(0, ...part.map(({ rssBytes }) => rssBytes));
  return most(course.slice(half)) - most(course.slice(0, half));
}

function memoryText({ before, after }: { before: Memory; after: Memory }): string {
  return `before ${oneMemory(before)}; after ${oneMemory(after)}`;
}

function oneMemory({ rssBytes, heldBytes, threads }: Memory): string {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const each = Object.entries(threads).map(([name, bytes]) => `${name} ${mb(bytes)}`);
  return `RSS ${mb(rssBytes)} MB, held ${mb(heldBytes)} MB${each.length > 0 ? ` (${each.join(', ')})` : ''}`;
}

function kindsText(kinds: Record<string, number>): string {
  return Object.entries(kinds)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
