import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';

interface FileResult {
  file: string;
  ok: boolean;
  passed: number;
  failed: number;
  failures: string[];
  skipped: string[];
}

interface Place {
  root: string;
  progress: { say(text: string): void; step(): { update(): void; forget(): void } };
}

/** The modules of the bootstrap are plain JavaScript: this says what the tests use of them. */
const load = <T>(name: string): Promise<T> => import(new URL(`../bootstrap/${name}`, import.meta.url).href);
const { runTestFile } = await load<{
  runTestFile(file: string, options: { root: string; timeoutSec: number }): Promise<FileResult>;
}>('test-file.mjs');
const { runGroups, summary } = await load<{
  runGroups(
    groups: { of: string[]; jobs: number; timeoutSec: number }[],
    place: Place,
  ): Promise<{ ended: FileResult[]; lucky: string[] }>;
  summary(ended: FileResult[], lucky: string[]): string[];
}>('test-run.mjs');

const PASSES = "console.log('TAP version 14\\nok 1 - fine\\n1..1');";
const FAILS = "console.log('TAP version 14\\nok 1 - fine\\nnot ok 2 - sour\\n1..2'); process.exitCode = 1;";
/** Fails the first time, passes the second. */
const FAILS_ONCE = `import { existsSync, writeFileSync } from 'node:fs';
  if (existsSync(import.meta.filename + '.ran')) { ${PASSES} }
  else { writeFileSync(import.meta.filename + '.ran', ''); ${FAILS} }`;

/** A folder with test files that write TAP by themselves; modules, because it says so. */
function rootWith(t: Test, files: Record<string, string>): Place & { said: string[] } {
  const root = t.testdir({ 'package.json': '{"type":"module"}' });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const said: string[] = [];
  const step = { update: () => undefined, forget: () => undefined };
  return { root, said, progress: { say: (text) => said.push(text), step: () => step } };
}

async function run(t: Test, text: string, timeoutSec = 60): Promise<FileResult> {
  const { root } = rootWith(t, { 'a.test.js': text });
  return runTestFile('a.test.js', { root, timeoutSec });
}

t.test('a test file: its assertions are counted, also those within subtests', async (t) => {
  const nested = ['# Subtest: inner', '    ok 1 - one', '    ok 2 - two', '    1..2', 'ok 1 - inner', '1..1'];
  t.match(await run(t, `console.log(${JSON.stringify(nested.join('\n'))})`), { ok: true, passed: 2, failed: 0 });
});

t.test('a test file: what fails is named with the sentences around it', async (t) => {
  const nested = ['# Subtest: inner', '    not ok 1 - one', '    1..1', 'not ok 1 - inner', '1..1'];
  const result = await run(t, `console.log(${JSON.stringify(nested.join('\n'))}); process.exitCode = 1;`);
  t.match(result, { ok: false, passed: 0, failed: 1 });
  t.match(result.failures[0], /✖ inner > one/);
});

t.test(
  'a test file: one that dies after its last assertion, before its first, or says nothing has failed',
  async (t) => {
    for (const text of [`${PASSES} process.exitCode = 3;`, 'process.exit(1);', '']) {
      const result = await run(t, text);
      t.match(result, { ok: false, failed: Number }, text);
      t.ok(result.failed >= 1 && result.failures.length >= 1, text);
    }
    t.match((await run(t, `${PASSES} process.kill(process.pid, 'SIGKILL');`)).failures[0], 'SIGKILL');
  },
);

t.test('a test file: what is skipped is named with its reason', async (t) => {
  const lines = ['ok 1 - fine', 'ok 2 - the other # SKIP wants root', '1..2'];
  const some = await run(t, `console.log(${JSON.stringify(lines.join('\n'))})`);
  t.match(some, { ok: true, passed: 1, skipped: ['the other (wants root)'] });
  const all = await run(t, "console.log('1..0 # SKIP only on Linux')");
  t.same(all.skipped, ['a.test.js (only on Linux)']);
  t.same(summary([some, all], []), ['skipped (2):', '  the other (wants root)', '  a.test.js (only on Linux)']);
});

t.test('files run several at a time, and each is told when it ends', async (t) => {
  // The first waits for what the second writes.
  const waits = `import { existsSync } from 'node:fs';
    while (!existsSync('second')) await new Promise((resolve) => setTimeout(resolve, 5));
    ${PASSES}`;
  const second = `import { writeFileSync } from 'node:fs'; ${PASSES} process.on('exit', () => writeFileSync('second', ''));`;
  const place = rootWith(t, { 'a.test.js': waits, 'b.test.js': second });
  const { ended } = await runGroups([{ of: ['a.test.js', 'b.test.js'], jobs: 2, timeoutSec: 60 }], place);
  t.same(
    ended.map(({ ok }) => ok),
    [true, true],
  );
  t.match([...place.said].sort(), [/^✔ a\.test\.js/, /^✔ b\.test\.js/]);
});

const CALLS = 'sbc-inbound/dist/calls.test.js';
const TABLES = 'common/dist/tables.test.js';

t.test(
  'a file that fails gets a second attempt, alone; its first failure stays in the output and in the summary',
  async (t) => {
    const place = rootWith(t, { [CALLS]: FAILS_ONCE, [TABLES]: PASSES });
    const { ended, lucky } = await runGroups([{ of: [CALLS, TABLES], jobs: 1, timeoutSec: 60 }], place);
    t.match(ended, [
      { file: CALLS, ok: true, passed: 1, failed: 0 },
      { file: TABLES, ok: true, passed: 1, failed: 0 },
    ]);
    t.ok(place.said.some((line) => line.startsWith(`✖ ${CALLS}`)));
    const lines = summary(ended, lucky);
    t.same(lines.slice(0, 2), ['passed only at the second attempt:', `  ${CALLS}`]);
    t.match(lines[2], '✖ sour');
  },
);

t.test('a file that fails twice has failed, and the summary says how', async (t) => {
  const place = rootWith(t, { [CALLS]: FAILS });
  const { ended, lucky } = await runGroups([{ of: [CALLS], jobs: 1, timeoutSec: 60 }], place);
  t.match([ended, lucky], [[{ ok: false, failed: 1 }], []]);
  t.same(summary(ended, lucky).slice(0, 2), ['failed:', `  ${CALLS}`]);
});

t.test('when many files fail there is no second attempt', async (t) => {
  const names = Array.from({ length: 6 }, (_, i) => `common/dist/${i}.test.js`);
  const place = rootWith(t, Object.fromEntries(names.map((name) => [name, FAILS_ONCE])));
  const { ended, lucky } = await runGroups([{ of: names, jobs: 2, timeoutSec: 60 }], place);
  t.equal(ended.filter(({ ok }) => !ok).length, 6);
  t.same(lucky, []);
});
