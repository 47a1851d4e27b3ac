import { parentPort } from 'node:worker_threads';
import { decodeFile } from './decode-file.js';
import { DecodeTurns } from './decode-turns.js';
import type { DecodeJob, DecodeReport } from './decoder-protocol.js';
import { DecoderStock } from './decoder-stock.js';
import { warmUp } from './warm-up.js';

/** Thread that decodes compressed files; files at the same time take turns. */
const stock = new DecoderStock();
const turns = new DecodeTurns();
const port = parentPort;
if (!port) throw new Error('decoder-thread is started as a worker thread only');

// The MP3 library writes a line there for every piece of a broken file; what is wrong is reported, and nothing else writes.
console.error = () => {};

const report = (message: DecodeReport): void => {
  port.postMessage(message, 'pcm' in message ? [message.pcm.buffer] : []);
};

port.on('message', async (job: DecodeJob) => {
  try {
    for await (const { pcm, sourceRateHz } of decodeFile(job, stock, turns))
      report({ job: job.job, pcm, sourceRateHz });
    report({ job: job.job });
  } catch (error) {
    report({ job: job.job, problem: error instanceof Error ? error.message : String(error) });
  }
});

// What is wrong with a library is told to whoever wants a file of its format.
await warmUp(stock).catch(() => undefined);
