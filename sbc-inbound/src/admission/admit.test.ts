import {
  type CallLimits,
  DEFAULT_INBOUND_RULES,
  type InboundRules,
  openRedis,
  registrations,
  temporaryGatewaysKey,
  type VoipCarrier,
} from '@ringwire/common';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { digestServer } from '@ringwire/common/sip/digest/digest-server.js';
import { digestResponse } from '@ringwire/common/sip/digest/response.js';
import { parseNetworks } from '@ringwire/common/sip/networks.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { startTestRedis } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { type InviteParts, inviteRequest } from '../testing/requests.js';
import { account, application, carrier, gateway, number, snapshotOf } from '../testing/snapshots.js';
import { type Admission, admit } from './admit.js';
import { toE164 } from './e164.js';
import { unlimited } from './may-they.js';
import { shield } from './shield.js';
import { temporaryGateways } from './temporary-gateways.js';
import type { Snapshot } from './types.js';

const logger = silentLogger();
const redisServer = await startTestRedis();
t.teardown(() => redisServer.stop());
const redis = openRedis(redisServer, { logger, name: 'test' });
t.teardown(() => redis.disconnect());
await until('redis', () => redis.status === 'ready');
const digest = digestServer({ redis, logger, algorithms: ['SHA-256', 'MD5'] });
t.teardown(() => digest.close());
await digest.ready;
const temporary = temporaryGateways(redis);

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
  admit(inviteRequest({ source: '192.0.2.1', ...parts }), {
    callSid: 'call-1',
    snapshot,
    limits,
    digest,
    temporary,
    trusted: TRUSTED,
    registrations: registrations(redis),
    teams: { networks: parseNetworks('192.0.3.0/24')!, requireTls: true },
    guard: new AddressGuard({ allowPrivate: true }),
    allowsMd5: true,
  });

const outcome = async (admission: Promise<Admission>): Promise<Record<string, unknown>> => {
  const result = await admission;
  if (!result.ok)
    return { status: result.rejection.status, metric: result.rejection.metric, recorded: result.rejection.recorded };
  const { account: owner, application, carrier: by } = result.destination;
  return { account: owner.accountSid, application: application?.applicationSid, carrier: by?.voipCarrierSid };
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

t.test('who: what comes over a WebSocket is no carrier, whatever it calls', async (t) => {
  const headers = { Via: 'SIP/2.0/WSS k3i8.invalid;branch=z9hG4bK1' };
  const browser = { protocol: 'tls', headers };
  t.match(await outcome(ask(browser)), { status: 403, metric: 'unknown-source' });
  t.match(await outcome(ask({ ...browser, uri: 'sip:15551234567@one.example.com' })), {
    status: 403,
    metric: 'device',
  });
  t.match(await outcome(ask({ protocol: 'tls' })), { account: 'one', carrier: 'own' });
});

t.test('who: Microsoft Teams is believed over TLS only', async (t) => {
  const uri = 'sip:15551234567@teams.example.com';
  const from = { source: '192.0.3.1', uri };
  t.match(await outcome(ask({ ...from, protocol: 'udp' })), { status: 403, metric: 'unknown-source' });
  t.match(await outcome(ask({ ...from, protocol: 'tcp' })), { status: 403, metric: 'unknown-source' });
  t.match(await outcome(ask({ ...from, protocol: 'tls' })), { status: 404, metric: 'unknown-tenant' });
  const headers = { Via: 'SIP/2.0/WSS k3i8.invalid;branch=z9hG4bK1' };
  t.match(await outcome(ask({ ...from, protocol: 'tls', headers })), { status: 403 }, 'a browser');
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
      headers: undefined,
      alert: { alertType: 'account-call-limit', targetSid: 'one' },
      account: { accountSid: 'one' },
    },
  });
});

t.test('who: IPv6 networks count like IPv4 ones, and IPv4 in an IPv6 spelling is IPv4', async (t) => {
  const snapshot = snapshotOf({
    ...rows,
    gateways: [gateway('2001:db8:7::/48', 'shared'), gateway('2001:db8:7::5/128', 'own'), gateway('192.0.2.1', 'own')],
  });
  t.match(await outcome(ask({ source: '2001:db8:7:1::9' }, snapshot)), { account: 'two', carrier: 'shared' });
  t.match(await outcome(ask({ source: '[2001:0DB8:7:0::5]' }, snapshot)), { account: 'one', carrier: 'own' });
  t.match(await outcome(ask({ source: '::ffff:192.0.2.1' }, snapshot)), { account: 'one', carrier: 'own' });
  t.match(await outcome(ask({ source: '2001:db8:8::1' }, snapshot)), { status: 403, metric: 'unknown-source' });
  const headers = { 'X-Forwarded-For': '2001:db8:7::5' };
  t.match(await outcome(ask({ source: '10.9.1.1', headers }, snapshot)), { account: 'one', carrier: 'own' });
});

/** Carriers of an account at one address, each with an application of its own. */
const neighbours = (rules: Record<string, Partial<InboundRules>>): Snapshot =>
  snapshotOf({
    accounts: [account('owner')],
    carriers: Object.entries(rules).map(([name, marks], i) =>
      carrier(name, {
        accountSid: 'owner',
        applicationSid: `app-${i + 1}`,
        inboundRules: { ...DEFAULT_INBOUND_RULES, ...marks },
      }),
    ),
    gateways: Object.keys(rules).map((name) => gateway('192.0.2.1', name)),
  });

t.test('who: carriers at one address are told apart by a header', async (t) => {
  const snapshot = neighbours({
    red: { header: 'X-Trunk', headerValue: 'red' },
    blue: { header: 'X-Trunk', headerValue: 'blue' },
    plain: {},
  });
  const carrierOf = (headers: Record<string, string>) => outcome(ask({ headers }, snapshot));
  t.match(await carrierOf({ 'X-Trunk': 'red' }), { carrier: 'red' });
  t.match(await carrierOf({ 'X-Trunk': ' blue ' }), { carrier: 'blue' });
  t.match(await carrierOf({}), { carrier: 'plain' });
  t.match(await carrierOf({ 'X-Trunk': 'green' }), { carrier: 'plain' });
  const marked = neighbours({ red: { header: 'X-Trunk' } });
  t.match(await outcome(ask({ headers: { 'X-Trunk': 'anything' } }, marked)), { carrier: 'red' });
  t.match(await outcome(ask({}, marked)), { status: 403, metric: 'unknown-trunk', recorded: false });
});

t.test('who: carriers at one address are told apart by their trunk group (RFC 4904)', async (t) => {
  const snapshot = neighbours({
    one: { trunkGroup: 'TG-1', trunkContext: 'example.com' },
    two: { trunkGroup: 'tg-2' },
    three: { trunkGroup: 'tg-1', trunkContext: 'other.example' },
  });
  const contact = (uri: string) => outcome(ask({ headers: { Contact: `<${uri}>` } }, snapshot));
  t.match(await contact('sip:+1555;tgrp=tg-1;trunk-context=example.com@192.0.2.1;user=phone'), { carrier: 'one' });
  t.match(await contact('sip:+1555;trunk-context=OTHER.example;tgrp=TG-1@192.0.2.1'), { carrier: 'three' });
  t.match(await contact('sip:+1555@192.0.2.1;tgrp=tg-2'), { carrier: 'two' });
  t.match(await contact('sip:+1555@192.0.2.1'), { status: 403, metric: 'unknown-trunk' });
  t.match(await contact('sip:+1555;tgrp=tg-1@192.0.2.1'), { status: 403 }, 'without its context');
  t.match(await outcome(ask({ uri: 'sip:+15551234567;tgrp=tg-2;trunk-context=x@192.0.2.9' }, snapshot)), {
    carrier: 'two',
  });
});

t.test("who: no mark, and no username that it calls its own, gives a carrier another owner's calls", async (t) => {
  const rules = { ...DEFAULT_INBOUND_RULES, header: 'P-Asserted-Identity' };
  for (const claim of [
    { inboundRules: rules },
    { registerUsername: '15551234567' },
    { registerUsername: '15551234567', requiresRegister: true },
  ]) {
    const snapshot = snapshotOf({
      accounts: [account('one'), account('thief')],
      carriers: [
        carrier('own', { accountSid: 'one' }),
        carrier('claimed', { accountSid: 'thief', applicationSid: 'app-3', ...claim }),
      ],
      gateways: [gateway('192.0.2.1', 'own'), gateway('192.0.2.1', 'claimed')],
      numbers: [number('15551234567', 'own', 'one', 'app-1')],
    });
    const headers = { 'P-Asserted-Identity': '<sip:1@x>' };
    t.match(await outcome(ask({ headers }, snapshot)), { account: 'one', application: 'app-1', carrier: 'own' });
  }
});

t.test('what: the default application of a shared carrier runs for no other account than its own', async (t) => {
  const snapshot = snapshotOf({
    accounts: [account('one'), account('two')],
    applications: [application('app-of-one', { accountSid: 'one' })],
    carriers: [carrier('shared', { applicationSid: 'app-of-one' })],
    gateways: [gateway('192.0.2.1', 'shared')],
    numbers: [number('1111', 'shared', 'one', null), number('2222', 'shared', 'two', null)],
  });
  t.match(await outcome(ask({ uri: 'sip:1111@192.0.2.9' }, snapshot)), { account: 'one', application: 'app-of-one' });
  t.match(await outcome(ask({ uri: 'sip:2222@192.0.2.9' }, snapshot)), { status: 404, metric: 'unknown-number' });
});

t.test('who: the address of a registrar is a gateway as long as the registration lasts', async (t) => {
  const snapshot = snapshotOf({
    accounts: [account('one', { sipRealm: 'one.example.com' }), account('two')],
    carriers: [
      carrier('registered', {
        accountSid: 'one',
        applicationSid: 'app-1',
        trunkType: 'reg',
        registerUsername: 'ringwire',
      }),
      carrier('other', { accountSid: 'two', applicationSid: 'app-2', trunkType: 'reg', registerUsername: 'second' }),
      carrier('off', { accountSid: 'two', applicationSid: 'app-3', trunkType: 'reg', isActive: false }),
    ],
    gateways: [],
  });
  const nowS = Math.floor(Date.now() / 1000);
  const source = '198.51.100.7';
  t.match(await outcome(ask({ source }, snapshot)), { status: 403 });
  await redis.hset(temporaryGatewaysKey(source), {
    registered: nowS + 60,
    other: nowS - 1,
    off: nowS + 60,
    gone: nowS + 60,
  });
  t.match(await outcome(ask({ source }, snapshot)), { account: 'one', carrier: 'registered' });
  await redis.hset(temporaryGatewaysKey(source), { other: nowS + 60 });
  t.match(await outcome(ask({ source, uri: 'sip:second@192.0.2.9' }, snapshot)), { carrier: 'other' });
  t.match(await outcome(ask({ source, uri: 'sip:ringwire@192.0.2.9' }, snapshot)), { carrier: 'registered' });
  t.match(await outcome(ask({ source, uri: 'sip:15551234567@one.example.com' }, snapshot)), { carrier: 'registered' });
  await redisServer.kill();
  await until('the loss is noticed', () => redis.status !== 'ready');
  t.match(await outcome(ask({ source }, snapshot)), { status: 503, metric: 'unidentified', recorded: false });
  await redisServer.restart();
  await until('redis is back', () => redis.status === 'ready');
});

const trunk = (voipCarrierSid: string, password: string, more: Partial<VoipCarrier> = {}) =>
  carrier(voipCarrierSid, {
    trunkType: 'auth',
    inboundAuthUsername: 'trunk',
    inboundAuthPassword: password,
    applicationSid: 'app-1',
    ...more,
  });

/** Credentials for the challenge that a refusal carries. */
function credentials(refusal: Admission, uri: string, password: string, username = 'trunk'): Record<string, string> {
  const challenge = refusal.ok ? '' : (refusal.rejection.headers?.['WWW-Authenticate'] ?? '');
  const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? '';
  const realm = /realm="([^"]+)"/.exec(challenge)?.[1] ?? '';
  const common = { username, realm, uri, nonce, nc: '00000001', cnonce: 'abc' };
  const response = digestResponse({ ...common, algorithm: 'SHA-256', password, method: 'INVITE' });
  return {
    Authorization: `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="abc"`,
  };
}

t.test('who: a carrier that authenticates calls from anywhere, and nobody else in its name', async (t) => {
  const uri = 'sip:15551234567@one.example.com';
  const snapshot = snapshotOf({
    accounts: [account('one', { sipRealm: 'one.example.com' }), account('two', { sipRealm: 'two.example.com' })],
    carriers: [trunk('own', 'secret', { accountSid: 'one' }), trunk('foreign', 'foreign', { accountSid: 'two' })],
    gateways: [],
    numbers: [number('15551234567', 'own', 'one', 'app-2')],
  });
  let taken = 0;
  const limits: Pick<CallLimits, 'take'> = {
    take: async (call) => {
      taken++;
      return unlimited.take(call);
    },
  };
  const source = '203.0.113.9';
  const challenged = await ask({ source, uri }, snapshot, limits);
  t.match(challenged, { ok: false, rejection: { status: 401, recorded: false, metric: 'challenged' } });
  t.match(challenged, { rejection: { headers: { 'WWW-Authenticate': /^Digest realm="one.example.com"/ } } });
  t.match(await outcome(ask({ source, uri, headers: credentials(challenged, uri, 'guess') }, snapshot, limits)), {
    status: 403,
    metric: 'bad-credentials',
  });
  t.match(await outcome(ask({ source, uri, headers: credentials(challenged, uri, 'foreign') }, snapshot, limits)), {
    status: 403,
  });
  t.equal(taken, 0, 'nobody took a place');
  const headers = credentials(challenged, uri, 'secret');
  t.match(await outcome(ask({ source, uri, headers }, snapshot, limits)), {
    account: 'one',
    carrier: 'own',
    application: 'app-2',
  });
  t.equal(taken, 1);
  t.match(await ask({ source, uri, headers }, snapshot, limits), {
    rejection: { status: 401, metric: 'stale-nonce', headers: { 'WWW-Authenticate': /stale=true/ } },
  });
  t.match(await outcome(ask({ source, uri: 'sip:15551234567@192.0.2.9' }, snapshot)), { status: 403 });
});

t.test(
  'who: the address alone is no proof for a carrier with a password, nor does it hinder others there',
  async (t) => {
    const uri = 'sip:777@192.0.2.9';
    const only = snapshotOf({
      accounts: [account('one')],
      carriers: [trunk('own', 'secret', { accountSid: 'one' })],
      gateways: [gateway('192.0.2.1', 'own')],
    });
    const challenged = await ask({ uri }, only);
    t.match(challenged, { rejection: { status: 401 } });
    t.match(await outcome(ask({ uri, headers: credentials(challenged, uri, 'secret') }, only)), { carrier: 'own' });
    const both = snapshotOf({
      accounts: [account('one')],
      carriers: [
        trunk('own', 'secret', { accountSid: 'one' }),
        carrier('open', { accountSid: 'one', applicationSid: 'app-2' }),
      ],
      gateways: [gateway('192.0.2.1', 'own'), gateway('192.0.2.1', 'open')],
    });
    t.match(await outcome(ask({ uri }, both)), { carrier: 'open' });
  },
);

t.test(
  'numbers of a carrier are read as it writes them, and stored numbers as it sends them are found too',
  async (t) => {
    const read = (text: string, rules: Partial<InboundRules>) => toE164(text, { ...DEFAULT_INBOUND_RULES, ...rules });
    const uk = { countryCode: '44', nationalPrefix: '0', internationalPrefix: '00' };
    t.equal(read('02079460000', uk), '442079460000');
    t.equal(read('(020) 7946-0000', uk), '442079460000');
    t.equal(read('+442079460000', uk), '442079460000');
    t.equal(read('0049301234567', uk), '49301234567');
    t.equal(read('442079460000', uk), '442079460000');
    t.equal(read('alice', uk), 'alice');
    t.equal(read('anonymous', uk), 'anonymous');
    t.equal(read('12', uk), '12');
    const us = { countryCode: '1', nationalPrefix: '1', internationalPrefix: '011', nationalLength: 10 };
    t.equal(read('2125550123', us), '12125550123');
    t.equal(read('12125550123', us), '12125550123');
    t.equal(read('011442079460000', us), '442079460000');
    t.equal(read('911', us), '911');
    const italy = { countryCode: '39', internationalPrefix: '00', nationalLength: 10 };
    t.equal(read('0612345678', italy), '390612345678');
    t.equal(read('02079460000', {}), '02079460000', 'without rules nothing changes');

    const snapshot = snapshotOf({
      accounts: [account('one')],
      carriers: [
        carrier('uk', {
          accountSid: 'one',
          applicationSid: 'app-3',
          inboundRules: { ...DEFAULT_INBOUND_RULES, ...uk },
        }),
      ],
      gateways: [gateway('192.0.2.1', 'uk')],
      numbers: [
        number('442079460000', 'uk', 'one', 'app-1'),
        number('02079461111', 'uk', 'one', 'app-2'),
        number('4930*', 'uk', 'one', 'app-2'),
      ],
    });
    const called = async (user: string) => {
      const result = await ask(
        { uri: `sip:${user}@192.0.2.9`, from: '"Anna" <sip:01632960000@192.0.2.1>;tag=1' },
        snapshot,
      );
      if (!result.ok) throw new Error(result.rejection.reason);
      const { invite, destination } = result;
      t.equal(invite.number, invite.target.user);
      return [invite.number, invite.from.user, destination.application?.applicationSid];
    };
    t.same(await called('02079460000'), ['442079460000', '441632960000', 'app-1']);
    t.same(await called('%2B442079460000'.replace('%2B', '+')), ['442079460000', '441632960000', 'app-1']);
    t.same(await called('02079461111'), ['442079461111', '441632960000', 'app-2']);
    t.same(await called('004930111'), ['4930111', '441632960000', 'app-2']);
    t.same(await called('02000'), ['442000', '441632960000', 'app-3']);
  },
);

t.test('what the carrier says of the caller stands on the timeline', async (t) => {
  const headers = {
    'P-Asserted-Identity': '"Smith, Anna" <sip:+15550001111@c.example>, <tel:+15550001111>',
    Privacy: 'id;critical',
    Diversion: '<sip:+15552223333@c.example>;reason=no-answer;counter=1',
    'History-Info': '<sip:a@x>;index=1,<sip:b@y?Reason=SIP%3Bcause%3D302>;index=1.1',
  };
  const result = await ask({ headers });
  t.match(
    result.decisions.find(({ kind }) => kind === 'call'),
    {
      text: /^the carrier says: asserted "Smith, Anna" <sip:/,
      data: {
        asserted: ['"Smith, Anna" <sip:+15550001111@c.example>', '<tel:+15550001111>'],
        privacy: ['id', 'critical'],
        diversion: ['<sip:+15552223333@c.example>;reason=no-answer;counter=1'],
        history: ['<sip:a@x>;index=1', '<sip:b@y?Reason=SIP%3Bcause%3D302>;index=1.1'],
      },
    },
  );
  t.notOk((await ask({})).decisions.some(({ kind }) => kind === 'call'));
  t.ok((await ask({ headers: { Diversion: '"<<<,,,' } })).ok, 'nonsense harms nobody');
});
