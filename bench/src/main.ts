import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchUsageError, parseBenchOptions, USAGE } from './options.js';
import { formatReport } from './report.js';
import { measureSetup } from './setup.js';

const RESULTS_DIR = fileURLToPath(new URL('../../.data/bench/', import.meta.url));

try {
  const options = parseBenchOptions(process.argv.slice(2));
  const report = await measureSetup(options, (text) => process.stderr.write(`${text}\n`));
  const file = options.json ?? join(RESULTS_DIR, `setup-${report.at.replaceAll(':', '-')}.json`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${formatReport(report)}\nresults: ${file}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof BenchUsageError) process.stderr.write(`\n${USAGE}`);
  process.exitCode = 1;
}
