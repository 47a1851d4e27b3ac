// @ts-check
import { join } from 'node:path';
import { build } from './build.mjs';
import { checkDataFolder } from './data-folder.mjs';
import { installPackages } from './debian.mjs';
import { installNpmPackages, whyInstall } from './npm-packages.mjs';
import { hasProgram, isDebianLike, missingMessage, missingPrograms } from './programs.mjs';
import { SetupError } from './setup-error.mjs';
import { takeSetupLock } from './setup-lock.mjs';

export { SetupError };

const NODE_MAJOR = 20;

/**
 * Brings machine and clone into the state that a command needs. What cannot be had is found out before anything is
 * changed.
 *
 * @param {{ root: string, command: import('./commands.mjs').Command, progress: import('./progress.mjs').Progress, env: NodeJS.ProcessEnv }} context
 * @throws {SetupError}
 */
export async function prepare({ root, command, progress, env }) {
  const node = progress.step('Node.js', process.versions.node);
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
    node.fail();
    throw new SetupError(`Node.js ${NODE_MAJOR} or newer is needed; this is ${process.versions.node}.`);
  }
  node.done();
  const missing = checkPrograms(command.programs, { progress, env });
  checkDataFolder(join(root, '.data'));
  const release = await takeSetupLock(join(root, '.data/setup.lock'), progress);
  try {
    if (missing.length > 0) await installPackages(missing, { root, progress });
    const why = whyInstall(root);
    if (why !== undefined) await installNpmPackages(why, { root, progress });
    else progress.step('npm packages', 'as the lock file wants them').done();
    await build({ root, progress });
  } finally {
    release();
  }
}

/**
 * @param {import('./programs.mjs').Requirement[]} programs
 * @param {{ progress: import('./progress.mjs').Progress, env: NodeJS.ProcessEnv }} context
 */
function checkPrograms(programs, { progress, env }) {
  if (programs.length === 0) return [];
  const step = progress.step('system programs');
  const missing = missingPrograms(programs, env);
  const needed = missing.filter(({ isOptional }) => !isOptional);
  const namesOf = (/** @type {typeof missing} */ list) => list.map(({ program }) => program).join(', ');
  if (missing.length === 0) step.done('all there');
  else if (process.getuid?.() === 0 && isDebianLike() && hasProgram('apt-get', env.PATH)) {
    step.done(`${namesOf(missing)} missing, to be installed`);
  } else if (needed.length === 0) {
    step.done(`all there but ${namesOf(missing)}: what needs it is left out`);
    return [];
  } else {
    step.fail(`${namesOf(needed)} missing`);
    const facts = { debianLike: isDebianLike(), apt: hasProgram('apt-get', env.PATH) };
    throw new SetupError(missingMessage(needed, facts));
  }
  return missing;
}
