import { randomBytes } from 'node:crypto';
import {
  type Database,
  DecryptionError,
  decryptSecret,
  encryptSecret,
  isEncrypted,
  type Secret,
} from '@ringwire/common';
import { maskedCredential } from '@ringwire/common/recordings/bucket-credential.js';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { type Principal, tenantCondition } from '../auth/principal.js';
import { deleteHooks, writeHooks } from '../rows/hooks-store.js';
import { updateRow } from '../rows/rows-store.js';
import { ACCOUNT_HOOKS, type AccountInput } from './account-input.js';

type Row = Record<string, unknown>;

const HOOKS = Object.keys(ACCOUNT_HOOKS);
const HOOK_SELECT = HOOKS.map((name) =>
  ['url', 'method', 'username', 'password'].map((column) => `${name}.${column} AS ${name}_${column}`).join(', '),
).join(', ');
const HOOK_JOINS = HOOKS.map((name) => `LEFT JOIN webhooks ${name} ON ${name}.webhook_sid = accounts.${name}_sid`).join(
  ' ',
);
/** Credentials of others that the account keeps with us: shown as set, never as they are. */
const MASKED = ['bucket_credential', 'subspace_client_secret'];
/** The operator's own business. */
const HIDDEN = ['stripe_customer_id'];

/** The secret in plain text; null when it was encrypted with another key. */
function reveal(stored: string, secret: Secret): string | null {
  if (!isEncrypted(stored)) return stored;
  try {
    return decryptSecret(stored, secret);
  } catch (err) {
    if (err instanceof DecryptionError) return null;
    throw err;
  }
}

/** Which bucket it is, without its secrets. */
function shownCredential(stored: string, secret: Secret): Row | string {
  try {
    return maskedCredential(JSON.parse(reveal(stored, secret) ?? ''), PASSWORD_MASK) ?? PASSWORD_MASK;
  } catch {
    // Imported, or encrypted with another key: nothing of it is known.
    return PASSWORD_MASK;
  }
}

/** A row as the API shows it: hooks as objects, the account's own webhook secret in plain text as in jambonz. */
function toJson(row: Row, secret: Secret): Row {
  const json: Row = {};
  for (const [column, value] of Object.entries(row)) {
    if (HIDDEN.includes(column) || HOOKS.some((name) => column.startsWith(`${name}_`))) continue;
    json[column] = MASKED.includes(column) && value !== null ? PASSWORD_MASK : value;
  }
  if (typeof row.bucket_credential === 'string')
    json.bucket_credential = shownCredential(row.bucket_credential, secret);
  json.webhook_secret = reveal(String(row.webhook_secret), secret);
  for (const name of HOOKS) {
    const url = row[`${name}_url`];
    json[name] =
      url == null
        ? null
        : {
            url,
            method: row[`${name}_method`],
            username: row[`${name}_username`],
            password: row[`${name}_password`] == null ? null : PASSWORD_MASK,
          };
  }
  return json;
}

/** The accounts that a principal may see, or the one named by `sid`, in the order of their names. */
export async function listAccounts(db: Database, principal: Principal, secret: Secret, sid?: string): Promise<Row[]> {
  const tenant = tenantCondition(principal, 'accounts');
  const rows = await db.query<Row>(
    `SELECT accounts.*, ${HOOK_SELECT} FROM accounts ${HOOK_JOINS}
     WHERE ${tenant.sql}${sid === undefined ? '' : ' AND accounts.account_sid = ?'}
     ORDER BY accounts.name, accounts.account_sid`,
    [...tenant.params, ...(sid === undefined ? [] : [sid])],
  );
  return rows.map((row) => toJson(row, secret));
}

/** Changes what the input names. @throws DuplicateKeyError when another account has the realm */
export async function updateAccount(
  db: Database,
  accountSid: string,
  { columns, hooks }: AccountInput,
  secret: Secret,
): Promise<void> {
  await db.transaction(async (tx) => {
    const [current = {}] = await tx.query<Record<string, string | null>>(
      `SELECT ${Object.values(ACCOUNT_HOOKS).join(', ')} FROM accounts WHERE account_sid = ? FOR UPDATE`,
      [accountSid],
    );
    const written = await writeHooks(tx, hooks, current, accountSid, secret);
    const { bucket_credential: bucket } = columns;
    const encrypted: Record<string, string> =
      typeof bucket === 'string' ? { bucket_credential: encryptSecret(bucket, secret) } : {};
    const all = { ...columns, ...encrypted, ...written.columns };
    await updateRow(tx, { name: 'accounts', key: 'account_sid' }, accountSid, all);
    await deleteHooks(tx, written.orphans);
  });
}

/** Gives an account a new secret for the signatures of its webhooks. @returns the secret in plain text */
export async function regenerateWebhookSecret(db: Database, accountSid: string, secret: Secret): Promise<string> {
  const plain = `wh_secret_${randomBytes(24).toString('base64url')}`;
  await db.execute('UPDATE accounts SET webhook_secret = ? WHERE account_sid = ?', [
    encryptSecret(plain, secret),
    accountSid,
  ]);
  return plain;
}

/** The service provider that an account belongs to; null when there is no such account. */
export async function serviceProviderOf(db: Database, accountSid: string): Promise<string | null> {
  const [row] = await db.query<{ service_provider_sid: string }>(
    'SELECT service_provider_sid FROM accounts WHERE account_sid = ?',
    [accountSid],
  );
  return row?.service_provider_sid ?? null;
}
