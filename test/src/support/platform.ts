import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPlatform } from '@ringwire/launcher';
import type { Test } from 'tap';
import { startCustomerApplication } from './customer-application.js';
import { watchForLeaks } from './leaks.js';
import { TestPlatform } from './test-platform.js';

/**
 * Starts a platform in a fresh folder, and stops and removes everything at the end of the test, which fails where calls have left something behind.
 *
 * @param options.looksForLeaks - false where processes are killed: what they knew lies in Redis until it expires
 */
export async function openPlatform(
  t: Test,
  env: Record<string, string> = {},
  { looksForLeaks = true }: { looksForLeaks?: boolean } = {},
): Promise<TestPlatform> {
  let leak: unknown;
  // The last of all: what throws keeps those behind it from running.
  t.teardown(() => {
    if (leak) throw leak;
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'ringwire-test-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  const application = await startCustomerApplication((fault) => t.fail(fault));
  t.teardown(() => application.close());
  const platform = await startPlatform({ dataDir, env: { ...process.env, LOG_LEVEL: 'info', ...env } });
  t.teardown(() => platform.stop());
  if (looksForLeaks) {
    await watchForLeaks(t, platform.instance, (found) => {
      leak = found;
    });
  }
  return new TestPlatform(platform, application, dataDir);
}
