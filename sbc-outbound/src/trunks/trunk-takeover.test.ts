import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TRUNK_REGISTRAR } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import { readPings } from '@ringwire/common/trunks/gateway-pings.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import t, { type Test } from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';
import { startRegistrar, type TestRegistrar, withPassword } from '../testing/registrar.js';
import { TRUNK_ENV as env, TestTrunks } from '../testing/trunks.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let trunks: TestTrunks;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  trunks = new TestTrunks(t, stores, sbc);
});

/** A second edge in a process of its own, which can be killed. */
async function startProcess(t: Test, controlPort: number): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('../main.js', import.meta.url)), {
    env: {
      ...process.env,
      ...stores.env,
      ...env,
      INSTANCE_ID: 'sbc-process',
      DRACHTIO_HOST: '127.0.0.1',
      DRACHTIO_PORT: `${controlPort}`,
      LOG_LEVEL: 'fatal',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  await once(child, 'message');
  return child;
}
const contactAt = (edge: ServerProcess): string => `sip:ringwire@127.0.0.1:${edge.sipPort}`;
const onlyContact = (registrar: TestRegistrar, contact: string): Promise<unknown> =>
  until(`only ${contact} is registered`, () => registrar.bindings.size === 1 && registrar.bindings.has(contact));

t.test('one edge registers; when it loses its SIP server another does, and removes the contact before', async (t) => {
  const otherServer = await startServerProcess(t);
  const registrar = await startRegistrar(t, withPassword('MD5', 600));
  const trunk = await trunks.add(t, registrar);
  await until('this edge registers', async () => (await trunks.stateOf(trunk))?.instanceId === sbc.edge.instanceId);
  await startProcess(t, otherServer.controlPort);
  await stores.redis.set(TRUNK_REGISTRAR, 'sbc-process');
  await onlyContact(registrar, contactAt(otherServer));
  await otherServer.kill();
  await onlyContact(registrar, contactAt(server));
  t.match(await trunks.becomes(trunk, 'ok'), { instanceId: sbc.edge.instanceId });
  t.notOk(registrar.wasEmpty, 'there was always a way to us');
  t.strictSame(await trunks.alertsAbout(trunk), []);
});

t.test(
  'when the edge that registers dies, another takes over within seconds; SIGTERM hands over without a gap',
  async (t) => {
    const otherServer = await startServerProcess(t);
    const registrar = await startRegistrar(t, withPassword('MD5', 600));
    const trunk = await trunks.add(t, registrar);
    // Before the other is there: it has the name of the one that was killed, and would go on with its lease.
    await until('this edge registers', async () => (await trunks.stateOf(trunk))?.instanceId === sbc.edge.instanceId);
    const first = await startProcess(t, otherServer.controlPort);
    await stores.redis.set(TRUNK_REGISTRAR, 'sbc-process');
    await onlyContact(registrar, contactAt(otherServer));
    const killed = once(first, 'exit');
    first.kill('SIGKILL');
    await killed;
    await onlyContact(registrar, contactAt(server));
    t.match(await trunks.becomes(trunk, 'ok'), { instanceId: sbc.edge.instanceId });

    const second = await startProcess(t, otherServer.controlPort);
    await stores.redis.set(TRUNK_REGISTRAR, 'sbc-process');
    await onlyContact(registrar, contactAt(otherServer));
    const ended = once(second, 'exit');
    second.kill('SIGTERM');
    t.same(await ended, [0, null]);
    await onlyContact(registrar, contactAt(server));
    t.notOk(registrar.wasEmpty, 'there was always a way to us');
    t.strictSame(await trunks.alertsAbout(trunk), []);
  },
);

t.test('the last edge that drains takes its registrations back', async (t) => {
  const registrar = await startRegistrar(t, withPassword('SHA-256', 600));
  const trunk = await trunks.add(t, registrar);
  await trunks.becomes(trunk, 'ok');
  await sbc.drain();
  t.equal(registrar.bindings.size, 0);
  t.equal(await trunks.stateOf(trunk), null);
  t.equal(await trunks.openedTo(trunk), null);
  t.equal(await stores.redis.exists(TRUNK_REGISTRAR), 0);
});

t.test(
  "a name of an account's own carrier that has a private address is neither registered at nor pinged",
  async (t) => {
    // The other edge registers no more, since it drained.
    const strictEnv = { ...env, SIP_ALLOW_PRIVATE: 'false', OPTIONS_PING_INTERVAL_MS: '400' };
    const { controlPort } = await startServerProcess(t);
    const strict = await openSbc(t, openSbcOutbound, { name: 'strict', stores, controlPort, env: strictEnv });
    const registrar = await startRegistrar(t, withPassword('SHA-256', 600));
    const named = { host: 'localhost', port: registrar.port };
    const trunk = await trunks.add(t, named);
    await trunks.change('UPDATE sip_gateways SET send_options_ping = 1 WHERE sip_gateway_sid = ?', [trunk.gatewaySid]);
    const reason = 'localhost has the private address 127.0.0.1';
    t.match(await trunks.becomes(trunk, 'fail'), { reason, instanceId: strict.edge.instanceId });
    const report = await until('a ping is told', async () => {
      const [pings] = await readPings(stores.redis, [trunk.gatewaySid]);
      return pings?.reports.find(({ instanceId }) => instanceId === strict.edge.instanceId);
    });
    t.match(report, { reason, status: null });
    t.equal(registrar.requests.filter(({ method }) => method === 'REGISTER').length, 0);
    await trunks.becomes(await trunks.add(t, registrar), 'ok');
    t.pass('a literal address is one that an account cannot have given');
    await trunks.becomes(await trunks.add(t, named, { account_sid: null, register_from_user: 'all' }), 'ok');
    t.pass('nor the name of a shared carrier');
  },
);
