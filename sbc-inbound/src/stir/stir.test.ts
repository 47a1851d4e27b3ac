import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, openDatabase, parseStirHeader, type StirPolicy, type StirResult } from '@ringwire/common';
import { signCall } from '@ringwire/common/stir/signer.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import {
  type CertificateServer,
  makeStirAuthority,
  startCertificateServer,
  type TestSigner,
} from '@ringwire/common/testing/stir-authority.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from '../sbc-inbound.js';
import { ended, NUMBER, refusal, startCaller, type TestCaller } from '../testing/caller.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from '../testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '../testing/feature-server.js';
import { type Stores, startStores } from '../testing/stores.js';
import { stirVerifier } from './config.js';

t.setTimeout(200_000);

const authority = makeStirAuthority(t);
/** Who calls in these tests. */
const CALLER = '15550001111';
/** Short, so that a certificate that does not come costs the test little; long enough for one that does. */
const WAIT_MS = 1_500;

let stores: Stores;
let db: Database;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;
let caller: TestCaller;
let repository: CertificateServer;
let signer: TestSigner;
let x5u: string;

t.before(async () => {
  stores = await startStores(t);
  const { MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE } = stores.env;
  const settings = { host: MYSQL_HOST!, port: Number(MYSQL_PORT), user: MYSQL_USER!, password: MYSQL_PASSWORD! };
  db = openDatabase({ ...settings, database: MYSQL_DATABASE! }, { logger: silentLogger() });
  t.teardown(() => db.close());
  repository = await startCertificateServer(t, authority);
  signer = authority.issue({ spc: '1234' });
  x5u = repository.publish('/signer.pem', signer.chainPem, { 'cache-control': 'max-age=600' });
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcInbound, {
    name: 'sbc-inbound',
    stores,
    controlPort: server.controlPort,
    env: {
      STIR_ROOTS_FILE: authority.rootFile,
      STIR_HTTPS_CA_FILE: authority.rootFile,
      STIR_ALLOW_PRIVATE: 'true',
      STIR_WAIT_MS: `${WAIT_MS}`,
    },
  });
  fs = await startFeatureServer(t, stores, 'fs-one');
  await sbc.edge.featureServers.refresh();
  caller = await startCaller(t);
});

t.beforeEach(async () => {
  fs.invites.length = 0;
  await setPolicies(null, null);
});

async function setPolicies(ofCarrier: StirPolicy | null, ofAccount: StirPolicy | null): Promise<void> {
  await db.execute('UPDATE voip_carriers SET stir_policy = ? WHERE voip_carrier_sid = ?', [ofCarrier, SEED.carrierSid]);
  await db.execute('UPDATE accounts SET stir_policy = ? WHERE account_sid = ?', [ofAccount, SEED.accountSid]);
  await sbc.edge.provisioning.reload();
}

const identity = (changes: Partial<Parameters<typeof signCall>[0]> = {}, by = signer, url = x5u, atMs = Date.now()) =>
  signCall({ orig: CALLER, dest: NUMBER, attest: 'A', ...changes }, { x5u: url, key: by.key }, atMs);

/** What the feature server is told of a call that it answers. */
async function told(headers: Record<string, string>): Promise<{ stir: StirResult | null; callId: string }> {
  const call = caller.call(server.sipPort, NUMBER, headers);
  const dialog = await call.answered;
  const over = ended(dialog);
  await dialog.bye();
  await over;
  const value = fs.invites.at(-1)?.get('X-Stir');
  return { stir: value === undefined ? null : parseStirHeader(value), callId: call.callId };
}

const timelineOf = async (callId: string): Promise<string[]> => {
  await stores.event('call.ended', callId);
  const events = await stores.events(callId);
  return events.flatMap((event) => (event.type === 'call.timeline' ? [event.data.text] : []));
};

t.test('a caller that a trusted signer vouches for is valid, and its certificate is fetched once', async (t) => {
  const first = await told(identity({ origid: 'o-1' }));
  t.match(first.stir, {
    status: 'valid',
    verstat: 'TN-Validation-Passed',
    attest: 'A',
    orig: CALLER,
    dest: [NUMBER],
    origid: 'o-1',
    spc: ['1234'],
  });
  t.match((await told(identity({ attest: 'B' }))).stir, { status: 'valid', attest: 'B' });
  t.same(repository.requests, ['/signer.pem']);
  t.ok((await timelineOf(first.callId)).some((text) => text.includes('attestation A, signed for 1234')));
  t.equal(await metric(sbc.edge, 'ringwire_stir_verified_total', { status: 'valid' }), 2);
});

t.test('a header of the outside that looks like ours goes nowhere', async (t) => {
  const forged = { 'X-Stir': '{"status":"valid","verstat":"TN-Validation-Passed","attest":"A"}' };
  t.match((await told(forged)).stir, { status: 'none', code: 428 });
  await setPolicies('off', null);
  t.equal((await told({ ...forged, ...identity() })).stir, null, 'policy off: nothing is said');
});

t.test('tag: a call with a wrong identity goes on, and the application is told why it is wrong', async (t) => {
  const cases: [string, Record<string, string>, object][] = [
    ['another caller', identity({ orig: '19005551212' }), { status: 'invalid', code: 438, claimedAttest: 'A' }],
    ['stale', identity({}, signer, x5u, Date.now() - 90_000), { status: 'invalid', code: 403 }],
    [
      'another key',
      identity({}, authority.issue()),
      { status: 'invalid', code: 438, reason: 'the signature is wrong' },
    ],
    ['nonsense', { Identity: 'nonsense' }, { status: 'invalid', code: 438 }],
  ];
  for (const [name, headers, expected] of cases) t.match((await told(headers)).stir, expected, name);
});

t.test('enforce: a call without a valid identity is refused with the code of what is wrong', async (t) => {
  await setPolicies(null, 'enforce');
  const stranger = makeStirAuthority(t).issue();
  const unknown = repository.publish('/unknown.pem', stranger.chainPem);
  const cases: [Record<string, string>, number, string, RegExp][] = [
    [{}, 428, 'Use Identity Header', /no Identity/],
    [identity({}, signer, x5u, Date.now() - 90_000), 403, 'Stale Date', / \d{2,} s ago/],
    [identity({}, signer, `${x5u}.gone`), 436, 'Bad Identity Info', /404/],
    [identity({}, stranger, unknown), 437, 'Unsupported Credential', /no trusted root/],
    [identity({ dest: '19005551212' }), 438, 'Invalid Identity Header', /dest 19005551212/],
  ];
  for (const [headers, status, reason, why] of cases) {
    const call = caller.call(server.sipPort, NUMBER, headers);
    const response = await refusal(call);
    t.equal(response.status, status);
    t.equal(response.reason, reason);
    t.match(response.get('X-Reason'), why);
    const { data } = await stores.event('call.ended', call.callId);
    t.match(data, { sipStatus: status, terminationReason: 'failed', accountSid: SEED.accountSid });
    t.ok((await timelineOf(call.callId)).some((text) => text.startsWith(`refused with ${status}: ${reason}`)));
  }
  t.equal(fs.invites.length, 0, 'no feature server was asked');
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'stir' }), cases.length);
  t.match((await told(identity())).stir, { status: 'valid' });
  await setPolicies('tag', 'enforce');
  t.match((await told({})).stir, { status: 'none' }, "the carrier's policy goes before the account's");
  await until('calls are gone', () => sbc.edge.calls.size === 0);
});

t.test('a certificate that does not come keeps a call no longer than it may, and the next finds it', async (t) => {
  let release = (): void => {};
  const slow = repository.publish('/slow.pem', (response) => {
    release = () => void response.writeHead(200).end(signer.chainPem);
  });
  const startedAt = performance.now();
  const { stir, callId } = await told(identity({}, signer, slow));
  t.match(stir, { status: 'unverified', code: 436, claimedAttest: 'A' });
  t.ok(performance.now() - startedAt >= WAIT_MS - 50);
  t.ok((await timelineOf(callId)).some((text) => text.includes(`not there within ${WAIT_MS} ms`)));
  release();
  t.match(
    await until('the certificate', async () => {
      const next = await told(identity({}, signer, slow));
      return next.stir?.status === 'valid' ? next.stir : undefined;
    }),
    { attest: 'A' },
  );
});

t.test('a caller who gives up during the wait gets 487, and nothing of the call is left', async (t) => {
  const asked = repository.requests.length;
  const never = repository.publish('/never.pem', () => {});
  const call = caller.call(server.sipPort, NUMBER, identity({}, signer, never));
  await until('the certificate is asked for', () => repository.requests.length > asked);
  call.cancel();
  t.equal((await refusal(call)).status, 487);
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { sipStatus: 487, terminationReason: 'caller abandoned' });
  t.equal(fs.invites.length, 0);
  await until('calls are gone', () => sbc.edge.calls.size === 0);
});

t.test('configuration: a file that cannot be used is named', async (t) => {
  const config = {
    STIR_ROOTS_FILE: undefined,
    STIR_WAIT_MS: 500,
    STIR_ALLOW_PRIVATE: false,
    STIR_HTTPS_CA_FILE: undefined,
  };
  const empty = join(dirname(authority.rootFile), 'empty.pem');
  writeFileSync(empty, 'nothing');
  t.throws(() => stirVerifier({ ...config, STIR_ROOTS_FILE: '/none.pem' }), {
    message: /STIR_ROOTS_FILE .* can be read/,
  });
  t.throws(() => stirVerifier({ ...config, STIR_ROOTS_FILE: empty }), { message: /at least one PEM certificate/ });
  t.doesNotThrow(() => stirVerifier(config));
});
