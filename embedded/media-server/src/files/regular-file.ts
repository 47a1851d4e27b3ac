import type { Stats } from 'node:fs';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { UnplayableFileError } from '../errors.js';

/**
 * Opens a file to read it, and nothing but a file. Never waits: opening a FIFO that nobody writes to, or reading a device, would hold one of the few
 * threads that do all file access of the process, and four of them would end it. Rejects with the system's error, or with UnplayableFileError.
 */
export async function openRegularFile(path: string): Promise<{ file: FileHandle; facts: Stats }> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new UnplayableFileError('not a file', { path });
    return { file, facts };
  } catch (error) {
    await file.close();
    throw error;
  }
}
