#!/usr/bin/env node
import { FuzzUsageError, parseFuzzOptions, USAGE } from './options.js';
import { formatSummary, runSipFuzz } from './run.js';

try {
  const options = parseFuzzOptions(process.argv.slice(2));
  process.stdout.write(`fuzzing sip with seed ${options.seed}\n`);
  const summary = await runSipFuzz({ ...options, onProgress: (text) => process.stdout.write(text) });
  process.stdout.write(formatSummary(summary));
  process.exitCode = summary.ok ? 0 : 1;
} catch (err) {
  if (!(err instanceof FuzzUsageError)) throw err;
  process.stderr.write(`fuzz: ${err.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
