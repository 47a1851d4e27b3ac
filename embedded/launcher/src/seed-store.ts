import { randomBytes, randomUUID } from 'node:crypto';
import { type Database, decryptSecret, encryptSecret, type Queryable } from '@ringwire/common';
import type { DemoNumber, DemoUser } from './instance.js';

/** What the seed is made with. */
export interface SeedOptions {
  /** Base URL of the examples, for the hooks. */
  examplesUrl: string;
  /** Key material with which the processes read credentials. */
  encryptionSecret: string;
}

/** What stands in the database for the demo. */
export interface Seeded {
  serviceProviderSid: string;
  accountSid: string;
  /** With which the account's webhooks are signed; absent where it was written with another key. */
  webhookSecret?: string;
  voipCarrierSid: string;
  /** Bearer token of the account. */
  accountKey: string;
  /** Bearer token that may do everything. */
  adminKey: string;
  applications: Record<string, string>;
  /** Those whose passwords can be read. */
  users: DemoUser[];
}

/** The numbers of the demo; each runs the example of the same name as its application. */
export const DEMO_NUMBERS: readonly DemoNumber[] = [
  { number: '15550100', application: 'hello-world', description: 'speaks a greeting' },
  { number: '15550101', application: 'dial-time', description: 'speaks the time' },
  { number: '15550102', application: 'menu', description: 'asks for a key and answers to it' },
];

/** The application that telephones of users reach; not one of {@link DEMO_NUMBERS}. */
const DEVICES = 'devices';
const DEMO_REALM = 'demo.localhost';
const DEMO_USERS = ['anna', 'ben'] as const;

/** Address from which the demo carrier, that is anything on this machine, may call. */
const CARRIER_ADDRESS = '127.0.0.1';
/** A hook that the seed has written: on loopback, whatever port the examples had then. */
const OWN_HOOK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\]):\d+(\/.*)$/;

/**
 * Puts the demo's service provider, account, keys, carrier, applications, numbers and users into the database. What is there
 * already stays as it is, except that hooks to the examples follow the examples to another port.
 */
export async function seedDemo(db: Database, options: SeedOptions): Promise<Seeded> {
  return db.transaction(async (tx) => {
    const serviceProviderSid = await ensure(tx, 'service_providers', 'service_provider_sid', { name: 'ringwire demo' });
    const accountSid = await ensureAccount(tx, serviceProviderSid, options.encryptionSecret);
    const adminKey = await ensureKey(tx, null);
    const accountKey = await ensureKey(tx, accountSid);
    const owner = { service_provider_sid: serviceProviderSid, account_sid: accountSid };
    const carrier = await ensure(tx, 'voip_carriers', 'voip_carrier_sid', { name: 'demo carrier', ...owner });
    await ensure(
      tx,
      'sip_gateways',
      'sip_gateway_sid',
      { voip_carrier_sid: carrier, ipv4: CARRIER_ADDRESS, netmask: 32 },
      { inbound: true, outbound: false },
    );
    const applications: Record<string, string> = {};
    for (const { number, application } of DEMO_NUMBERS) {
      applications[application] ??= await ensureApplication(tx, application, accountSid, options.examplesUrl);
      const numberOwner = { ...owner, application_sid: applications[application] };
      await ensure(tx, 'phone_numbers', 'phone_number_sid', { number, voip_carrier_sid: carrier }, numberOwner);
    }
    const devices = await ensureApplication(tx, DEVICES, accountSid, options.examplesUrl);
    const users = await ensureUsers(tx, accountSid, devices, options.encryptionSecret);
    const webhookSecret = await readWebhookSecret(tx, accountSid, options.encryptionSecret);
    return {
      serviceProviderSid,
      accountSid,
      ...(webhookSecret === undefined ? {} : { webhookSecret }),
      voipCarrierSid: carrier,
      accountKey,
      adminKey,
      applications,
      users,
    };
  });
}

/** Users who can register at once, where the account has no realm yet; and their account's device calling application. */
async function ensureUsers(
  tx: Queryable,
  accountSid: string,
  devices: string,
  encryptionSecret: string,
): Promise<DemoUser[]> {
  await tx.execute(
    `UPDATE accounts SET sip_realm = ?, device_calling_application_sid = COALESCE(device_calling_application_sid, ?)
     WHERE account_sid = ? AND sip_realm IS NULL AND NOT EXISTS (SELECT 1 FROM clients WHERE account_sid = ?)`,
    [DEMO_REALM, devices, accountSid, accountSid],
  );
  const [account] = await tx.query<{ sip_realm: string | null }>(
    'SELECT sip_realm FROM accounts WHERE account_sid = ?',
    [accountSid],
  );
  if (account?.sip_realm !== DEMO_REALM) return [];
  const users: DemoUser[] = [];
  for (const username of DEMO_USERS) {
    const password = encryptSecret(randomBytes(9).toString('base64url'), encryptionSecret);
    await ensure(tx, 'clients', 'client_sid', { account_sid: accountSid, username }, { password });
    const [row] = await tx.query<{ password: string }>(
      'SELECT password FROM clients WHERE account_sid = ? AND username = ?',
      [accountSid, username],
    );
    const plain = readSecret(row?.password, encryptionSecret);
    if (plain !== undefined) users.push({ uri: `sip:${username}@${DEMO_REALM}`, password: plain });
  }
  return users;
}

type Values = Record<string, string | number | boolean | null>;

/** Finds the row that has these values, or makes one with these and the further ones. Names come from this file only. */
async function ensure(tx: Queryable, table: string, key: string, find: Values, further: Values = {}): Promise<string> {
  const where = Object.keys(find).map((column) => `${column} <=> ?`);
  const rows = await tx.query<Record<string, string>>(
    `SELECT ${key} AS sid FROM ${table} WHERE ${where.join(' AND ')} LIMIT 1`,
    Object.values(find),
  );
  if (rows[0]?.sid !== undefined) return rows[0].sid;
  const sid = randomUUID();
  const row = { [key]: sid, ...find, ...further };
  const marks = Object.keys(row).map(() => '?');
  await tx.execute(
    `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${marks.join(', ')})`,
    Object.values(row),
  );
  return sid;
}

async function ensureAccount(tx: Queryable, serviceProviderSid: string, encryptionSecret: string): Promise<string> {
  const webhookSecret = `wh_secret_${randomBytes(18).toString('base64url')}`;
  return ensure(
    tx,
    'accounts',
    'account_sid',
    { name: 'demo account', service_provider_sid: serviceProviderSid },
    { webhook_secret: encryptSecret(webhookSecret, encryptionSecret) },
  );
}

async function readWebhookSecret(tx: Queryable, accountSid: string, secret: string): Promise<string | undefined> {
  const [row] = await tx.query<{ webhook_secret: string | null }>(
    'SELECT webhook_secret FROM accounts WHERE account_sid = ?',
    [accountSid],
  );
  // Written with another key: the API tells how to make a new one.
  return readSecret(row?.webhook_secret, secret);
}

/** Undefined where there is none, or where it was written with another key. */
function readSecret(encrypted: string | null | undefined, secret: string): string | undefined {
  if (encrypted == null) return undefined;
  try {
    return decryptSecret(encrypted, secret);
  } catch {
    return undefined;
  }
}

/** The oldest key of the account (null: of the administrator), made when there is none. */
async function ensureKey(tx: Queryable, accountSid: string | null): Promise<string> {
  const [row] = await tx.query<{ token: string }>(
    `SELECT token FROM api_keys WHERE account_sid <=> ? AND service_provider_sid IS NULL AND expires_at IS NULL
     ORDER BY created_at, api_key_sid LIMIT 1`,
    [accountSid],
  );
  if (row !== undefined) return row.token;
  const token = randomUUID();
  await tx.execute('INSERT INTO api_keys (api_key_sid, token, account_sid) VALUES (?, ?, ?)', [
    randomUUID(),
    token,
    accountSid,
  ]);
  return token;
}

async function ensureApplication(
  tx: Queryable,
  name: string,
  accountSid: string,
  examplesUrl: string,
): Promise<string> {
  const [row] = await tx.query<{ application_sid: string }>(
    'SELECT application_sid FROM applications WHERE account_sid = ? AND name = ?',
    [accountSid, name],
  );
  if (row !== undefined) {
    await moveHooks(tx, row.application_sid, examplesUrl);
    return row.application_sid;
  }
  const callHook = await makeHook(tx, `${examplesUrl}/${name}`);
  const statusHook = await makeHook(tx, `${examplesUrl}/call-status`);
  return ensure(
    tx,
    'applications',
    'application_sid',
    { account_sid: accountSid, name },
    {
      call_hook_sid: callHook,
      call_status_hook_sid: statusHook,
      speech_synthesis_vendor: 'espeak',
      speech_synthesis_language: 'en-US',
      speech_synthesis_voice: null,
    },
  );
}

async function makeHook(tx: Queryable, url: string): Promise<string> {
  const sid = randomUUID();
  await tx.execute("INSERT INTO webhooks (webhook_sid, url, method) VALUES (?, ?, 'POST')", [sid, url]);
  return sid;
}

/** Hooks that the seed wrote follow the examples; those that somebody pointed elsewhere stay. */
async function moveHooks(tx: Queryable, applicationSid: string, examplesUrl: string): Promise<void> {
  const hooks = await tx.query<{ webhook_sid: string; url: string }>(
    `SELECT w.webhook_sid, w.url FROM webhooks w JOIN applications a
     ON w.webhook_sid IN (a.call_hook_sid, a.call_status_hook_sid) WHERE a.application_sid = ?`,
    [applicationSid],
  );
  const paths = new Set(['/call-status', `/${DEVICES}`, ...DEMO_NUMBERS.map(({ application }) => `/${application}`)]);
  for (const { webhook_sid, url } of hooks) {
    const path = OWN_HOOK.exec(url)?.[2];
    if (path === undefined || !paths.has(path)) continue;
    await tx.execute('UPDATE webhooks SET url = ? WHERE webhook_sid = ?', [`${examplesUrl}${path}`, webhook_sid]);
  }
}
