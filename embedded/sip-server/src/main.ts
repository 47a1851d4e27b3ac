#!/usr/bin/env node
import { reportReady, runProcess } from '@ringwire/common/lifecycle/run-process.js';
import { readArguments, type SipServerOptions, USAGE } from './arguments.js';
import { ArgumentError, ListenError } from './errors.js';
import { startSipServer } from './server.js';

function argumentsOrExit(): SipServerOptions {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  try {
    return readArguments(process.argv.slice(2), process.env);
  } catch (err) {
    if (!(err instanceof ArgumentError)) throw err;
    process.stderr.write(`sip-server: ${err.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const options = argumentsOrExit();
if (options.logLevel !== undefined) process.env.LOG_LEVEL = options.logLevel;

runProcess('sip-server', async ({ logger, instanceId }) => {
  const server = await startSipServer(options, { logger, instanceId }).catch((err: unknown) => {
    if (!(err instanceof ListenError)) throw err;
    process.stderr.write(`sip-server: ${err.message}\n`);
    process.exit(1);
  });
  const { controlPort, controlTlsPort, contacts, httpPort } = server;
  reportReady({ controlPort, controlTlsPort, contacts, httpPort }, logger);
  return { close: () => server.stop() };
});
