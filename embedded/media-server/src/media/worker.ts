import { parentPort, workerData } from 'node:worker_threads';
import { codecFormat } from '@ringwire/rtp';
import { MediaEngine } from './media-engine.js';
import type { MediaCommand, MediaReport, WorkerOptions } from './protocol.js';
import { preferThisThread } from './thread-priority.js';

/** Entry of a media thread: commands in, reports out. */
const port = parentPort;
if (!port) throw new TypeError('media/worker runs as a worker thread');

const { codecs, realtime, preloadDecoders } = workerData as WorkerOptions;
const engine = new MediaEngine((report: MediaReport) => port.postMessage(report));
port.on('message', (command: MediaCommand) => {
  engine.obey(command);
  if (command.type === 'stop') port.close();
});
// Before this thread takes precedence: the decoder's inherits its priority, and must not hold up a tick.
if (preloadDecoders) engine.warmUp();
await Promise.all([preferThisThread(realtime), ...codecs.map((id) => codecFormat(id).load?.())]);
engine.start();
