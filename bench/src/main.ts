import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLOOD_USAGE, parseFloodOptions } from './flood/options.js';
import { formatFloodReport } from './flood/report.js';
import { BenchUsageError, parseBenchOptions, USAGE } from './options.js';
import { formatReport } from './report.js';
import { formatSipReport } from './sip/sip-report.js';

const RESULTS_DIR = fileURLToPath(new URL('../../.data/bench/', import.meta.url));

const progress = (text: string): boolean => process.stderr.write(`${text}\n`);
const isFlood = process.argv[2] === 'flood';

try {
  const args = process.argv.slice(2);
  const options = isFlood ? parseFloodOptions(args.slice(1)) : parseBenchOptions(args, process.env);
  const { at, text, report } = await run(options);
  const file = options.json ?? join(RESULTS_DIR, `${options.benchmark}-${at.replaceAll(':', '-')}.json`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${text}\nresults: ${file}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof BenchUsageError) process.stderr.write(`\n${isFlood ? FLOOD_USAGE : USAGE}`);
  process.exitCode = 1;
}

/** Each benchmark loads only what it measures. */
async function run(options: ReturnType<typeof parseBenchOptions | typeof parseFloodOptions>) {
  if (options.benchmark === 'flood') {
    const { measureFlood } = await import('./flood/measure.js');
    const report = await measureFlood(options, progress);
    return { at: report.at, text: formatFloodReport(report), report };
  }
  if (options.benchmark === 'sip') {
    const { measureSip } = await import('./sip/measure-sip.js');
    const report = await measureSip(options, progress);
    return { at: report.at, text: formatSipReport(report), report };
  }
  const { measureSetup } = await import('./setup.js');
  const report = await measureSetup(options, progress);
  return { at: report.at, text: formatReport(report), report };
}
