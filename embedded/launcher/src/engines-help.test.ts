import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { ROOT } from './process-plan.js';

const run = promisify(execFile);

for (const engine of ['sip-server', 'media-server']) {
  t.test(`${engine} --help prints its options and starts nothing`, async (t) => {
    const main = join(ROOT, 'embedded', engine, 'dist/main.js');
    const { stdout, stderr } = await run(process.execPath, [main, '--help']);
    t.ok(stdout.startsWith(`${engine}: `));
    t.match(stdout, /^ +--http-port/m);
    t.equal(stderr, '');
  });
}
