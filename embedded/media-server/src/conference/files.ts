import { access, constants, stat } from 'node:fs/promises';
import type { PlayItem } from '../media/protocol.js';

/** Whether all files of a list are there; silence and tones always are. */
export async function areReadable(items: readonly PlayItem[]): Promise<boolean> {
  for (const item of items) {
    if (item.kind === 'missing') return false;
    if ('path' in item && !(await isReadable(item.path))) return false;
  }
  return true;
}

/** Whether that folder is there. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
