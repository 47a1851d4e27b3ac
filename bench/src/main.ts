import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLOOD_USAGE, parseFloodOptions } from './flood/options.js';
import { formatFloodReport } from './flood/report.js';
import { MEDIA_USAGE, parseMediaOptions } from './media/options.js';
import { formatMediaReport } from './media/report.js';
import { BenchUsageError, parseBenchOptions, USAGE } from './options.js';
import { OUTBOUND_USAGE, parseOutboundOptions } from './outbound/options.js';
import { formatReport } from './report.js';
import { parseRoutingOptions, ROUTING_USAGE } from './routing/options.js';
import { formatSipReport } from './sip/sip-report.js';

const RESULTS_DIR = fileURLToPath(new URL('../../.data/bench/', import.meta.url));

const progress = (text: string): boolean => process.stderr.write(`${text}\n`);
const args = process.argv.slice(2);
const USAGES: Record<string, string> = {
  flood: FLOOD_USAGE,
  media: MEDIA_USAGE,
  outbound: OUTBOUND_USAGE,
  routing: ROUTING_USAGE,
};
const usage = USAGES[args[0] ?? ''] ?? USAGE;

try {
  const options = readOptions();
  const { at, text, report } = await run(options);
  const file = options.json ?? join(RESULTS_DIR, `${options.benchmark}-${at.replaceAll(':', '-')}.json`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${text}\nresults: ${file}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof BenchUsageError) process.stderr.write(`\n${usage}`);
  process.exitCode = 1;
}

function readOptions() {
  if (args[0] === 'flood') return parseFloodOptions(args.slice(1));
  if (args[0] === 'media') return parseMediaOptions(args.slice(1));
  if (args[0] === 'outbound') return parseOutboundOptions(args);
  if (args[0] === 'routing') return parseRoutingOptions(args.slice(1));
  return parseBenchOptions(args, process.env);
}

/** Each benchmark loads only what it measures. */
async function run(options: ReturnType<typeof readOptions>) {
  switch (options.benchmark) {
    case 'flood': {
      const { measureFlood } = await import('./flood/measure.js');
      const report = await measureFlood(options, progress);
      return { at: report.at, text: formatFloodReport(report), report };
    }
    case 'media': {
      const { measureMedia } = await import('./media/measure-media.js');
      const report = await measureMedia(options, progress);
      return { at: report.at, text: formatMediaReport(report), report };
    }
    case 'outbound': {
      const { measureOutbound } = await import('./outbound/measure-outbound.js');
      const { formatOutboundReport } = await import('./outbound/outbound-report.js');
      const report = await measureOutbound(options, progress);
      return { at: report.at, text: formatOutboundReport(report), report };
    }
    case 'routing': {
      const { formatRoutingReport, measureRouting } = await import('./routing/measure-routing.js');
      const report = await measureRouting(options, progress);
      return { at: report.at, text: formatRoutingReport(report), report };
    }
    case 'sip': {
      const { measureSip } = await import('./sip/measure-sip.js');
      const report = await measureSip(options, progress);
      return { at: report.at, text: formatSipReport(report), report };
    }
    case 'setup': {
      const { measureSetup } = await import('./setup.js');
      const report = await measureSetup(options, progress);
      return { at: report.at, text: formatReport(report), report };
    }
  }
}
