#!/usr/bin/env node
import { formatMediaSummary, runMediaFuzz } from './media/run-media.js';
import { FuzzUsageError, parseFuzzOptions, USAGE } from './options.js';
import { formatSummary, runSipFuzz } from './run.js';

try {
  const options = parseFuzzOptions(process.argv.slice(2));
  process.stdout.write(`fuzzing ${options.target} with seed ${options.seed}\n`);
  const onProgress = (text: string): void => void process.stdout.write(text);
  if (options.target === 'sip') {
    const summary = await runSipFuzz({ ...options, onProgress });
    process.stdout.write(formatSummary(summary));
    process.exitCode = summary.ok ? 0 : 1;
  } else {
    const summary = await runMediaFuzz({ ...options, onProgress });
    process.stdout.write(formatMediaSummary(summary));
    process.exitCode = summary.ok ? 0 : 1;
  }
} catch (err) {
  if (!(err instanceof FuzzUsageError)) throw err;
  process.stderr.write(`fuzz: ${err.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
