import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One input: what it is, where it goes, and its bytes as they were made, with stand-ins for what only a run knows. */
export interface MediaInput {
  /** Its number in the run. */
  n: number;
  kind: string;
  /** Which call or connection, where there are several; for files the extension of the name. */
  to: number | string;
  bytes: Buffer;
}

/** A failure, and what led to it. */
export interface MediaFailure {
  part: 'packets' | 'files';
  what: 'crash' | 'rejection' | 'error' | 'stall' | 'hang' | 'probe' | 'memory';
  error: string;
  /** The inputs before it, oldest first; of a file the one that failed. */
  inputs: MediaInput[];
  /** Where it was written. */
  path?: string;
}

const SCHEMA = 1;

/** Writes a failure to a file of its own. @returns the path */
export function writeFailure(folder: string, seed: number, failure: MediaFailure): string {
  mkdirSync(folder, { recursive: true });
  const last = failure.inputs.at(-1);
  const name = join(folder, `${failure.part}-${failure.what}-${seed}-${last?.n ?? 0}`);
  let path = `${name}.json`;
  for (let again = 2; existsSync(path); again++) path = `${name}-${again}.json`;
  const inputs = failure.inputs.map((input) => ({ ...input, bytes: input.bytes.toString('base64') }));
  const { part, what, error } = failure;
  writeFileSync(path, `${JSON.stringify({ schema: SCHEMA, seed, part, what, error, inputs }, undefined, 1)}\n`);
  return path;
}

/** Reads what {@link writeFailure} wrote. @throws SyntaxError or the system's error when it is no such file */
export function readFailure(path: string): { seed: number; part: MediaFailure['part']; inputs: MediaInput[] } {
  const read = JSON.parse(readFileSync(path, 'utf8')) as {
    schema?: number;
    seed: number;
    part: MediaFailure['part'];
    inputs: (Omit<MediaInput, 'bytes'> & { bytes: string })[];
  };
  if (read.schema !== SCHEMA) throw new SyntaxError(`${path} is no input of this fuzzer`);
  const inputs = read.inputs.map((input) => ({ ...input, bytes: Buffer.from(input.bytes, 'base64') }));
  return { seed: read.seed, part: read.part, inputs };
}
