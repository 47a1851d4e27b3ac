// @ts-check
import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SetupError } from './setup-error.mjs';

/**
 * Whether this user may write the folder of a clone's data, and what is in it. Found out before anything is begun: half
 * of a start later it would be an error of some process about some file.
 *
 * @param {string} folder
 * @throws {SetupError} naming what cannot be written, its owner and what to do.
 */
export function checkDataFolder(folder) {
  if (!existsSync(folder)) {
    const clone = dirname(folder);
    if (!mayUse(clone, constants.W_OK | constants.X_OK)) throw new SetupError(refusal(clone, 'make .data in it'));
    return;
  }
  const foreign = firstForeign(folder, 2);
  if (foreign !== undefined) throw new SetupError(refusal(foreign, `or remove it: rm -rf ${folder}`));
}

/**
 * The first thing that cannot be written, so many levels down: what the set-up and the launcher themselves write. What
 * services keep below has the owner of their folder.
 * @param {string} folder @param {number} levels @returns {string | undefined}
 */
function firstForeign(folder, levels) {
  if (!mayUse(folder, constants.R_OK | constants.W_OK | constants.X_OK)) return folder;
  if (levels === 0) return undefined;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const foreign = entry.isDirectory()
      ? firstForeign(path, levels - 1)
      : entry.isFile() && !mayUse(path, constants.W_OK)
        ? path
        : undefined;
    if (foreign !== undefined) return foreign;
  }
  return undefined;
}

/** @param {string} path @param {number} mode */
function mayUse(path, mode) {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    // Something that has gone since it was listed is in nobody's way.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT';
  }
}

/** @param {string} path @param {string} otherwise */
function refusal(path, otherwise) {
  const owner = lstatSync(path).uid;
  const me = process.getuid?.();
  const who = `${nameOf(owner)}${me === undefined ? '' : `, and this is ${nameOf(me)}`}`;
  if (owner === me) return `${path} cannot be written, although it is yours: give yourself the right (chmod u+rwX)`;
  if (otherwise.startsWith('make')) {
    return `${path} belongs to ${who}, who may not ${otherwise}: run this as ${nameOf(owner)}, or in a clone of your own.`;
  }
  return `${path} cannot be written: it belongs to ${who}. Run this as ${nameOf(owner)}, ${otherwise}`;
}

/** @param {number} uid */
function nameOf(uid) {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(uid));
    return line?.split(':')[0] ?? `user ${uid}`;
  } catch {
    return `user ${uid}`; // No such file: the number has to do.
  }
}
