import { type Database, encryptSecret, openDatabase } from '@ringwire/common';
import { certificatesOfPem } from '@ringwire/common/stir/certificate.js';
import { CertificateCache } from '@ringwire/common/stir/certificate-cache.js';
import { StirVerifier } from '@ringwire/common/stir/verifier.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { makeStirAuthority } from '@ringwire/common/testing/stir-authority.js';
import { until } from '@ringwire/common/testing/until.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, Provisioner, startGateway, type TestGateway } from './testing/carriers.js';

t.setTimeout(200_000);

const authority = makeStirAuthority(t);
const own = authority.issue({ spc: '1111' });
const shared = authority.issue({ spc: '2222' });
const OWN_URL = 'https://certs.example/own.pem';
const SHARED_URL = 'https://certs.example/shared.pem';
const FOREIGN = '<sip:19005550000@localhost>';

/** The far end's view: certificates by URL, no network. */
const verifier = new StirVerifier({
  certificates: new CertificateCache({
    fetch: async (url) => ({ body: Buffer.from((url === OWN_URL ? own : shared).chainPem), maxAgeMs: null }),
  }),
  roots: certificatesOfPem(authority.rootPem),
  waitMs: 1_000,
});

let stores: Stores;
let db: Database;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;
let gateway: TestGateway;

t.before(async () => {
  stores = await startStores(t);
  const { MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE } = stores.env;
  const settings = { host: MYSQL_HOST!, port: Number(MYSQL_PORT), user: MYSQL_USER!, password: MYSQL_PASSWORD! };
  db = openDatabase({ ...settings, database: MYSQL_DATABASE! }, { logger: silentLogger() });
  t.teardown(() => db.close());
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
  const audio = await startAudio(t);
  gateway = await startGateway(t, (call) => void call.accept(audio.sdp));
});

t.beforeEach(() => db.execute('DELETE FROM stir_credentials'));

/** Gives an owner a certificate's key, encrypted as the API stores it. */
async function credential(owner: 'account_sid' | 'service_provider_sid', x5u: string, keyPem: string): Promise<void> {
  const stored = encryptSecret(keyPem, stores.env.ENCRYPTION_SECRET!);
  await db.execute(
    `INSERT INTO stir_credentials (stir_credential_sid, ${owner}, x5u, private_key) VALUES (UUID(), ?, ?, ?)`,
    [owner === 'account_sid' ? SEED.accountSid : SEED.serviceProviderSid, x5u, stored],
  );
  await sbc.edge.provisioning.reload();
}

/** The INVITE that reaches the carrier. */
async function invite(
  carrier: Record<string, string | number | null> = {},
  options: Parameters<typeof dial>[3] = {},
): Promise<{ message: SipMessage; timeline: string[] }> {
  const { host, port } = gateway;
  const carrierSid = await rows.add({ carrier, gateways: [{ host, port }] });
  const call = dial(fs, server, carrierSid, options);
  (await call.dialog).destroy({}, () => {});
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  const callId = await call.callId;
  await stores.event('call.ended', callId);
  const events = await stores.events(callId);
  const timeline = events.flatMap((event) => (event.type === 'call.timeline' ? [event.data.text] : []));
  return { message: gateway.invites.at(-1)!, timeline };
}

const verify = (message: SipMessage) =>
  verifier.verify({
    identity: message.get('Identity'),
    date: message.get('Date'),
    from: message.get('From'),
    assertedIdentity: message.get('P-Asserted-Identity'),
    to: message.get('To'),
    uri: message.uri,
  });

t.test('without a credential nothing is signed, and what the application says of itself goes on', async (t) => {
  await sbc.edge.provisioning.reload();
  const { message } = await invite({}, { headers: { Identity: 'a.b.c;info=<https://x.example>' } });
  t.equal(message.get('Identity'), 'a.b.c;info=<https://x.example>');
  t.equal(message.get('Date'), undefined);
});

t.test("the account's own number is signed with A, and the carrier finds it valid", async (t) => {
  await credential('account_sid', OWN_URL, own.keyPem);
  const { message, timeline } = await invite(
    {},
    {
      from: `<sip:${SEED.number}@localhost>`,
      headers: { Identity: 'a.b.c;info=<https://x.example>', Date: 'yesterday' },
    },
  );
  const result = await verify(message);
  t.match(result, { status: 'valid', attest: 'A', orig: SEED.number, dest: ['4930123456'], spc: ['1111'] });
  t.match(result.origid, /^[0-9a-f-]{36}$/);
  t.ok(Math.abs(Date.parse(message.get('Date') ?? '') - Date.now()) < 30_000);
  t.ok(timeline.includes(`signed for ${SEED.number} to 4930123456 with attestation A`));
  t.notMatch(JSON.stringify(timeline), /PRIVATE/);
});

t.test("another's number is signed with B, one that came in over a carrier with C", async (t) => {
  await credential('account_sid', OWN_URL, own.keyPem);
  t.match(await verify((await invite({}, { from: FOREIGN })).message), { status: 'valid', attest: 'B' });
  const transit = { from: FOREIGN, headers: { 'X-Voip-Carrier-Sid': SEED.carrierSid } };
  t.match(await verify((await invite({}, transit)).message), { status: 'valid', attest: 'C', orig: '19005550000' });
  const back = { ...transit, from: `<sip:${SEED.number}@localhost>` };
  t.match(await verify((await invite({}, back)).message), { status: 'valid', attest: 'A' });
});

t.test('what is signed is the number that the carrier is told', async (t) => {
  await credential('account_sid', OWN_URL, own.keyPem);
  const replaced = await invite(
    { caller_id_policy: 'own_numbers', outbound_caller_id: SEED.number },
    { from: FOREIGN },
  );
  t.match(await verify(replaced.message), { status: 'valid', attest: 'A', orig: SEED.number });
  const hidden = { from: `<sip:${SEED.number}@localhost>`, headers: { Privacy: 'id' } };
  const asserted = await invite({}, hidden);
  t.match(asserted.message.get('From'), /anonymous/i);
  t.match(await verify(asserted.message), { status: 'valid', attest: 'A', orig: SEED.number });
  const unsaid = await invite({ identity_header: 'none' }, hidden);
  t.equal(unsaid.message.get('Identity'), undefined);
  t.ok(unsaid.timeline.includes('the call is not signed: the carrier is told of no calling number'));
});

t.test('numbers written with plus and prefixes are signed in canonical form', async (t) => {
  await credential('account_sid', OWN_URL, own.keyPem);
  const { message } = await invite(
    { e164_leading_plus: 1 },
    { number: '+4930123456', from: `<sip:+${SEED.number}@localhost>` },
  );
  t.match(await verify(message), { status: 'valid', attest: 'A', dest: ['4930123456'] });
});

t.test(
  "the service provider's credential signs for accounts that have none, the account's own goes before it",
  async (t) => {
    await credential('service_provider_sid', SHARED_URL, shared.keyPem);
    t.match(await verify((await invite()).message), { status: 'valid', spc: ['2222'] });
    const from = `<sip:${SEED.number}@localhost>`;
    t.match(await verify((await invite({}, { from })).message), { attest: 'B' }, "the account's own word only");
    const given = '15557770000';
    await db.execute(
      'INSERT INTO phone_numbers (phone_number_sid, number, voip_carrier_sid, account_sid) VALUES (UUID(), ?)',
      [[given, SEED.sharedCarrierSid, SEED.accountSid]],
    );
    await sbc.edge.provisioning.reload();
    t.match(await verify((await invite({}, { from: `<sip:${given}@localhost>` })).message), { attest: 'A' });
    await credential('account_sid', OWN_URL, own.keyPem);
    t.match(await verify((await invite()).message), { status: 'valid', spc: ['1111'] });
  },
);

t.test('a key that cannot sign is named as a row that cannot be used', async (t) => {
  await credential('account_sid', OWN_URL, authority.issue({ curve: 'secp384r1' }).keyPem);
  const [skipped] = sbc.edge.provisioning.snapshot().skipped.filter(({ table }) => table === 'stir_credentials');
  t.match(skipped, { column: 'private_key', reason: /P-256/ });
  t.equal((await invite()).message.get('Identity'), undefined);
});

t.test('a call to a SIP URI is not signed', async (t) => {
  await credential('account_sid', OWN_URL, own.keyPem);
  const before = gateway.invites.length;
  const stack = fs.stack as unknown as { createUAC(uri: string, options: object): Promise<{ destroy(): void }> };
  const dialog = await stack.createUAC(`sip:anna@127.0.0.1:${gateway.port}`, {
    proxy: `sip:127.0.0.1:${server.sipPort}`,
    localSdp: fs.sdp,
    headers: { From: FOREIGN, 'X-Account-Sid': SEED.accountSid, 'X-Jambonz-Routing': 'sip' },
  });
  dialog.destroy();
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  t.equal(gateway.invites.length, before + 1);
  t.equal(gateway.invites.at(-1)!.get('Identity'), undefined);
});
