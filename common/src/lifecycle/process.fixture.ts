/** Child process of `run-process.test.ts`: what it does when it is told to end is chosen by its first argument. */
import { integer, readConfig, text } from '../config/read-config.js';
import { reportReady, runProcess } from './run-process.js';

const kind = process.argv[2];

runProcess('fixture', async ({ logger, env, stop }) => {
  if (kind === 'misconfigured') readConfig({ A: text({ doc: 'an a' }), B: integer({ doc: 'a b' }) }, env);
  if (kind === 'failing') throw new Error('cannot start');
  // Keeps the process alive, as a server would.
  const timer = setInterval(() => {}, 1_000);
  process.on('message', (message) => {
    if (message === 'reject') void Promise.reject(new Error('nobody cares'));
    if (message === 'throw') setImmediate(() => JSON.parse('{'));
    if (message === 'stop') stop('enough', 3);
    if (message === 'ping') process.send?.('pong');
  });
  reportReady({ port: 1234 });
  return {
    async drain() {
      logger.info('draining');
      process.send?.('draining');
      if (kind === 'stuck') await new Promise(() => {});
      if (kind === 'busy')
        await new Promise<void>((resolve) => process.on('message', (m) => m === 'finish' && resolve()));
    },
    async close() {
      clearInterval(timer);
      logger.info('closed');
    },
  };
});
