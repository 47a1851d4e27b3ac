import { createLogger, decryptSecret, migrate, openDatabase } from '@ringwire/common';
import { findProgram, startMariaDb } from '@ringwire/services';
import t from 'tap';
import { seedDemo } from './seed-store.js';

const skip = findProgram('mariadbd') === undefined ? 'mariadbd is not installed' : false;
const encryptionSecret = 'a secret for this test';

t.test('the demo data is made once, and its hooks follow the examples', { skip }, async (t) => {
  const mysql = await startMariaDb({ dataDir: t.testdir() });
  t.teardown(() => mysql.stop());
  const logger = createLogger({ name: 'test', level: 'silent' });
  const { host, port, user, password, database } = mysql;
  const db = openDatabase({ host, port, user, password, database }, { logger });
  t.teardown(() => db.close());
  await migrate(db, { logger });

  const first = await seedDemo(db, { examplesUrl: 'http://127.0.0.1:3100', encryptionSecret });
  t.same(Object.keys(first.applications), ['hello-world', 'dial-time', 'menu']);
  t.match(first.accountKey, /^[0-9a-f-]{36}$/);
  t.not(first.accountKey, first.adminKey);
  const [account] = await db.query<{ webhook_secret: string }>('SELECT webhook_secret FROM accounts');
  t.match(decryptSecret(account!.webhook_secret, encryptionSecret), /^wh_secret_/, 'the secret is encrypted at rest');
  t.equal(first.webhookSecret, decryptSecret(account!.webhook_secret, encryptionSecret), 'and told to who started it');
  t.same(await db.query('SELECT voip_carrier_sid FROM voip_carriers'), [{ voip_carrier_sid: first.voipCarrierSid }]);

  t.match(first.users, [
    { uri: 'sip:anna@demo.localhost', password: /^.{12}$/ },
    { uri: 'sip:ben@demo.localhost', password: /^.{12}$/ },
  ]);
  const [device] = await db.query<{ name: string }>(
    'SELECT a.name FROM applications a JOIN accounts c ON a.application_sid = c.device_calling_application_sid',
  );
  t.equal(device?.name, 'devices');

  await db.execute("UPDATE webhooks SET url = 'http://127.0.0.1:9/mine' WHERE url LIKE '%/hello-world'");
  const second = await seedDemo(db, { examplesUrl: 'http://127.0.0.1:3200', encryptionSecret });
  t.same(second, first, 'sids and keys stay');
  const hooks = await db.query<{ name: string; url: string }>(
    'SELECT a.name, w.url FROM applications a JOIN webhooks w ON w.webhook_sid = a.call_hook_sid ORDER BY a.name',
  );
  t.same(hooks, [
    { name: 'devices', url: 'http://127.0.0.1:3200/devices' },
    { name: 'dial-time', url: 'http://127.0.0.1:3200/dial-time' },
    { name: 'hello-world', url: 'http://127.0.0.1:9/mine' },
    { name: 'menu', url: 'http://127.0.0.1:3200/menu' },
  ]);
  const numbers = await db.query<{ number: string }>('SELECT number FROM phone_numbers ORDER BY number');
  t.same(numbers, [{ number: '15550100' }, { number: '15550101' }, { number: '15550102' }]);
  t.same(await db.query('SELECT ipv4, netmask, inbound, outbound FROM sip_gateways'), [
    { ipv4: '127.0.0.1', netmask: 32, inbound: true, outbound: false },
  ]);
  await db.execute("UPDATE accounts SET sip_realm = 'mine.example.com'");
  const third = await seedDemo(db, { examplesUrl: 'http://127.0.0.1:3200', encryptionSecret });
  t.same(third.users, [], 'an account with a realm of its own is left alone');
  t.same(await db.query('SELECT sip_realm FROM accounts'), [{ sip_realm: 'mine.example.com' }]);
});
