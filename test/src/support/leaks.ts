import { closeRedis, createLogger, openRedis } from '@ringwire/common';
import { assertNothingLeft, counted, type LeakSource, redisLeaks } from '@ringwire/common/testing/leaks.js';
import type { InstanceDescription } from '@ringwire/launcher';
import type { Test } from 'tap';
import { readMetrics } from './metrics.js';

/** What each kind of process tells of its calls at its `/metrics`. */
const GAUGES: Readonly<Record<string, readonly [pattern: RegExp, what: string][]>> = {
  'feature-server': [[/^ringwire_fs_calls\b/, 'sessions']],
  sbc: [[/^ringwire_calls_active\b/, 'calls']],
  'sip-server': [[/^drachtio_sofia_dialogs\b/, 'SIP dialogs']],
  'media-server': [
    [/^media_server_sessions\b/, 'channels'],
    [/^media_server_conferences\b/, 'conferences'],
    [/^media_server_rtp_ports_in_use\b/, 'RTP ports'],
  ],
};
/** Calls whose end is a test's last step are over soon after. */
const AFTER_TEST_MS = 5_000;

/**
 * After each test whose calls are over, and at the end of the file: whether anything of calls is left in the processes or in Redis. A test that
 * leaves calls to the next one is looked at with that.
 *
 * @param onLeak - is told what is left at the end, and fails the file when everything is closed
 */
export async function watchForLeaks(
  t: Test,
  instance: InstanceDescription,
  onLeak: (leak: unknown) => void,
): Promise<void> {
  const { host, port } = instance.redis;
  const redis = openRedis({ host, port }, { logger: createLogger({ name: 'leaks', level: 'silent' }), name: 'leaks' });
  t.teardown(() => closeRedis(redis));
  const processes = Object.entries(instance.metrics).flatMap(([name, url]) => {
    const [, gauges] = Object.entries(GAUGES).find(([kind]) => name.startsWith(kind)) ?? [];
    return gauges ? [{ name, url, gauges }] : [];
  });
  const sources = processes.map(
    ({ name, url, gauges }): LeakSource =>
      async () => {
        const samples = await readMetrics(new URL('/metrics', url).href).catch(() => undefined);
        // One that a test has killed holds nothing any more.
        return gauges.flatMap(([pattern, what]) => counted(samples?.sum(pattern) ?? 0, `${what} of ${name}`));
      },
  );
  const hasCalls = async (): Promise<boolean> =>
    (await Promise.all(sources.map((source) => source()))).flat().some((line) => /^\d+ (sessions|calls)\b/.test(line));
  const all = [...sources, redisLeaks(redis)];
  t.afterEach(async (t) => {
    try {
      await assertNothingLeft(all, AFTER_TEST_MS);
    } catch (error) {
      if (await hasCalls()) return;
      t.comment(String(error));
      throw error;
    }
  });
  t.teardown(() =>
    assertNothingLeft(all).catch((error: unknown) => {
      t.comment(String(error));
      onLeak(error);
    }),
  );
}
