// @ts-check
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/**
 * What became of a test file.
 *
 * @typedef {object} FileResult
 * @property {string} file path from the project's root
 * @property {boolean} ok
 * @property {number} passed assertions
 * @property {number} failed assertions; at least 1 where `ok` is false
 * @property {string[]} failures what failed and where, as text
 * @property {string[]} skipped what was not run, each with its reason
 * @property {number} seconds
 */

/** How long a file that is over its time has for telling what it was at, before it is killed. */
const LAST_WORDS_MS = 10_000;

/**
 * Runs one compiled test file as a process of its own and reads the TAP that it writes.
 *
 * @param {string} file path from `root`
 * @param {{ root: string, timeoutSec: number, onStart?: (child: import('node:child_process').ChildProcess) => void }} options
 * @returns {Promise<FileResult>}
 */
export async function runTestFile(file, { root, timeoutSec, onStart }) {
  const { Parser } = await import('tap-parser');
  const startedAt = performance.now();
  /** @type {FileResult} */
  const result = { file, ok: false, passed: 0, failed: 0, failures: [], skipped: [], seconds: 0 };
  const parser = new Parser();
  parser.on('pass', () => {
    result.passed += 1;
  });
  parser.on('fail', (/** @type {Failure} */ failure) => {
    result.failed += 1;
    result.failures.push(describeFailure(failure));
  });
  parser.on('skip', (/** @type {{ fullname: string, name: string, skip: string | true }} */ { fullname, name, skip }) =>
    result.skipped.push(`${fullname || name} (${skip === true ? 'no reason given' : skip})`),
  );
  /** @type {Promise<{ ok: boolean, plan: { skipAll: boolean, skipReason: string } }>} */
  const complete = new Promise((resolve) => parser.on('complete', resolve));

  // Without tap's own runner: that would show the files in the order in which they began, each only when all before it have ended, and
  // would load itself into every process that a test starts.
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: root,
    env: { ...process.env, TAP_TIMEOUT: String(timeoutSec) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onStart?.(child);
  // tap ends a file by itself when its time is over, but for one whose event loop is busy.
  let isLate = false;
  const late = setTimeout(
    () => {
      isLate = true;
      child.kill('SIGKILL');
    },
    timeoutSec * 1_000 + LAST_WORDS_MS,
  );
  child.stdout.pipe(parser);
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? `status ${code}`}`));
  });
  const [trouble, { ok, plan }] = await Promise.all([ended, complete]);
  clearTimeout(late);

  const reason = plan.skipAll ? plan.skipReason.replace(/^SKIP\s*/i, '') : '';
  if (reason !== '' && reason !== NO_TAP) result.skipped.push(`${file} (${reason})`);
  const isEmpty = result.passed + result.failed + result.skipped.length === 0;
  result.ok = ok && trouble === '' && result.failed === 0 && !isEmpty;
  // One that ends badly, or with nothing said, without having counted a failure is one.
  if (!result.ok && result.failed === 0) {
    result.failed = 1;
    const why = isLate
      ? `was killed after ${timeoutSec} s`
      : trouble || (isEmpty ? 'tested nothing' : 'is not valid TAP');
    result.failures.push(`  ✖ ${file} ${why}`);
  }
  result.seconds = (performance.now() - startedAt) / 1_000;
  return result;
}

/** What tap-parser says of no TAP at all. */
const NO_TAP = 'no tests found';

/** @typedef {{ fullname: string, name: string, diag: unknown }} Failure */

/**
 * The name of what failed, with the sentences around it, and tap's facts about it.
 * @param {Failure} failure
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
