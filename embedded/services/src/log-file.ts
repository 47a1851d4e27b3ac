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

/** Numbers from which a level of pino is an error, and the names that stand for them. */
const ERROR_LEVEL = 50;
const ERROR_NAMES: ReadonlySet<unknown> = new Set(['error', 'fatal']);

/**
 * Why a process failed, in words, from what it wrote since it started: the last error of a structured log (its message
 * and that of its `err`), else the last lines as text.
 */
export function lastWords(file: string, startBytes: number, count: number): string {
  const lines = readLogFrom(file, startBytes).trimEnd().split('\n');
  const entries = lines.map((line) => ({ line, entry: parseEntry(line) }));
  const error = entries.findLast(({ entry }) => entry?.isError === true)?.entry;
  if (error !== undefined) return error.text;
  return entries
    .map(({ line, entry }) => entry?.text ?? line)
    .slice(-count)
    .join('\n');
}

/** A line of pino's; undefined for any other. */
function parseEntry(line: string): { text: string; isError: boolean } | undefined {
  if (!line.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // Text that happens to begin with a brace.
  }
  const { level, msg, err } = value as { level?: unknown; msg?: unknown; err?: { message?: unknown } | null };
  const why = typeof err?.message === 'string' ? err.message : '';
  const said = typeof msg === 'string' ? msg : '';
  const text = said === '' || why.includes(said) ? why : why === '' || said.includes(why) ? said : `${said}: ${why}`;
  if (text === '') return undefined;
  return { text, isError: typeof level === 'number' ? level >= ERROR_LEVEL : ERROR_NAMES.has(level) };
}
