import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** Nothing takes so long that works. */
const DEADLINE_MS = 15 * 60_000;
const MAX_COMPLAINT = 500;

/**
 * Has a program of the operator make MP3 of a WAV file: it reads the one from its standard input and writes the other to its standard output
 * (`lame --quiet -b 128 - -`). There is no shell: words are separated by blanks.
 * @param signal - ends the program
 * @returns the size of the new file in bytes
 * @throws Error that says what the program said
 */
export async function encodeMp3(command: string, wav: string, mp3: string, signal?: AbortSignal): Promise<number> {
  const [program = '', ...args] = command.split(/\s+/).filter((word) => word !== '');
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(0, MAX_COMPLAINT);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A program that ends early breaks the pipe; how it ended says more.
  const fed = pipeline(createReadStream(wav), child.stdin).catch(() => undefined);
  const [code] = await Promise.all([ended, pipeline(child.stdout, createWriteStream(mp3, { mode: 0o600 })), fed]);
  const { size } = await stat(mp3);
  if (code !== 0 || size === 0) throw new Error(`${program} ended with ${code}: ${complaint.trim() || 'no output'}`);
  return size;
}
