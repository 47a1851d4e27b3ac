import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPlatform } from '@ringwire/launcher';
import type { Test } from 'tap';
import { startCustomerApplication } from './customer-application.js';
import { TestPlatform } from './test-platform.js';

/** Starts a platform in a fresh folder, and stops and removes everything at the end of the test. */
export async function openPlatform(t: Test, env: Record<string, string> = {}): Promise<TestPlatform> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ringwire-test-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  const application = await startCustomerApplication((fault) => t.fail(fault));
  t.teardown(() => application.close());
  const platform = await startPlatform({ dataDir, env: { ...process.env, LOG_LEVEL: 'info', ...env } });
  t.teardown(() => platform.stop());
  return new TestPlatform(platform, application, dataDir);
}
