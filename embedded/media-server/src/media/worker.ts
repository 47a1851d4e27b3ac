import { parentPort } from 'node:worker_threads';
import { MediaEngine } from './media-engine.js';
import type { MediaCommand, MediaReport } from './protocol.js';

/** Entry of a media thread: commands in, reports out. */
const port = parentPort;
if (!port) throw new TypeError('media/worker runs as a worker thread');

const engine = new MediaEngine((report: MediaReport) => port.postMessage(report));
port.on('message', (command: MediaCommand) => {
  engine.obey(command);
  if (command.type === 'stop') port.close();
});
engine.start();
