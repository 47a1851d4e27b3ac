// @ts-check
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runLogged } from './child.mjs';

/**
 * @typedef {{ passed: number, failed: number }} Totals
 * @typedef {{ root: string, args: string[], progress: import('./progress.mjs').Progress }} Context
 */

const TAP = 'node_modules/tap/dist/esm/run.mjs';

/**
 * Lint, then the tests beside the code, several at a time, then the end-to-end suites, one after the other because each
 * starts a whole platform. Arguments name compiled test files (or parts of their paths) to run instead of all.
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
  const jobs = availableParallelism();
  const groups = [
    { of: files.filter((file) => !file.startsWith(END_TO_END) && !file.startsWith(REAL_TIME)), jobs, timeoutSec: 120 },
    { of: files.filter((file) => file.startsWith(REAL_TIME)), jobs, timeoutSec: 300 },
    { of: files.filter((file) => file.startsWith(END_TO_END)), jobs: 1, timeoutSec: 600 },
  ];
  await buildTap({ root, progress });
  let passed = 0;
  let failed = linted.ok ? 0 : 1;
  for (const { of, ...options } of groups) {
    const result = await runTap(of, options, { root, progress });
    passed += result.passed;
    failed += result.failed;
  }
  if (passed + failed === 0) progress.say('no test was run');
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** One file at a time: each starts whole platforms. */
const END_TO_END = 'test/';
/** Waits for audio most of the time and judges it by 20 ms: not beside tests that take a whole core. */
const REAL_TIME = 'embedded/media-server/';

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
 * @param {{ root: string, progress: import('./progress.mjs').Progress }} context
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
 * Runs tap over some files and shows each as it ends.
 * @param {string[]} files
 * @param {{ jobs: number, timeoutSec: number }} options how many files at a time, and how long one may take
 * @param {{ root: string, progress: import('./progress.mjs').Progress }} context
 * @returns {Promise<Totals>}
 */
async function runTap(files, { jobs, timeoutSec }, { root, progress }) {
  if (files.length === 0) return { passed: 0, failed: 0 };
  const args = [join(root, TAP), 'run', '--reporter=tap', `--jobs=${jobs}`, `--timeout=${timeoutSec}`, ...files];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => child.kill(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  const report = await readTap(child.stdout, files.length, progress);
  const code = await new Promise((resolve) =>
    child.exitCode === null ? child.on('close', resolve) : resolve(child.exitCode),
  );
  process.off('SIGINT', forward);
  process.off('SIGTERM', forward);
  // A run that ends badly without having counted a failure (tap itself broke) is one.
  return { passed: report.passed, failed: Math.max(report.failed, code === 0 ? 0 : 1) };
}

/**
 * @param {import('node:stream').Readable} stream
 * @param {number} count
 * @param {import('./progress.mjs').Progress} progress
 * @returns {Promise<Totals>}
 */
async function readTap(stream, count, progress) {
  const { Parser } = await import('tap-parser');
  const parser = new Parser();
  const totals = { passed: 0, failed: 0 };
  /** @type {string[]} */
  let failures = [];
  let ended = 0;
  const step = progress.step('tests', `0 of ${count} files`);
  parser.on('fail', (result) => failures.push(describeFailure(result)));
  parser.on('assert', (file) => {
    ended += 1;
    const took = file.time === null ? '' : ` (${(file.time / 1000).toFixed(1)} s)`;
    progress.say(`${file.ok ? '✔' : '✖'} ${file.name}${took}${file.skip ? ' skipped' : ''}`);
    for (const failure of failures) progress.say(failure);
    failures = [];
    step.update(`${ended} of ${count} files`);
  });
  parser.on('comment', (comment) => {
    const found = /^# \{ total: \d+(?:, pass: (\d+))?(?:, fail: (\d+))?/.exec(comment);
    if (found === null) return;
    totals.passed = Number(found[1] ?? 0);
    totals.failed = Number(found[2] ?? 0);
  });
  stream.pipe(parser);
  await new Promise((resolve) => parser.on('complete', resolve));
  step.forget();
  return totals;
}

/**
 * The name of what failed, with the sentences around it, and tap's facts about it.
 * @param {{ fullname: string, name: string, diag: unknown }} failure
 */
function describeFailure({ fullname, name, diag }) {
  // What was open at a timeout is long and seldom says more than that something was.
  const {
    handles: _handles,
    requests: _requests,
    args: _args,
    ...rest
  } = /** @type {Record<string, unknown>} */ (diag ?? {});
  const facts = JSON.stringify(rest, null, 2)
    .split('\n')
    .slice(0, 40)
    .map((line) => `      ${line}`);
  return [`  ✖ ${fullname || name}`, ...facts].join('\n');
}
