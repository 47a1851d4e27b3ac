import t from 'tap';
import { openDatabase } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import { openRedis } from '../redis/connection.js';
import { PROVISIONING_ASKED, PROVISIONING_CHANGED } from '../redis/keys.js';
import { encryptSecret } from '../secrets/encryption.js';
import { recordingLogger } from '../testing/logger.js';
import { SEED, seedProvisioning } from '../testing/provisioned.js';
import { startTestMariaDb, startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { changeAnnouncer } from './announce-change.js';
import { compileNumberPattern } from './number-pattern.js';
import { loadProvisioning } from './provisioning.js';

const { logger, lines } = recordingLogger();
const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
t.teardown(() => Promise.all([mariaDb.stop(), redisServer.stop()]));
const db = openDatabase(mariaDb, { logger });
const redis = openRedis(redisServer, { logger, name: 'test' });
t.teardown(async () => {
  redis.disconnect();
  await db.close();
});
await migrate(db, { logger });
await seedProvisioning(db);
const key = 'key material';
await db.execute('UPDATE webhooks SET password = ? WHERE webhook_sid = ?', [
  encryptSecret('hookpw', key),
  SEED.callHookSid,
]);
const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: key });
t.teardown(() => provisioning.close());

const addNumber = (sid: string, number: string, carrierSid: string = SEED.carrierSid) =>
  db.execute('INSERT INTO phone_numbers (phone_number_sid, number, voip_carrier_sid, account_sid) VALUES (?)', [
    [sid, number, carrierSid, SEED.accountSid],
  ]);
const addGateway = (sid: string, ip: string, netmask: number, carrierSid: string, inbound = true, isActive = true) =>
  db.execute(
    'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, netmask, inbound, outbound, is_active, voip_carrier_sid) VALUES (?)',
    [[sid, ip, netmask, inbound, true, isActive, carrierSid]],
  );

t.test('rows are found by sid, with hooks attached and passwords decrypted', async (t) => {
  const snapshot = provisioning.snapshot();
  const application = snapshot.applicationsBySid.get(SEED.applicationSid);
  t.match(application, {
    name: 'hello',
    accountSid: SEED.accountSid,
    callHook: { url: 'http://127.0.0.1:9/call', method: 'POST', password: 'hookpw' },
    callStatusHook: { url: 'http://127.0.0.1:9/status' },
    messagingHook: null,
  });
  t.equal(snapshot.findAccountByRealm('ONE.example.COM')?.accountSid, SEED.accountSid);
  t.match(snapshot.accountsBySid.get(SEED.accountSid), { isActive: true, webhookSecret: 'wh_secret_one' });
  t.strictSame(snapshot.skipped, []);
});

t.test(
  'a gateway is found by address: exact before networks, the narrowest network first, own carriers before shared',
  async (t) => {
    await addGateway('g-24', '10.1.2.0', 24, SEED.sharedCarrierSid);
    await addGateway('g-16', '10.1.99.99', 16, SEED.carrierSid);
    await addGateway('g-32-shared', '10.1.2.3', 32, SEED.sharedCarrierSid);
    await addGateway('g-32-own', '10.1.2.3', 32, SEED.carrierSid);
    await addGateway('g-out', '10.1.2.3', 32, SEED.carrierSid, false);
    await addGateway('g-off', '10.1.2.3', 32, SEED.carrierSid, true, false);
    await addGateway('g-1', '128.0.0.0', 1, SEED.carrierSid);
    const snapshot = await provisioning.reload();
    const sids = (ip: string) => snapshot.findInboundGateways(ip).map(({ gateway }) => gateway.sipGatewaySid);
    t.strictSame(sids('10.1.2.3'), ['g-32-own', 'g-32-shared', 'g-24', 'g-16']);
    t.strictSame(sids('10.1.200.1'), ['g-16']);
    t.strictSame(sids('10.2.0.1'), []);
    t.strictSame(sids('255.255.255.255'), ['g-1']);
    for (const garbage of ['', '::1', 'host', '1.2.3', '1.2.3.999']) t.strictSame(sids(garbage), []);
  },
);

t.test(
  'a number is found exactly, else by the longest pattern; a broken or dangerous pattern is left out and named',
  async (t) => {
    await addNumber('p-star', '1555*');
    await addNumber('p-star-longer', '155598*');
    await addNumber('p-regex', '^49\\d{3,}$');
    await addNumber('p-any', '*');
    await addNumber('p-broken', '(((');
    await addNumber('p-slow', '(\\d+)+x');
    await addNumber('p-shared', '1777*', SEED.sharedCarrierSid);
    const snapshot = await provisioning.reload();
    t.equal(snapshot.findNumbers(`+${SEED.number}`)[0]?.phoneNumberSid, SEED.phoneNumberSid);
    t.strictSame(snapshot.findNumbers(SEED.number, new Set(['another carrier'])), []);
    const pattern = (dialled: string, carriers?: Set<string>) =>
      snapshot.findNumberPattern(dialled, carriers)?.phoneNumberSid;
    t.equal(pattern('15550000'), 'p-star');
    t.equal(pattern('+15559812'), 'p-star-longer');
    t.equal(pattern('49301'), 'p-regex');
    t.equal(pattern('4930'), 'p-any');
    t.equal(pattern('alice'), undefined);
    t.equal(pattern('1777', new Set([SEED.sharedCarrierSid])), 'p-shared');
    t.match(snapshot.skipped.map(({ table, sid, column }) => [table, sid, column]).sort(), [
      ['phone_numbers', 'p-broken', 'number'],
      ['phone_numbers', 'p-slow', 'number'],
    ]);
    t.ok(lines.find((line) => line.sid === 'p-slow' && line.column === 'number'));
    await db.execute("DELETE FROM phone_numbers WHERE phone_number_sid LIKE 'p-%'");
  },
);

t.test(
  'routes of an LCR, their carriers and the rate decks are loaded; a broken one is left out and named',
  async (t) => {
    await db.execute('INSERT INTO lcr (lcr_sid, name, account_sid) VALUES (?)', [['lcr', 'mine', SEED.accountSid]]);
    await db.execute('INSERT INTO lcr_routes (lcr_route_sid, lcr_sid, regex, priority) VALUES ?', [
      [
        ['r-1', 'lcr', '1', 0],
        ['r-broken', 'lcr', '(((', 0],
      ],
    ]);
    await db.execute(
      'INSERT INTO lcr_carrier_set_entry (lcr_carrier_set_entry_sid, workload, lcr_route_sid, voip_carrier_sid) VALUES (?)',
      [['e-1', 40, 'r-1', SEED.carrierSid]],
    );
    await db.execute(
      'INSERT INTO rate_decks (rate_deck_sid, name, account_sid, service_provider_sid, voip_carrier_sid, owner_sid) VALUES (?)',
      [['deck', 'prices', SEED.accountSid, SEED.serviceProviderSid, SEED.carrierSid, SEED.accountSid]],
    );
    const snapshot = await provisioning.reload();
    const lcr = snapshot.findLcr(SEED.accountSid, SEED.serviceProviderSid);
    t.match(lcr?.match('1555'), [
      {
        route: { lcrRouteSid: 'r-1', strategy: 'workload' },
        entries: [{ voipCarrierSid: SEED.carrierSid, workload: 40 }],
      },
    ]);
    t.equal(snapshot.findLcr(SEED.siblingAccountSid, SEED.serviceProviderSid), undefined);
    t.match(snapshot.rateDecks, [{ rateDeckSid: 'deck', currency: 'USD', activeVersion: null }]);
    t.match(snapshot.skipped, [{ table: 'lcr_routes', sid: 'r-broken', column: 'regex' }]);
    await db.execute('DELETE FROM lcr');
    await db.execute('DELETE FROM rate_decks');
  },
);

t.test('IPv6 gateways are found; one with the prefix length that nobody gave is a single host', async (t) => {
  await addGateway('g6-host', '2001:db8:7::5', 32, SEED.carrierSid);
  await addGateway('g6-net', '[2001:db8:8::]', 48, SEED.sharedCarrierSid);
  await addGateway('g6-wide', '2001:db9::', 32, SEED.sharedCarrierSid);
  await addGateway('g6-mask', '2001:db8::1', 129, SEED.carrierSid);
  const snapshot = await provisioning.reload();
  const sids = (ip: string) => snapshot.findInboundGateways(ip).map(({ gateway }) => gateway.sipGatewaySid);
  t.strictSame(sids('2001:db8:7::5'), ['g6-host']);
  t.strictSame(sids('2001:db8:7::6'), []);
  t.strictSame(sids('2001:db8:8:1::1'), ['g6-net']);
  t.strictSame(sids('2001:db9:ffff::1'), ['g6-wide']);
  t.match(snapshot.skipped, [{ sid: 'g6-mask', column: 'netmask' }]);
  await db.execute("DELETE FROM sip_gateways WHERE sip_gateway_sid LIKE 'g6-%'");
});

t.test('the marks and numbers of carriers are read, and a mark that tells nobody apart is refused', async (t) => {
  await db.execute(
    `UPDATE voip_carriers SET inbound_match_header = 'X-Trunk', inbound_match_value = 'red', inbound_trunk_group = 'tg', inbound_trunk_context = '+1',
      inbound_country_code = '1', inbound_national_prefix = '1', inbound_international_prefix = '011', inbound_national_length = 10,
      trunk_type = 'auth', inbound_auth_username = 'user', inbound_auth_password = ? WHERE voip_carrier_sid = ?`,
    [encryptSecret('trunk password', key), SEED.carrierSid],
  );
  const snapshot = await provisioning.reload();
  t.strictSame(snapshot.carriersBySid.get(SEED.carrierSid)?.inboundRules, {
    header: 'X-Trunk',
    headerValue: 'red',
    trunkGroup: 'tg',
    trunkContext: '+1',
    countryCode: '1',
    nationalPrefix: '1',
    internationalPrefix: '011',
    nationalLength: 10,
  });
  t.match(snapshot.findAuthTrunks('user'), [
    { voipCarrierSid: SEED.carrierSid, inboundAuthPassword: 'trunk password' },
  ]);
  t.ok(snapshot.hasAuthTrunks(snapshot.accountsBySid.get(SEED.accountSid)!));
  t.notOk(snapshot.hasAuthTrunks(snapshot.accountsBySid.get(SEED.siblingAccountSid)!));
  for (const [column, value] of [
    ['inbound_match_header', 'From'],
    ['inbound_country_code', '+1'],
    ['inbound_national_length', 2],
    ['register_username', 'u\r\nX-Evil: 1'],
    ['diversion', '1\n2'],
  ] as const) {
    await db.execute(`UPDATE voip_carriers SET ${column} = ? WHERE voip_carrier_sid = ?`, [
      value,
      SEED.sharedCarrierSid,
    ]);
    const { skipped } = await provisioning.reload();
    t.match(skipped, [{ table: 'voip_carriers', sid: SEED.sharedCarrierSid, column }]);
    await db.execute(`UPDATE voip_carriers SET ${column} = NULL WHERE voip_carrier_sid = ?`, [SEED.sharedCarrierSid]);
  }
  await db.execute(
    "UPDATE voip_carriers SET trunk_type = 'static_ip', inbound_match_header = NULL, inbound_trunk_group = NULL",
  );
});

t.test('patterns that could take too long are refused, usual ones are not', async (t) => {
  const ok = (number: string) =>
    compileNumberPattern({
      phoneNumberSid: '',
      number,
      voipCarrierSid: null,
      accountSid: null,
      applicationSid: null,
      serviceProviderSid: null,
    }).ok;
  const slow = [
    ...['(a+)+', '(a|a)*', '(\\d{1,9}){5,}', '((a)+x)+b', '(?:\\d+){9}', '(([0-9)]+))*', '.*.*.*.*x', '([\\\n(]+)+'],
    ...[`${'(.|.){10}'.repeat(4)}x`, `${'.?'.repeat(30)}x`, `${'.??'.repeat(30)}x`, `${'.{0,9}'.repeat(9)}x`],
    ...[`${'(.|.)'.repeat(30)}x`, `${'(?:.?.?){10}'.repeat(2)}x`, '(?:.|..){1,20}x', '(?:(?:(?:){999}){999}){999}x'],
    ...[
      '(?:(?=.?.?.?){9}){9}x',
      '\\d{999999999}x',
      `.{${'9'.repeat(400)}}x`,
      `(?:${'.?'.repeat(30)}x){0}${'.?'.repeat(30)}x`,
    ],
  ];
  for (const number of slow) t.notOk(ok(number), number);
  const usual = [
    ...[
      '^49\\d{3,}$',
      '1(2|3)4',
      '(12)?3+',
      '0049*',
      '^(?:\\+|00)?49[1-9]\\d*$',
      '(1|2){4}',
      '\\(+',
      '1555*',
      '^\\+?44',
    ],
    ...['^1(555|556)\\d{7}$', '^00[1-9]\\d{5,14}$', '^(?:\\+|00|011)?(?:49|43|41)\\d+$', '^.*#\\d*$', '^\\d{1,100}$'],
    ...[`^(${Array.from({ length: 100 }, (_, i) => 200 + i).join('|')})\\d*$`],
  ];
  for (const number of usual) t.ok(ok(number), number);
});

t.test('a row that cannot be used is left out, logged with its column, and does not hide the others', async (t) => {
  await db.execute(
    "INSERT INTO webhooks (webhook_sid, url, password) VALUES ('h-ftp', 'ftp://x/', NULL), ('h-key', 'http://x/', 'v1:AAAA:AAAA:AAAA')",
  );
  await db.execute(`INSERT INTO applications (application_sid, name, account_sid, call_hook_sid, app_json) VALUES
    ('a-hook', 'bad hook', '${SEED.accountSid}', 'h-ftp', NULL), ('a-json', 'bad json', '${SEED.accountSid}', NULL, '[{')`);
  await addGateway('g-mask', '10.9.9.9', 40, SEED.carrierSid);
  await addGateway('g-name', 'sip.example.com', 32, SEED.carrierSid);
  const snapshot = await provisioning.reload();
  t.strictSame(snapshot.skipped.map(({ table, sid, column }) => `${table} ${sid} ${column}`).sort(), [
    'applications a-hook call_hook_sid',
    'applications a-json app_json',
    'sip_gateways g-mask netmask',
    'sip_gateways g-name ipv4',
    'webhooks h-ftp url',
    'webhooks h-key password',
  ]);
  t.ok(snapshot.applicationsBySid.has(SEED.applicationSid));
  t.equal(lines.filter((line) => line.sid === 'g-mask').length, 1);
  await provisioning.reload();
  t.equal(lines.filter((line) => line.sid === 'g-mask').length, 1, 'said once, not with every reload');
});

t.test('a change that is announced has been loaded by everybody when that resolves', async (t) => {
  const other = await loadProvisioning({ db, redis, logger, encryptionSecret: key });
  t.teardown(() => other.close());
  const announcer = changeAnnouncer({ redis, logger });
  t.teardown(() => announcer.close());
  for (const name of ['first', 'second', 'third']) {
    await db.execute('UPDATE applications SET name = ? WHERE application_sid = ?', [name, SEED.applicationSid]);
    await Promise.all([announcer.announce('applications'), announcer.announce('applications')]);
    for (const one of [provisioning, other])
      t.equal(one.snapshot().applicationsBySid.get(SEED.applicationSid)?.name, name);
  }
});

t.test('who cannot load a change holds nobody up', async (t) => {
  const announcer = changeAnnouncer({ redis, logger });
  t.teardown(() => announcer.close());
  const deaf = redis.duplicate();
  t.teardown(() => deaf.disconnect());
  await deaf.subscribe(PROVISIONING_ASKED);
  await announcer.announce('applications');
  t.pass('it resolves without the answer');
});

t.test('a Redis that stands still holds nobody up who announces a change', async (t) => {
  const [paused, admin] = [redis.duplicate(), redis.duplicate()];
  t.teardown(() => Promise.all([paused.quit(), admin.quit()]));
  await paused.ping();
  const announcer = changeAnnouncer({ redis: paused, logger });
  t.teardown(() => announcer.close());
  await admin.client('PAUSE', 2_500, 'ALL');
  const order: string[] = [];
  await Promise.all([
    announcer.announce('applications').then(() => order.push('it goes on')),
    paused.ping().then(() => order.push('Redis answers')),
  ]);
  t.strictSame(order, ['it goes on', 'Redis answers']);
});

t.test(
  'a change is seen on its message; while MySQL is away the last snapshot serves, and is fresh again afterwards',
  async (t) => {
    await db.execute("UPDATE applications SET name = 'renamed' WHERE application_sid = ?", [SEED.applicationSid]);
    const name = () => provisioning.snapshot().applicationsBySid.get(SEED.applicationSid)?.name;
    await redis.publish(PROVISIONING_CHANGED, 'applications');
    await until('the new name', () => name() === 'renamed');
    await mariaDb.kill();
    await t.rejects(provisioning.reload());
    t.equal(name(), 'renamed');
    await mariaDb.restart();
    await until('the database answers', () => db.ping().then(() => true));
    await db.execute("UPDATE applications SET name = 'again' WHERE application_sid = ?", [SEED.applicationSid]);
    await redisServer.kill();
    await redisServer.restart();
    await until(
      'the subscription is back',
      async () => (await redis.publish(PROVISIONING_CHANGED, 'applications')) > 0,
    );
    await until('the newer name', () => name() === 'again');
  },
);
