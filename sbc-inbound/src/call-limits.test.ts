import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { callPlacesKey, PROVISIONING_CHANGED, type ReadyMessage } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { OutgoingCall } from '@ringwire/sip';
import t from 'tap';
import { ended, NUMBER, refusal, startCaller, type TestCaller } from './testing/caller.js';
import { type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer } from './testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

const LIMIT = 50;
/** Long enough that a process on a busy machine renews in time, short enough to wait for. */
const EXPIRY_MS = 10_000;
// One address may be a stranger's flood; here it is a carrier's.
const FLAGS = () => ['--trusted-net', '127.0.0.0/8'];

let stores: Stores;
let caller: TestCaller;

/** An edge of its own: SIP server and sbc-inbound as processes that can be killed. */
interface EdgeProcesses {
  server: ServerProcess;
  child: ChildProcess;
}

async function startEdgeProcesses(): Promise<EdgeProcesses> {
  const server = await startServerProcess(t, FLAGS);
  const { RTPENGINE_HOST: _host, RTPENGINE_PORT: _port, ...env } = stores.env;
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), {
    env: {
      PATH: process.env.PATH,
      ...env,
      HTTP_PORT: '0',
      DRACHTIO_HOST: '127.0.0.1',
      DRACHTIO_PORT: `${server.controlPort}`,
      MAX_EVENT_LOOP_LAG_MS: '0',
      CALL_COUNT_EXPIRY_MS: `${EXPIRY_MS}`,
      // A busy disk must not look like a Redis that is away.
      CALL_LIMIT_TIMEOUT_MS: '60000',
      LOG_LEVEL: 'fatal',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [message] = (await once(child, 'message')) as [ReadyMessage];
  t.equal(message.type, 'ready');
  return { server, child };
}

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  await db.execute('INSERT INTO account_limits (account_limits_sid, account_sid, category, quantity) VALUES ?', [
    [
      ['limit-1', SEED.accountSid, 'voice_call_session', LIMIT],
      ['limit-2', SEED.accountSid, 'api_rate', 1],
    ],
  ]);
  await db.close();
  await startFeatureServer(t, stores, 'fs-one');
  caller = await startCaller(t);
});

const countOf = (scope: string, sid: string): Promise<number> =>
  stores.redis.zcard(callPlacesKey(SEED.serviceProviderSid, 'inbound', scope, sid));
const counts = (): Promise<number[]> =>
  Promise.all([
    countOf('account', SEED.accountSid),
    countOf('application', SEED.applicationSid),
    countOf('service_provider', SEED.serviceProviderSid),
  ]);

t.test(
  'calls beyond the limit are refused, to whichever process they come; a killed process gives its places back',
  async (t) => {
    const edges = [await startEdgeProcesses(), await startEdgeProcesses()];
    // Both must know the feature server before it counts.
    for (const { server } of edges) {
      const dialog = await until('a call is answered', () =>
        caller.call(server.sipPort, NUMBER).answered.catch(() => undefined),
      );
      await dialog.bye();
    }
    await until('all is given back', async () => (await counts()).join() === '0,0,0');

    const place = (i: number): OutgoingCall => caller.call(edges[i % 2]!.server.sipPort, NUMBER);
    // Whichever is faster, each process has some of the calls.
    const first = await Promise.all(Array.from({ length: 20 }, (_, i) => place(i).answered));
    const calls = Array.from({ length: 200 }, (_, i) => place(i));
    const outcomes = await Promise.all(
      calls.map(async (call) => ({
        dialog: await call.answered.catch(() => undefined),
        response: await refusal(call).catch(() => undefined),
      })),
    );
    const dialogs = outcomes.flatMap(({ dialog }, i) => (dialog ? [{ dialog, edge: i % 2 }] : []));
    const refused = outcomes.flatMap(({ response }) => (response ? [response] : []));
    t.equal(dialogs.length, LIMIT - first.length);
    t.equal(refused.length, 200 - LIMIT + first.length);
    t.ok(
      refused.every(
        (response) =>
          response.status === 503 &&
          response.reason === 'Max Account Calls In Progress' &&
          response.get('X-Reason') === 'Max Account Calls In Progress' &&
          !response.has('X-Account-Sid') &&
          !response.has('X-Call-Limit'),
      ),
    );
    t.same(await counts(), [LIMIT, LIMIT, LIMIT]);
    const alerts = (await stores.events()).filter(({ type }) => type === 'alert');
    t.equal(alerts.length, 1, 'one alert for all of them');
    t.match(alerts[0]?.data, { alertType: 'account-call-limit', accountSid: SEED.accountSid });

    dialogs.push(...first.map((dialog, i) => ({ dialog, edge: i % 2 })));
    const survivors = dialogs.filter(({ edge }) => edge === 0).map(({ dialog }) => dialog);
    const lost = dialogs.filter(({ edge }) => edge === 1).map(({ dialog }) => dialog);
    t.ok(survivors.length >= 10 && lost.length >= 10);
    const ends = Promise.all(lost.map(ended));
    edges[1]!.child.kill('SIGKILL');
    await ends;
    const key = callPlacesKey(SEED.serviceProviderSid, 'inbound', 'account', SEED.accountSid);
    const living = () => stores.redis.zcount(key, Date.now(), '+inf');
    t.equal(await living(), LIMIT, 'its calls count until they expire');
    await until('its places are back', async () => (await living()) === survivors.length, EXPIRY_MS + 5_000);
    // As many as the killed process had, and not one more.
    const tries = await Promise.all(
      Array.from({ length: lost.length + 5 }, () => place(0).answered.catch(() => undefined)),
    );
    const more = tries.flatMap((dialog) => (dialog ? [dialog] : []));
    t.equal(more.length, lost.length);
    await Promise.all([...survivors, ...more].map((dialog) => dialog.bye()));
    await until('all is given back', async () => (await counts()).join() === '0,0,0');
    t.same(await stores.redis.keys('ringwire:call-places:*'), []);
  },
);

t.test('a changed limit holds for the next call', async (t) => {
  const db = openSeededDatabase(stores.env);
  t.teardown(() => db.close());
  await db.execute("UPDATE account_limits SET quantity = 0 WHERE category = 'voice_call_session'");
  const { server } = await startEdgeProcesses();
  t.match(await refusal(caller.call(server.sipPort, NUMBER)), { status: 503 });
  t.same(await counts(), [0, 0, 0]);
  await db.execute('DELETE FROM account_limits');
  await stores.redis.publish(PROVISIONING_CHANGED, 'account_limits');
  const dialog = await until('a call is answered', () =>
    caller.call(server.sipPort, NUMBER).answered.catch(() => undefined),
  );
  t.same(await counts(), [1, 1, 1], 'calls without a limit are counted too');
  await dialog.bye();
  await until('all is given back', async () => (await counts()).join() === '0,0,0');
});
