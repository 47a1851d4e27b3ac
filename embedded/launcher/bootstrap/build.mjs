// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runLogged } from './child.mjs';
import { SetupError } from './setup-error.mjs';

/** Holds the hash of the sources that were last compiled without an error. */
const STAMP = 'node_modules/.ringwire-build';

/** Folders of the workspace. @param {string} root @returns {string[]} */
function workspaces(root) {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces;
}

/** @param {string} folder @param {(name: string) => boolean} wanted @returns {string[]} */
function filesUnder(folder, wanted) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path, wanted);
    return wanted(entry.name) ? [path] : [];
  });
}

/** @param {string} root */
function sourceHash(root) {
  const configs = ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'].map((name) => join(root, name));
  const sources = workspaces(root).flatMap((folder) => [
    join(root, folder, 'tsconfig.json'),
    join(root, folder, 'package.json'),
    ...filesUnder(join(root, folder, 'src'), (name) => /\.(ts|tsx|json)$/.test(name)),
  ]);
  const hash = createHash('sha256');
  for (const file of [...configs, ...sources.sort()]) {
    if (existsSync(file)) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/**
 * Compiles what has changed since the last time; a comparison of hashes when nothing has.
 * @param {{ root: string, progress: import('./progress.mjs').Progress }} context
 */
export async function build({ root, progress }) {
  const stamp = join(root, STAMP);
  const sources = sourceHash(root);
  const compiled = workspaces(root).every((folder) => existsSync(join(root, folder, 'dist')));
  if (compiled && existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return;
  const why = compiled ? 'sources have changed' : 'first time in this clone';
  const step = progress.step('compile', why);
  removeOrphans(root);
  const log = join(root, '.data/logs/build.log');
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { ok, output } = await runLogged(process.execPath, [compiler, '-b'], { cwd: root, log });
  if (!ok) {
    step.fail('failed');
    throw new SetupError(output.trimEnd());
  }
  writeFileSync(stamp, sources);
  step.done(why);
}

/** Compiled files whose source is gone: a removed test must not go on being run. @param {string} root */
function removeOrphans(root) {
  for (const folder of workspaces(root)) {
    const dist = join(root, folder, 'dist');
    for (const file of filesUnder(dist, (name) => /\.(js|d\.ts)(\.map)?$/.test(name))) {
      const source = join(root, folder, 'src', relative(dist, file)).replace(/(\.d\.ts|\.js)(\.map)?$/, '');
      if (!['.ts', '.tsx', '.json'].some((ending) => existsSync(source + ending))) rmSync(file);
    }
  }
}
