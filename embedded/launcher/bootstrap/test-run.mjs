// @ts-check
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runLogged } from './child.mjs';
import { runTestFile } from './test-file.mjs';
import { byGroup, longestFirst } from './test-groups.mjs';

/**
 * @typedef {import('./test-file.mjs').FileResult} FileResult
 * @typedef {{ root: string, progress: import('./progress.mjs').Progress }} Place
 * @typedef {Place & { args: string[] }} Context
 */

const TAP = 'node_modules/tap/dist/esm/run.mjs';
/** Where more files fail than this, it is not the machine's doing. */
const MOST_SECOND_ATTEMPTS = 5;

/**
 * Lint, then the tests, group after group. Arguments name compiled test files (or parts of their paths) to run instead of all.
 *
 * @param {Context} context
 * @returns {Promise<number>} exit code
 */
export async function runTests({ root, args, progress }) {
  const lint = progress.step('lint');
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const linted = await runLogged(process.execPath, [biome, 'check', root], {
    cwd: root,
    log: join(root, '.data/logs/lint.log'),
  });
  if (linted.ok) lint.done();
  else {
    lint.fail();
    process.stdout.write(linted.output);
  }
  const files = testFiles(root).filter((file) => args.length === 0 || args.some((part) => file.includes(part)));
  await buildTap({ root, progress });
  const { ended, lucky } = await runGroups(byGroup(files, availableParallelism()), { root, progress });
  const passed = ended.reduce((sum, result) => sum + result.passed, 0);
  const failed = ended.reduce((sum, result) => sum + result.failed, linted.ok ? 0 : 1);
  if (passed + failed === 0) progress.say('no test was run');
  for (const line of summary(ended, lucky)) progress.say(line);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/**
 * Runs group after group; then those files that failed once more, each alone: a shared virtual machine may stop for hundreds of ms, which timers of SIP
 * and ears of callers notice. What they said of their first failure stays in the output.
 *
 * @param {import('./test-groups.mjs').TestGroup[]} groups
 * @param {Place} place
 * @returns {Promise<{ ended: FileResult[], lucky: FileResult[] }>} the last result of each file, and the first of those that passed only at the second attempt
 */
export async function runGroups(groups, { root, progress }) {
  /** @type {FileResult[]} */
  const first = [];
  for (const { of, ...options } of groups) {
    first.push(...(await runFiles(longestFirst(of), options, { root, progress })));
  }
  const failed = first.filter(({ ok }) => !ok);
  if (failed.length === 0) return { ended: first, lucky: [] };
  if (failed.length > MOST_SECOND_ATTEMPTS) {
    progress.say(`no second attempts: ${failed.length} files failed`);
    return { ended: first, lucky: [] };
  }
  const again = failed.map(({ file }) => file);
  progress.say(`second attempt, each alone: ${again.join(', ')}`);
  const second = await runFiles(again, { jobs: 1, timeoutSec: 600 }, { root, progress });
  const later = new Map(second.map((result) => [result.file, result]));
  return {
    ended: first.map((result) => later.get(result.file) ?? result),
    lucky: failed.filter(({ file }) => later.get(file)?.ok),
  };
}

/**
 * What must not be overlooked in a long output.
 * @param {FileResult[]} ended
 * @param {FileResult[]} lucky first results of those that passed only at the second attempt
 * @returns {string[]}
 */
export function summary(ended, lucky) {
  const lines = [];
  const skipped = ended.flatMap((result) => result.skipped);
  if (skipped.length > 0) lines.push(`skipped (${skipped.length}):`, ...skipped.map((what) => `  ${what}`));
  if (lucky.length > 0) lines.push('passed only at the second attempt:', ...lucky.flatMap(whatFailed));
  const bad = ended.filter(({ ok }) => !ok);
  if (bad.length > 0) lines.push('failed:', ...bad.flatMap(whatFailed));
  return lines;
}

/** @param {FileResult} result */
function whatFailed({ file, failures }) {
  return [`  ${file}`, ...failures];
}

/** Compiled test files of the whole workspace, as paths from its root. @param {string} root */
function testFiles(root) {
  /** @type {string[]} */
  const workspaces = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces;
  return workspaces
    .flatMap((folder) => {
      const dist = join(root, folder, 'dist');
      if (!existsSync(dist)) return [];
      const names = /** @type {string[]} */ (readdirSync(dist, { recursive: true }));
      return names.filter((name) => name.endsWith('.test.js')).map((name) => `${folder}/dist/${name}`);
    })
    .sort();
}

/**
 * Builds tap's test class for the plugins that `.taprc` names; without that, the first run in a clone uses all plugins.
 * @param {Place} place
 */
async function buildTap({ root, progress }) {
  const built = join(root, 'node_modules/.ringwire-tap');
  const wanted = readFileSync(join(root, '.taprc'), 'utf8');
  if (existsSync(built) && readFileSync(built, 'utf8') === wanted) return;
  const step = progress.step('tap plugins', 'first time with this .taprc');
  const log = join(root, '.data/logs/tap.log');
  const { ok, output } = await runLogged(process.execPath, [join(root, TAP), 'build'], { cwd: root, log });
  if (!ok) {
    step.fail();
    throw new Error(`tap build failed:\n${output}`);
  }
  writeFileSync(built, wanted);
  step.done();
}

/**
 * Runs files, several at a time, and shows each as it ends.
 *
 * Ctrl-C and SIGTERM end those that run, then this process.
 *
 * @param {string[]} files in the order in which they begin
 * @param {{ jobs: number, timeoutSec: number }} options how many at a time, and how long one may take
 * @param {Place} place
 * @returns {Promise<FileResult[]>}
 */
async function runFiles(files, { jobs, timeoutSec }, { root, progress }) {
  /** @type {FileResult[]} */
  const results = [];
  if (files.length === 0) return results;
  /** @type {Set<import('node:child_process').ChildProcess>} */
  const running = new Set();
  /** @type {NodeJS.Signals | undefined} */
  let interruptedBy;
  /** @param {NodeJS.Signals} signal */
  const interrupt = (signal) => {
    interruptedBy = signal;
    for (const child of running) child.kill(signal);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const step = progress.step('tests', `0 of ${files.length} files`);
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined && interruptedBy === undefined; file = waiting.shift()) {
      /** @type {import('node:child_process').ChildProcess | undefined} */
      let started;
      const result = await runTestFile(file, {
        root,
        timeoutSec,
        onStart(child) {
          started = child;
          running.add(child);
        },
      });
      if (started) running.delete(started);
      if (interruptedBy !== undefined) return;
      results.push(result);
      progress.say(`${result.ok ? '✔' : '✖'} ${file} (${result.seconds.toFixed(1)} s)`);
      for (const failure of result.failures) progress.say(failure);
      step.update(`${results.length} of ${files.length} files`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  step.forget();
  process.off('SIGINT', interrupt);
  process.off('SIGTERM', interrupt);
  if (interruptedBy !== undefined) process.exit(interruptedBy === 'SIGINT' ? 130 : 143);
  return results;
}
