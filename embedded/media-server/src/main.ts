import { reportReady, runProcess } from '@ringwire/common/lifecycle/run-process.js';
import { UsageError } from './errors.js';
import { readOptions, type ServerOptions, USAGE } from './options.js';
import { startMediaServer } from './server.js';

function optionsOrExit(args: string[]): ServerOptions {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${USAGE}\n`);
    process.exit(0);
  }
  try {
    return readOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`media-server: ${error.message}\n`);
    process.exit(1);
  }
}

const options = optionsOrExit(process.argv.slice(2));

// Calls are not drained: their clients hold the event sockets and would move them elsewhere or end them first.
runProcess('media-server', async ({ logger, instanceId }) => {
  const server = await startMediaServer(options, logger, instanceId);
  const { sip, esl, httpPort } = server;
  reportReady({ sip, esl, httpPort }, logger);
  return { close: () => server.close() };
});
