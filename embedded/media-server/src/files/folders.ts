import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { TooManyFoldersError } from '../errors.js';

/** New folders that one path may need. More is a mistake, and each is a few calls of the system. */
const MAX_NEW_FOLDERS = 32;

/**
 * Makes a folder and those above it that are missing. Rejects with the system's error, or with TooManyFoldersError before any is made. One by one, since
 * `mkdir` with `recursive` tries for ever where a folder is there and takes none, as `/proc` (Node 20).
 */
export async function makeFolders(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isThere(folder)); folder = dirname(folder)) {
    if (missing.length === MAX_NEW_FOLDERS) throw new TooManyFoldersError('too many folders are missing', { path });
    missing.push(folder);
  }
  for (const folder of missing.reverse()) await mkdir(folder).catch(unlessThere);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

/** Another recording may have made it just now. */
function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
