import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EVENT_STREAM, type EventEnvelope, PROVISIONING_CHANGED, temporaryGatewaysKey } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { readTrunkRegistrations, type TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { parseCSeq, type SipMessage } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';
import { Provisioner, startDeadPort } from '../testing/carriers.js';
import { isProven, startRegistrar, type TestRegistrar, withPassword } from '../testing/registrar.js';

t.setTimeout(120_000);

const RETRY_MS = 40;
const env = { REGISTER_TIMEOUT_MS: '3000', REGISTER_RETRY_MS: `${RETRY_MS}`, TRUNK_LEASE_MS: '3000' };

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let rows: Provisioner;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  rows = new Provisioner(t, stores, () => sbc);
});

const change = async (sql: string, params: (string | number | null)[]): Promise<void> => {
  await sbc.edge.db.execute(sql, params);
  await stores.redis.publish(PROVISIONING_CHANGED, 'voip_carriers');
};
const remove = async (carrierSid: string): Promise<void> => {
  await change('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [carrierSid]);
  await change('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?', [carrierSid]);
};

/** A carrier of the seed's account that wants us registered. */
interface Trunk {
  carrierSid: string;
  gatewaySid: string;
}
async function addTrunk(
  t: Test,
  registrar: { host: string; port: number },
  columns: Record<string, string | number | null> = {},
): Promise<Trunk> {
  const carrierSid = await rows.add({
    carrier: {
      requires_register: 1,
      register_username: 'ringwire',
      register_password: 'secret',
      register_sip_realm: 'carrier.example',
      register_public_ip_in_contact: 1,
      ...columns,
    },
    gateways: [registrar],
  });
  // Other processes hear of it, too.
  await stores.redis.publish(PROVISIONING_CHANGED, 'voip_carriers');
  t.teardown(() => remove(carrierSid));
  const [gateway] = sbc.edge.provisioning.snapshot().gatewaysByCarrierSid.get(carrierSid) ?? [];
  return { carrierSid, gatewaySid: gateway!.sipGatewaySid };
}

async function stateOf({ gatewaySid }: Trunk): Promise<TrunkRegistrationState | null> {
  return (await readTrunkRegistrations(stores.redis, [gatewaySid]))[0] ?? null;
}
const becomes = (trunk: Trunk, status: 'ok' | 'fail'): Promise<TrunkRegistrationState> =>
  until(`the registration is ${status}`, async () => {
    const state = await stateOf(trunk);
    return state?.status === status && state;
  });
async function alertsAbout({ carrierSid }: Trunk): Promise<string[]> {
  const entries = await stores.redis.xrange(EVENT_STREAM, '-', '+');
  const events = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope);
  return events.flatMap((event) =>
    event.type === 'alert' && event.data.targetSid === carrierSid ? [event.data.alertType] : [],
  );
}
const openedTo = (carrierSid: string, ip = '127.0.0.1'): Promise<string | null> =>
  stores.redis.hget(temporaryGatewaysKey(ip), carrierSid);
const numberOf = (request: SipMessage | undefined): number => parseCSeq(request?.get('CSeq') ?? '')?.seq ?? 0;

for (const algorithm of ['MD5', 'SHA-256'] as const) {
  t.test(
    `a trunk is registered by digest with ${algorithm}, and renewed at half of the granted time without being asked again`,
    async (t) => {
      const registrar = await startRegistrar(t, withPassword(algorithm, 4));
      const trunk = await addTrunk(t, registrar);
      const state = await becomes(trunk, 'ok');
      const contact = `sip:ringwire@127.0.0.1:${server.sipPort}`;
      t.match(state, {
        voipCarrierSid: trunk.carrierSid,
        reason: '200 OK',
        aor: 'sip:ringwire@carrier.example',
        contact,
        cseq: 2,
        grantedSec: 4,
        failures: 0,
        instanceId: sbc.edge.instanceId,
      });
      t.strictSame([...registrar.bindings.keys()], [contact]);
      const [first, second] = registrar.requests;
      t.equal(first?.uri, 'sip:carrier.example');
      t.equal(first?.get('To'), '<sip:ringwire@carrier.example>');
      t.match(first?.get('From'), /^<sip:ringwire@carrier\.example>;tag=/);
      t.equal(first?.get('Expires'), '3600');
      t.equal(second?.get('Call-ID'), first?.get('Call-ID'));
      const renewal = await until('it is renewed', () => registrar.requests[2]);
      t.ok(isProven(renewal, algorithm), 'with the answer from the start');
      t.match(renewal.get('Authorization'), /nc=00000002/);
      t.equal(renewal.get('Call-ID'), first?.get('Call-ID'));
      t.equal(numberOf(renewal), 3);
      const renewed = await until('that is told', async () => {
        const now = await stateOf(trunk);
        return now && now.cseq > 2 && now;
      });
      // Half of 4 s, a tenth less at most; an answer may be late, but none is early.
      t.ok(renewed.atMs - state.atMs >= 1_700, `renewed after ${renewed.atMs - state.atMs} ms`);
      t.equal(renewed.sinceMs, state.sinceMs);
      t.strictSame(await alertsAbout(trunk), [], 'a registration that goes well is no news');
    },
  );
}

t.test('the carrier may call from where we are registered, for as long as we are', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await addTrunk(t, registrar);
  const state = await becomes(trunk, 'ok');
  const untilSec = Number(await until('the address is open', () => openedTo(trunk.carrierSid)));
  t.equal(untilSec, Math.floor((state.expiresAtMs ?? 0) / 1000));
  t.ok((await stores.redis.ttl(temporaryGatewaysKey('127.0.0.1'))) > 500);
  const other = await addTrunk(t, await startRegistrar(t, () => ({ granted: 60 })), { register_username: 'other' });
  await until('another carrier may, too', () => openedTo(other.carrierSid));
  t.ok((await stores.redis.ttl(temporaryGatewaysKey('127.0.0.1'))) > 500, 'the longest counts');
  await remove(trunk.carrierSid);
  await until('the address is closed', async () => (await openedTo(trunk.carrierSid)) === null);
  t.ok(await openedTo(other.carrierSid));
});

t.test('a registrar that wants a longer time gets it (423), one that gives a shorter one is believed', async (t) => {
  const registrar = await startRegistrar(t, (request) =>
    Number(request.get('Expires')) < 7_200 ? { status: 423, headers: { 'Min-Expires': '7200' } } : { granted: 900 },
  );
  const trunk = await addTrunk(t, registrar);
  t.match(await becomes(trunk, 'ok'), { grantedSec: 900, cseq: 2 });
  t.strictSame(
    registrar.requests.map((request) => request.get('Expires')),
    ['3600', '7200'],
  );
});

t.test('a refusal is told with its reason, tried again late, and its end is told too', async (t) => {
  const registrar = await startRegistrar(t, (_request, count) =>
    count < 3 ? { status: 403, reason: 'Who Are You' } : { granted: 600 },
  );
  const trunk = await addTrunk(t, registrar);
  const refused = await becomes(trunk, 'fail');
  t.match(refused, { reason: '403 Who Are You', contact: null, expiresAtMs: null });
  t.ok(refused.nextAtMs - refused.atMs >= 12 * RETRY_MS * 0.9 * 2 ** (refused.failures - 1), 'not at once');
  t.equal(await openedTo(trunk.carrierSid), null, 'nobody may call from there');
  t.match(await becomes(trunk, 'ok'), { failures: 0, cseq: 3 });
  await until('both are told', async () => (await alertsAbout(trunk)).length > 1);
  t.strictSame(await alertsAbout(trunk), ['trunk-registration-failed', 'trunk-registered']);
});

t.test('a wrong password is not tried over and over: one challenge is answered once', async (t) => {
  const registrar = await startRegistrar(t, () => ({ challenge: 'MD5' }));
  const trunk = await addTrunk(t, registrar);
  t.match(await becomes(trunk, 'fail'), { reason: /^401 / });
  const { failures } = (await stateOf(trunk))!;
  t.ok(registrar.requests.length >= 2 * failures && registrar.requests.length <= 2 * (failures + 1));
});

t.test('a registrar that says when to come again is believed', async (t) => {
  const registrar = await startRegistrar(t, () => ({ status: 503, headers: { 'Retry-After': '120 (at lunch)' } }));
  const trunk = await addTrunk(t, registrar);
  const state = await becomes(trunk, 'fail');
  t.match(state, { reason: '503 Service Unavailable', failures: 1 });
  t.equal(state.nextAtMs - state.atMs, 120_000);
});

t.test('a registrar that is silent, one that cannot be reached, and a carrier without password say why', async (t) => {
  const silent = await addTrunk(t, await startDeadPort(t), { register_username: 'silent' });
  const closed = await startDeadPort(t);
  const unreachable = await addTrunk(
    t,
    { host: 'no-such-host.invalid', port: closed.port },
    { register_username: 'lost' },
  );
  const unable = await addTrunk(t, closed, { register_password: null });
  t.match(await becomes(unable, 'fail'), { reason: 'register_username or register_password is missing' });
  t.match(await becomes(silent, 'fail'), { reason: 'no response to REGISTER', roundTripMs: null });
  t.match(await becomes(unreachable, 'fail'), { status: 'fail' });
  await change('UPDATE voip_carriers SET register_password = ? WHERE voip_carrier_sid = ?', ['x', unable.carrierSid]);
  t.match(
    await until('it is tried once it has a password', async () => {
      const state = await stateOf(unable);
      return state?.reason === 'no response to REGISTER' && state;
    }),
    { status: 'fail' },
  );
});

t.test('a change is applied at once and touches no other trunk', async (t) => {
  const registrar = await startRegistrar(t, withPassword('SHA-256', 600));
  const bystander = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await addTrunk(t, registrar);
  const other = await addTrunk(t, bystander);
  await Promise.all([becomes(trunk, 'ok'), becomes(other, 'ok')]);
  const set = 'UPDATE voip_carriers SET register_password = ? WHERE voip_carrier_sid = ?';
  await change(set, ['wrong', trunk.carrierSid]);
  t.match(await becomes(trunk, 'fail'), { reason: /^401 / });
  t.equal(registrar.bindings.size, 1, 'the registration before is not taken back: the new one takes its place');
  await change(set, ['secret', trunk.carrierSid]);
  await becomes(trunk, 'ok');
  await change('UPDATE voip_carriers SET register_username = ? WHERE voip_carrier_sid = ?', [
    'renamed',
    trunk.carrierSid,
  ]);
  await until('only the new contact is registered', () => {
    const contacts = [...registrar.bindings.keys()];
    return contacts.length === 1 && contacts[0]?.startsWith('sip:renamed@');
  });
  await change('UPDATE voip_carriers SET is_active = 0 WHERE voip_carrier_sid = ?', [trunk.carrierSid]);
  await until('it is taken back', () => registrar.bindings.size === 0);
  t.equal(registrar.requests.at(-1)?.get('Expires'), '0');
  await until('nothing is said of it', async () => (await stateOf(trunk)) === null);
  t.equal(bystander.requests.length, 1);
});

t.test('carriers that share a registrar and an account there share one registration', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const one = await addTrunk(t, registrar);
  await becomes(one, 'ok');
  const two = await addTrunk(t, registrar, { account_sid: SEED.siblingAccountSid });
  t.match(await becomes(two, 'ok'), { voipCarrierSid: two.carrierSid, sipGatewaySid: two.gatewaySid, cseq: 1 });
  t.equal(registrar.requests.length, 1);
  await until('both may call', async () => (await openedTo(one.carrierSid)) && (await openedTo(two.carrierSid)));
  await remove(one.carrierSid);
  await until('nothing is said of the first', async () => (await stateOf(one)) === null);
  t.equal(await openedTo(one.carrierSid), null);
  t.equal((await stateOf(two))?.status, 'ok');
  t.equal(registrar.bindings.size, 1, 'the other still needs it');
  t.equal(registrar.requests.length, 1);
});

t.test('a redis that comes back empty is told again', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await addTrunk(t, registrar);
  await becomes(trunk, 'ok');
  await until('the address is open', () => openedTo(trunk.carrierSid));
  await stores.redis.flushall();
  sbc.edge.redis.disconnect(true);
  await becomes(trunk, 'ok');
  await until('the address is open again', () => openedTo(trunk.carrierSid));
  t.strictSame(await alertsAbout(trunk), []);
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
  await startProcess(t, otherServer.controlPort);
  const registrar = await startRegistrar(t, withPassword('MD5', 600));
  const trunk = await addTrunk(t, registrar);
  await becomes(trunk, 'ok');
  t.strictSame([...registrar.bindings.keys()], [contactAt(server)]);
  await server.kill();
  await onlyContact(registrar, contactAt(otherServer));
  t.match(await becomes(trunk, 'ok'), { instanceId: 'sbc-process' });
  await server.start();
  await until('the SIP server is back', () => sbc.edge.bridging.link.up);
  t.notOk(registrar.wasEmpty, 'there was always a way to us');
  t.strictSame(await alertsAbout(trunk), []);
});

t.test(
  'when the edge that registers dies, another takes over within seconds; SIGTERM hands over without a gap',
  async (t) => {
    const otherServer = await startServerProcess(t);
    const registrar = await startRegistrar(t, withPassword('MD5', 600));
    const trunk = await addTrunk(t, registrar);
    // Before the other is there: it has the name of the one that was killed, and would go on with its lease.
    await until('this edge registers', async () => (await stateOf(trunk))?.instanceId === sbc.edge.instanceId);
    const first = await startProcess(t, otherServer.controlPort);
    await stores.redis.set('ringwire:trunk-registrar', 'sbc-process');
    await onlyContact(registrar, contactAt(otherServer));
    const killed = once(first, 'exit');
    first.kill('SIGKILL');
    await killed;
    await onlyContact(registrar, contactAt(server));
    t.match(await becomes(trunk, 'ok'), { instanceId: sbc.edge.instanceId });

    const second = await startProcess(t, otherServer.controlPort);
    await stores.redis.set('ringwire:trunk-registrar', 'sbc-process');
    await onlyContact(registrar, contactAt(otherServer));
    const ended = once(second, 'exit');
    second.kill('SIGTERM');
    t.same(await ended, [0, null]);
    await onlyContact(registrar, contactAt(server));
    t.notOk(registrar.wasEmpty, 'there was always a way to us');
    t.strictSame(await alertsAbout(trunk), []);
  },
);

t.test('the last edge that drains takes its registrations back', async (t) => {
  const registrar = await startRegistrar(t, withPassword('SHA-256', 600));
  const trunk = await addTrunk(t, registrar);
  await becomes(trunk, 'ok');
  await sbc.drain();
  t.equal(registrar.bindings.size, 0);
  t.equal(await stateOf(trunk), null);
  t.equal(await openedTo(trunk.carrierSid), null);
  t.equal(await stores.redis.exists('ringwire:trunk-registrar'), 0);
});
