import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** A log beyond this is set aside as `.1` when its process starts next; larger costs disk, smaller costs history. */
const ROTATE_BYTES = 20 * 1024 * 1024;

/**
 * Opens a log for appending and makes its folder.
 * @returns a file descriptor that the caller closes, and the length at which the new part begins.
 */
export function openLog(file: string): { fd: number; startBytes: number } {
  mkdirSync(dirname(file), { recursive: true });
  if (existsSync(file) && statSync(file).size > ROTATE_BYTES) renameSync(file, `${file}.1`);
  const fd = openSync(file, 'a', 0o640);
  return { fd, startBytes: fstatSync(fd).size };
}

/** Text of a log from a position on, at most its last `maxBytes`; empty when the log has been removed. */
export function readLogFrom(file: string, startBytes: number, maxBytes = 256 * 1024): string {
  if (!existsSync(file)) return '';
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const from = Math.max(startBytes, size - maxBytes);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from));
  } finally {
    closeSync(fd);
  }
}

/** The last lines of what a process wrote since it started, for an error message. */
export function lastLines(file: string, startBytes: number, count: number): string {
  return readLogFrom(file, startBytes).trimEnd().split('\n').slice(-count).join('\n');
}
