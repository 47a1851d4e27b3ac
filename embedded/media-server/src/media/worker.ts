import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { codecFormat } from '@ringwire/rtp';
import { MediaEngine } from './media-engine.js';
import type { MediaCommand, MediaReport, WorkerOptions } from './protocol.js';

/** Entry of a media thread: commands in, reports out. */
const port = parentPort;
if (!port) throw new TypeError('media/worker runs as a worker thread');

/** Nice value of media threads: a late packet is heard, a late answer to a command is not. FreeSWITCH does the same. */
const MEDIA_PRIORITY = -15;

try {
  // On Linux this is the calling thread's priority, not the process's.
  setPriority(0, MEDIA_PRIORITY);
} catch (error) {
  // Only a privileged user may; without it media is as good as the machine is idle.
  if (!(error instanceof Error)) throw error;
}

const engine = new MediaEngine((report: MediaReport) => port.postMessage(report));
port.on('message', (command: MediaCommand) => {
  engine.obey(command);
  if (command.type === 'stop') port.close();
});
const { codecs } = workerData as WorkerOptions;
await Promise.all(codecs.map((id) => codecFormat(id).load?.()));
engine.start();
