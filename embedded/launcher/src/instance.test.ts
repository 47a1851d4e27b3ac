import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AlreadyRunningError } from './errors.js';
import { lockDataDir } from './instance.js';

t.test('a data directory has one launcher at a time, and the second learns the pid of the first', async (t) => {
  const dataDir = t.testdir();
  const release = lockDataDir(dataDir);
  t.throws(() => lockDataDir(dataDir), AlreadyRunningError);
  t.throws(() => lockDataDir(dataDir), { message: new RegExp(`pid ${process.pid}\\)`) });
  release();
  t.notOk(existsSync(join(dataDir, 'instance.lock')));
  lockDataDir(dataDir)();
});

t.test('the lock of a launcher that was killed does not count', async (t) => {
  const dataDir = t.testdir();
  for (const left of ['{"pid":1,"startTicks":-1,"bootId":"x"}', '{"pid":', '']) {
    writeFileSync(join(dataDir, 'instance.lock'), left);
    lockDataDir(dataDir)();
  }
  t.notOk(existsSync(join(dataDir, 'instance.lock')));
});
