// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines, runLogged } from './child.mjs';
import { SetupError } from './setup-error.mjs';

/** Holds the hash of the lock file that `node_modules` was last found to agree with. */
const STAMP = 'node_modules/.ringwire-lock';

/** @param {string} file */
function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** @param {string} file @returns {Record<string, { version?: string, link?: boolean, optional?: boolean, devOptional?: boolean }>} */
function lockedPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

/**
 * Why the npm packages have to be installed, or undefined when they are as the lock file wants them, whoever installed
 * them: npm keeps what it installed in `node_modules/.package-lock.json`.
 * @param {string} root
 */
export function whyInstall(root) {
  const stamp = join(root, STAMP);
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return 'first time in this clone';
  const lock = hashOf(join(root, 'package-lock.json'));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return undefined;
  const installed = lockedPackages(installedFile);
  for (const [path, wanted] of Object.entries(lockedPackages(join(root, 'package-lock.json')))) {
    // Optional packages are for other systems, and folders of the workspace are not in node_modules.
    if (!path.startsWith('node_modules/') || wanted.optional || wanted.devOptional) continue;
    if (installed[path]?.version !== wanted.version) return 'package-lock.json has changed';
  }
  writeFileSync(stamp, lock);
  return undefined;
}

/**
 * @param {string} why
 * @param {{ root: string, progress: import('./progress.mjs').Progress }} context
 */
export async function installNpmPackages(why, { root, progress }) {
  const log = join(root, '.data/logs/npm.log');
  const step = progress.step('npm packages from the lock file', why);
  const npm = npmCommand();
  /** @param {...string} args */
  const runNpm = (...args) =>
    runLogged(npm.command, [...npm.args, ...args, '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: root, log });
  let { ok, output } = await runNpm('ci');
  if (!ok && output.includes('EUSAGE')) {
    // npm wants every optional package of every system in the lock file, also where a registry does not have them all.
    step.update('npm ci refuses the lock file; npm install with the versions in it');
    ({ ok, output } = await runNpm('install', '--no-save'));
  }
  if (!ok) {
    step.fail('npm failed');
    throw new SetupError(`npm could not install the packages:\n${lastLines(output, 12)}\n  (all of it: ${log})`);
  }
  writeFileSync(join(root, STAMP), hashOf(join(root, 'package-lock.json')));
  step.done(why);
}

/** The npm that runs us, where one does. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? { command: process.execPath, args: [script] } : { command: 'npm', args: [] };
}
