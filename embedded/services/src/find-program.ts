import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ProgramMissingError } from './errors.js';

/**
 * The folders in which programs are looked for: those of PATH and, after each `…/bin`, its `…/sbin`, because Debian
 * keeps servers (mariadbd) there and an ordinary user's PATH does not name it.
 */
export function programFolders(path = process.env.PATH ?? ''): string[] {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const servers = folders
    .filter((folder) => /\/bin\/?$/.test(folder))
    .map((folder) => folder.replace(/bin\/?$/, 'sbin'));
  return [...new Set([...folders, ...servers])];
}

/** Absolute path of an executable, or undefined. */
export function findProgram(name: string, path?: string): string | undefined {
  for (const folder of programFolders(path)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here or not executable: the next folder may have it.
    }
  }
  return undefined;
}

/**
 * Absolute path of an executable.
 * @throws {ProgramMissingError} when no folder of PATH has it.
 */
export function requireProgram(name: string): string {
  const file = findProgram(name);
  if (file === undefined)
    throw new ProgramMissingError(`${name} is not installed (not found on PATH)`, { program: name });
  return file;
}
