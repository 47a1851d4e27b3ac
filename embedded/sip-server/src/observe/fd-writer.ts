import { write } from 'node:fs';
import type { TraceWriter } from './trace-output.js';

/** Until a pipe whose reader is slow is tried again. */
const RETRY_MS = 20;

/**
 * Writes to a file descriptor on a thread of Node's pool: `process.stdout` writes to terminals, files and pipes at once, so that a
 * reader who stops reading would stop all calls.
 */
export function fdWriter(fd: number): TraceWriter {
  return (text, done) => writeAll(fd, Buffer.from(text), done);
}

function writeAll(fd: number, bytes: Buffer, done: (err?: Error | null) => void): void {
  write(fd, bytes, (err, written) => {
    if (err?.code === 'EAGAIN') setTimeout(() => writeAll(fd, bytes, done), RETRY_MS);
    else if (err) done(err);
    else if (written < bytes.length) writeAll(fd, bytes.subarray(written), done);
    else done();
  });
}
