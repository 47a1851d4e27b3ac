import { temporaryGatewaysKey } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { parseCSeq, type SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';
import { startDeadPort } from '../testing/carriers.js';
import { isProven, startRegistrar, withPassword } from '../testing/registrar.js';
import { TRUNK_ENV as env, TestTrunks } from '../testing/trunks.js';

t.setTimeout(200_000);

const RETRY_MS = Number(env.REGISTER_RETRY_MS);

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

const numberOf = (request: SipMessage | undefined): number => parseCSeq(request?.get('CSeq') ?? '')?.seq ?? 0;

for (const algorithm of ['MD5', 'SHA-256'] as const) {
  t.test(
    `a trunk is registered by digest with ${algorithm}, and renewed at half of the granted time without being asked again`,
    async (t) => {
      const registrar = await startRegistrar(t, withPassword(algorithm, 4));
      const trunk = await trunks.add(t, registrar);
      const state = await trunks.becomes(trunk, 'ok');
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
        const now = await trunks.stateOf(trunk);
        return now && now.cseq > 2 && now;
      });
      // Half of 4 s, a tenth less at most; an answer may be late, but none is early.
      t.ok(renewed.atMs - state.atMs >= 1_700, `renewed after ${renewed.atMs - state.atMs} ms`);
      t.equal(renewed.sinceMs, state.sinceMs);
      t.strictSame(await trunks.alertsAbout(trunk), [], 'a registration that goes well is no news');
    },
  );
}

t.test('the carrier may call from where we are registered, for as long as we are', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await trunks.add(t, registrar);
  const state = await trunks.becomes(trunk, 'ok');
  const untilSec = Number(await until('the address is open', () => trunks.openedTo(trunk)));
  t.equal(untilSec, Math.floor((state.expiresAtMs ?? 0) / 1000));
  t.ok((await stores.redis.ttl(temporaryGatewaysKey('127.0.0.1'))) > 500);
  const other = await trunks.add(t, await startRegistrar(t, () => ({ granted: 60 })), { register_username: 'other' });
  await until('another carrier may, too', () => trunks.openedTo(other));
  t.ok((await stores.redis.ttl(temporaryGatewaysKey('127.0.0.1'))) > 500, 'the longest counts');
  await trunks.remove(trunk.carrierSid);
  await until('the address is closed', async () => (await trunks.openedTo(trunk)) === null);
  t.ok(await trunks.openedTo(other));
});

t.test('a registrar that wants a longer time gets it (423), one that gives a shorter one is believed', async (t) => {
  const registrar = await startRegistrar(t, (request) =>
    Number(request.get('Expires')) < 7_200 ? { status: 423, headers: { 'Min-Expires': '7200' } } : { granted: 900 },
  );
  const trunk = await trunks.add(t, registrar);
  t.match(await trunks.becomes(trunk, 'ok'), { grantedSec: 900, cseq: 2 });
  t.strictSame(
    registrar.requests.map((request) => request.get('Expires')),
    ['3600', '7200'],
  );
});

t.test('a refusal is told with its reason, tried again late, and its end is told too', async (t) => {
  const registrar = await startRegistrar(t, (_request, count) =>
    count < 3 ? { status: 403, reason: 'Who Are You' } : { granted: 600 },
  );
  const trunk = await trunks.add(t, registrar);
  const refused = await trunks.becomes(trunk, 'fail');
  t.match(refused, { reason: '403 Who Are You', contact: null, expiresAtMs: null });
  t.ok(refused.nextAtMs - refused.atMs >= 12 * RETRY_MS * 0.9 * 2 ** (refused.failures - 1), 'not at once');
  t.equal(await trunks.openedTo(trunk), null, 'nobody may call from there');
  t.match(await trunks.becomes(trunk, 'ok'), { failures: 0, cseq: 3 });
  await until('both are told', async () => (await trunks.alertsAbout(trunk)).length > 1);
  t.strictSame(await trunks.alertsAbout(trunk), ['trunk-registration-failed', 'trunk-registered']);
});

t.test('a wrong password is not tried over and over: one challenge is answered once', async (t) => {
  const registrar = await startRegistrar(t, () => ({ challenge: 'MD5' }));
  const trunk = await trunks.add(t, registrar);
  t.match(await trunks.becomes(trunk, 'fail'), { reason: /^401 / });
  const { failures } = (await trunks.stateOf(trunk))!;
  t.ok(registrar.requests.length >= 2 * failures && registrar.requests.length <= 2 * (failures + 1));
});

t.test('a number of a REGISTER is never used again, also when the answer to a challenge was lost', async (t) => {
  const registrar = await startRegistrar(t, (_request, count) =>
    count === 1 ? { challenge: 'MD5' } : count === 2 ? undefined : { granted: 600 },
  );
  const trunk = await trunks.add(t, registrar);
  await trunks.becomes(trunk, 'ok');
  const [challenged, lost, after] = registrar.requests.map(numberOf) as [number, number, number];
  t.ok(challenged < lost && lost < after, `${challenged}, ${lost}, ${after}`);
});

t.test('a registrar that says when to come again is believed', async (t) => {
  const registrar = await startRegistrar(t, () => ({ status: 503, headers: { 'Retry-After': '120 (at lunch)' } }));
  const trunk = await trunks.add(t, registrar);
  const state = await trunks.becomes(trunk, 'fail');
  t.match(state, { reason: '503 Service Unavailable', failures: 1 });
  t.equal(state.nextAtMs - state.atMs, 120_000);
});

t.test('a registrar that is silent, one that cannot be reached, and a carrier without password say why', async (t) => {
  const silent = await trunks.add(t, await startDeadPort(t), { register_username: 'silent' });
  const closed = await startDeadPort(t);
  const unreachable = await trunks.add(
    t,
    { host: 'no-such-host.invalid', port: closed.port },
    { register_username: 'lost' },
  );
  const unable = await trunks.add(t, closed, { register_password: null });
  t.match(await trunks.becomes(unable, 'fail'), { reason: 'register_username or register_password is missing' });
  t.match(await trunks.becomes(silent, 'fail'), { reason: 'no response to REGISTER', roundTripMs: null });
  t.match(await trunks.becomes(unreachable, 'fail'), { status: 'fail' });
  await trunks.change('UPDATE voip_carriers SET register_password = ? WHERE voip_carrier_sid = ?', [
    'x',
    unable.carrierSid,
  ]);
  t.match(
    await until('it is tried once it has a password', async () => {
      const state = await trunks.stateOf(unable);
      return state?.reason === 'no response to REGISTER' && state;
    }),
    { status: 'fail' },
  );
});

t.test('a change is applied at once and touches no other trunk', async (t) => {
  const registrar = await startRegistrar(t, withPassword('SHA-256', 600));
  const bystander = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await trunks.add(t, registrar);
  const other = await trunks.add(t, bystander);
  await Promise.all([trunks.becomes(trunk, 'ok'), trunks.becomes(other, 'ok')]);
  const set = 'UPDATE voip_carriers SET register_password = ? WHERE voip_carrier_sid = ?';
  await trunks.change(set, ['wrong', trunk.carrierSid]);
  t.match(await trunks.becomes(trunk, 'fail'), { reason: /^401 / });
  t.equal(registrar.bindings.size, 1, 'the registration before is not taken back: the new one takes its place');
  await trunks.change(set, ['secret', trunk.carrierSid]);
  await trunks.becomes(trunk, 'ok');
  await trunks.change('UPDATE voip_carriers SET register_username = ? WHERE voip_carrier_sid = ?', [
    'renamed',
    trunk.carrierSid,
  ]);
  await until('only the new contact is registered', () => {
    const contacts = [...registrar.bindings.keys()];
    return contacts.length === 1 && contacts[0]?.startsWith('sip:renamed@');
  });
  await trunks.change('UPDATE voip_carriers SET is_active = 0 WHERE voip_carrier_sid = ?', [trunk.carrierSid]);
  await until('it is taken back', () => registrar.bindings.size === 0);
  t.equal(registrar.requests.at(-1)?.get('Expires'), '0');
  await until('nothing is said of it', async () => (await trunks.stateOf(trunk)) === null);
  t.equal(bystander.requests.length, 1);
});

t.test('carriers that share a registrar and an account there share one registration', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const one = await trunks.add(t, registrar);
  await trunks.becomes(one, 'ok');
  const two = await trunks.add(t, registrar, { account_sid: SEED.siblingAccountSid });
  t.match(await trunks.becomes(two, 'ok'), { voipCarrierSid: two.carrierSid, sipGatewaySid: two.gatewaySid, cseq: 1 });
  t.equal(registrar.requests.length, 1);
  await until('both may call', async () => (await trunks.openedTo(one)) && (await trunks.openedTo(two)));
  await trunks.remove(one.carrierSid);
  await until('nothing is said of the first', async () => (await trunks.stateOf(one)) === null);
  t.equal(await trunks.openedTo(one), null);
  t.equal((await trunks.stateOf(two))?.status, 'ok');
  t.equal(registrar.bindings.size, 1, 'the other still needs it');
  t.equal(registrar.requests.length, 1);
});

t.test('a redis that comes back empty is told again', async (t) => {
  const registrar = await startRegistrar(t, () => ({ granted: 600 }));
  const trunk = await trunks.add(t, registrar);
  await trunks.becomes(trunk, 'ok');
  await until('the address is open', () => trunks.openedTo(trunk));
  await stores.redis.flushall();
  sbc.edge.redis.disconnect(true);
  await trunks.becomes(trunk, 'ok');
  await until('the address is open again', () => trunks.openedTo(trunk));
  t.strictSame(await trunks.alertsAbout(trunk), []);
});
