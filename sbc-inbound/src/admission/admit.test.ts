import type { CallLimits } from '@ringwire/common';
import { parseNetworks } from '@ringwire/common/sip/networks.js';
import t from 'tap';
import { type InviteParts, inviteRequest } from '../testing/requests.js';
import { account, carrier, gateway, number, snapshotOf } from '../testing/snapshots.js';
import { type Admission, admit } from './admit.js';
import { unlimited } from './may-they.js';
import { shield } from './shield.js';
import type { Snapshot } from './types.js';

const TRUSTED = parseNetworks('10.9.0.0/16')!;

const rows = {
  accounts: [account('one', { sipRealm: 'one.example.com' }), account('two')],
  carriers: [carrier('own', { accountSid: 'one' }), carrier('shared')],
  gateways: [gateway('192.0.2.1/32', 'own'), gateway('192.0.2.0/24', 'shared')],
  numbers: [number('15551234567', 'own', 'one', 'app-1'), number('1555*', 'shared', 'two', 'app-2')],
};

const ask = (
  parts: InviteParts,
  snapshot: Snapshot = snapshotOf(rows),
  limits: Pick<CallLimits, 'take'> = unlimited,
): Promise<Admission> =>
  admit(inviteRequest({ source: '192.0.2.1', ...parts }), { callSid: 'call-1', snapshot, limits, trusted: TRUSTED });

const outcome = async (admission: Promise<Admission>): Promise<Record<string, unknown>> => {
  const result = await admission;
  if (!result.ok)
    return { status: result.rejection.status, metric: result.rejection.metric, recorded: result.rejection.recorded };
  const { account: owner, application, carrier: by } = result.destination;
  return { account: owner.accountSid, application: application.applicationSid, carrier: by.voipCarrierSid };
};

t.test('the shield', async (t) => {
  const status = (parts: InviteParts): number | 'passed' => {
    const result = shield(inviteRequest(parts), TRUSTED);
    return result.ok ? 'passed' : result.rejection.status;
  };
  t.equal(status({}), 'passed');
  t.equal(status({ headers: { 'User-Agent': 'friendly-scanner' } }), 403);
  t.equal(status({ headers: { 'User-Agent': 'SIPVicious/0.3' } }), 403);
  t.equal(status({ headers: { 'User-Agent': 'Asterisk PBX' } }), 'passed');
  t.equal(status({ uri: 'http://example.com' }), 400);
  t.equal(status({ uri: `sip:${'1'.repeat(500)}@127.0.0.1` }), 400);
  t.equal(status({ from: '<sip:a@b>' }), 400, 'From without tag');
  t.equal(status({ from: '%%%' }), 400);
  t.equal(status({ headers: { Contact: '' } }), 400);
  t.equal(
    status({ headers: { 'Content-Type': 'multipart/mixed;boundary=x' }, body: '--x\r\n\r\nnothing\r\n--x--' }),
    503,
  );
});

t.test('the shield reads odd but legal callers and numbers', async (t) => {
  const read = (parts: InviteParts) => {
    const result = shield(inviteRequest(parts), TRUSTED);
    if (!result.ok) throw new Error(result.rejection.reason);
    const { number: dialled, from, sourceAddress, sdp } = result.value;
    return { dialled, user: from.user, name: from.displayName, sourceAddress, sdp };
  };
  t.match(read({ uri: 'tel:+1-555-123', to: '<tel:+1-555-123>' }), { dialled: '1555123' });
  t.match(read({ uri: 'sip:example.com' }), { dialled: 'anonymous' });
  t.match(read({ uri: 'sip:+15551234567;npdi@127.0.0.1' }), { dialled: '15551234567' });
  t.match(read({ from: '"O\'Brien, \\"Pat\\"" <sip:anonymous.invalid>;tag=1' }), {
    user: null,
    name: 'O\'Brien, "Pat"',
  });
  t.match(read({ from: 'sip:+1555@host;tag=1' }), { user: '+1555', name: null });
  const siprec =
    '--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n--x\r\nContent-Type: application/rs-metadata\r\n\r\n<a/>\r\n--x--';
  t.equal(read({ headers: { 'Content-Type': 'multipart/mixed;boundary=x' }, body: siprec }).sdp.trim(), 'v=0\r\ns=-');
});

t.test('only our own proxies may say where a call comes from', async (t) => {
  const headers = { 'X-Forwarded-For': '192.0.2.1' };
  t.match(await outcome(ask({ source: '203.0.113.9', headers })), { status: 403, metric: 'unknown-source' });
  t.match(await outcome(ask({ source: '10.9.1.1', headers })), { account: 'one' });
  t.match(await outcome(ask({ source: '10.9.1.1', headers: { 'X-Forwarded-For': 'nonsense' } })), { status: 403 });
});

t.test('who: the most specific gateway decides, inactive ones do not count', async (t) => {
  t.match(await outcome(ask({})), { account: 'one', application: 'app-1', carrier: 'own' });
  t.match(await outcome(ask({ source: '192.0.2.77' })), { account: 'two', application: 'app-2', carrier: 'shared' });
  t.match(await outcome(ask({ source: '198.51.100.1' })), { status: 403, recorded: false });
  const inactive = snapshotOf({ ...rows, gateways: [gateway('192.0.2.1/32', 'own', { isActive: false })] });
  t.match(await outcome(ask({}, inactive)), { status: 403 });
  const outboundOnly = snapshotOf({ ...rows, gateways: [gateway('192.0.2.1/32', 'own', { inbound: false })] });
  t.match(await outcome(ask({}, outboundOnly)), { status: 403 });
  const gone = snapshotOf({
    ...rows,
    carriers: [carrier('own', { accountSid: 'one', isActive: false })],
    gateways: [gateway('192.0.2.1', 'own')],
  });
  t.match(await outcome(ask({}, gone)), { status: 403 });
});

t.test("who: a call to an account's realm counts only for carriers that serve it", async (t) => {
  t.match(await outcome(ask({ uri: 'sip:15551234567@one.example.com' })), { account: 'one', carrier: 'own' });
  const strangers = snapshotOf({
    ...rows,
    carriers: [carrier('own', { accountSid: 'two' })],
    gateways: [gateway('192.0.2.1', 'own')],
  });
  t.match(await outcome(ask({ uri: 'sip:15551234567@one.example.com' }, strangers)), { status: 403, metric: 'device' });
});

t.test('what: exact number, then the longest pattern, then the default of the carrier', async (t) => {
  const snapshot = snapshotOf({
    ...rows,
    carriers: [carrier('own', { accountSid: 'one', applicationSid: 'app-3' })],
    gateways: [gateway('192.0.2.1', 'own')],
    numbers: [
      number('1555', 'own', 'one', 'app-1'),
      number('155*', 'own', 'one', 'app-2'),
      number('15*', 'own', 'one', 'app-3'),
      number('(unclosed', 'own', 'one', 'app-3'),
      number('^9{3}$', 'own', 'two', 'app-1'),
    ],
  });
  t.match(await outcome(ask({ uri: 'sip:1555@192.0.2.9' }, snapshot)), { application: 'app-1' });
  t.match(await outcome(ask({ uri: 'sip:+1555@192.0.2.9' }, snapshot)), { application: 'app-1' });
  t.match(await outcome(ask({ uri: 'sip:15567@192.0.2.9' }, snapshot)), { application: 'app-2' });
  t.match(await outcome(ask({ uri: 'sip:1566@192.0.2.9' }, snapshot)), { application: 'app-3' });
  t.match(await outcome(ask({ uri: 'sip:999@192.0.2.9' }, snapshot)), { account: 'two', application: 'app-1' });
  t.match(await outcome(ask({ uri: 'sip:777@192.0.2.9' }, snapshot)), { account: 'one', application: 'app-3' });
});

t.test('what: an unknown number is refused, recorded, and named', async (t) => {
  const result = await ask({ uri: 'sip:777@192.0.2.9' });
  t.match(result, { ok: false, rejection: { status: 404, recorded: true, reason: /Number Not Provisioned: 777/ } });
  const gone = snapshotOf({ ...rows, numbers: [number('777', 'own', 'one', 'missing')] });
  t.match(await ask({ uri: 'sip:777@192.0.2.9' }, gone), {
    rejection: { status: 404, reason: /application does not exist/ },
  });
  const orphan = snapshotOf({ ...rows, numbers: [number('777', 'own', 'missing', 'app-1')] });
  t.match(await ask({ uri: 'sip:777@192.0.2.9' }, orphan), {
    rejection: { status: 404, reason: /account does not exist/ },
  });
});

t.test('what: an ambiguous number or carrier is refused with 503', async (t) => {
  const twice = snapshotOf({
    ...rows,
    carriers: [
      carrier('a', { accountSid: 'one', applicationSid: 'app-1' }),
      carrier('b', { accountSid: 'two', applicationSid: 'app-2' }),
    ],
    gateways: [gateway('192.0.2.1', 'a'), gateway('192.0.2.1', 'b')],
    numbers: [number('777', 'a', 'one', 'app-1'), number('777', 'b', 'two', 'app-2')],
  });
  t.match(await outcome(ask({ uri: 'sip:777@192.0.2.9' }, twice)), { status: 503, metric: 'ambiguous' });
  t.match(await outcome(ask({ uri: 'sip:888@192.0.2.9' }, twice)), { status: 503, metric: 'ambiguous' });
});

t.test('what: a shared carrier of a service provider with one account is that account', async (t) => {
  const snapshot = snapshotOf({
    accounts: [account('only')],
    carriers: [carrier('shared', { applicationSid: 'app-1' })],
    gateways: [gateway('192.0.2.1', 'shared')],
  });
  t.match(await outcome(ask({}, snapshot)), { account: 'only', application: 'app-1' });
});

t.test('may they: inactive accounts, loops and limits', async (t) => {
  const inactive = snapshotOf({ ...rows, accounts: [account('one', { isActive: false })] });
  t.match(await outcome(ask({}, inactive)), { status: 503, metric: 'inactive-account' });
  t.match(await outcome(ask({ headers: { 'X-Application-Sid': 'app-1' } })), { status: 482, metric: 'loop' });
  const full: Pick<CallLimits, 'take'> = {
    take: async ({ callSid, accountSid, serviceProviderSid, applicationSid }) => {
      t.same([callSid, accountSid, serviceProviderSid, applicationSid], ['call-1', 'one', 'sp', 'app-1']);
      return { ok: false, reached: { scope: 'account', sid: 'one', limit: 7, isNews: true } };
    },
  };
  t.match(await ask({}, undefined, full), {
    rejection: {
      status: 503,
      phrase: 'Max Account Calls In Progress',
      headers: { 'X-Account-Sid': 'one', 'X-Call-Limit': '7' },
      alert: { alertType: 'account-call-limit', targetSid: 'one' },
      account: { accountSid: 'one' },
    },
  });
});
