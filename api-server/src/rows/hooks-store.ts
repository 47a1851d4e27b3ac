/** Webhooks: rows of their own that applications, accounts and service providers refer to. */
import { randomUUID } from 'node:crypto';
import { encryptSecret, type Queryable, type Secret } from '@ringwire/common';
import { type HookInput, PASSWORD_MASK } from '../applications/application-input.js';
import { badField } from '../http/input.js';

/** Every column that refers to a webhook. */
const REFERENCES: Readonly<Record<string, readonly string[]>> = {
  applications: ['call_hook_sid', 'call_status_hook_sid', 'messaging_hook_sid', 'fallback_call_hook_sid'],
  accounts: ['registration_hook_sid', 'queue_event_hook_sid'],
  service_providers: ['registration_hook_sid'],
};

/** Whose a row is that refers to webhooks. */
const OWNERS: Readonly<Record<string, string>> = {
  applications: 'COALESCE(account_sid, application_sid)',
  accounts: 'account_sid',
  service_providers: 'service_provider_sid',
};

const encrypted = (password: string | null, secret: Secret): string | null =>
  password === null ? null : encryptSecret(password, secret);

/** How many columns of all rows refer to a hook, and how many of them are in rows of others than the owner. */
async function countUses(tx: Queryable, sid: string, owner: string): Promise<{ uses: number; others: number }> {
  const columns = Object.entries(REFERENCES).flatMap(([table, names]) => names.map((column) => ({ table, column })));
  const rows = columns.map(
    ({ table, column }) =>
      `SELECT COUNT(*) AS uses, COALESCE(SUM(${OWNERS[table]} <> ?), 0) AS others FROM ${table} WHERE ${column} = ?`,
  );
  const [row] = await tx.query<{ uses: number; others: number }>(
    `SELECT SUM(uses) AS uses, SUM(others) AS others FROM (${rows.join(' UNION ALL ')}) AS counts`,
    columns.flatMap(() => [owner, sid]),
  );
  return { uses: Number(row?.uses ?? 0), others: Number(row?.others ?? 0) };
}

interface StoredHook {
  url: string;
  method: string;
  username: string | null;
}

const isSameOrigin = (one: string, other: string): boolean =>
  URL.canParse(one) && URL.canParse(other) && new URL(one).origin === new URL(other).origin;

/** @param copied - the hook whose password stays, where the new one says no more than that there is one */
async function insertHook(tx: Queryable, hook: HookInput, secret: Secret, copied?: string): Promise<string> {
  const sid = randomUUID();
  const keepsPassword = hook.password === PASSWORD_MASK;
  const password = keepsPassword ? null : encrypted(hook.password, secret);
  await tx.execute('INSERT INTO webhooks (webhook_sid, url, method, username, password) VALUES (?)', [
    [sid, hook.url, hook.method, hook.username, password],
  ]);
  if (keepsPassword && copied !== undefined) {
    await tx.execute(
      'UPDATE webhooks, webhooks AS copied SET webhooks.password = copied.password WHERE webhooks.webhook_sid = ? AND copied.webhook_sid = ?',
      [sid, copied],
    );
  }
  return sid;
}

async function updateHook(tx: Queryable, sid: string, hook: HookInput, secret: Secret): Promise<void> {
  const keepsPassword = hook.password === PASSWORD_MASK;
  await tx.execute(
    `UPDATE webhooks SET url = ?, method = ?, username = ?${keepsPassword ? '' : ', password = ?'} WHERE webhook_sid = ?`,
    [hook.url, hook.method, hook.username, ...(keepsPassword ? [] : [encrypted(hook.password, secret)]), sid],
  );
}

/**
 * Writes the hooks of one row. A hook that is not named stays, null takes it away.
 *
 * @param hooks - by the column that refers to them
 * @param current - what the row refers to now; empty for a new row
 * @param owner - the account whose row it is, or the row itself where it is no account's
 * @returns the columns to write into the row, and hooks for {@link deleteHooks} once that is done
 * @throws HttpError 400 where a password is to stay that must not: it would go to another origin, or is one that others set
 */
export async function writeHooks(
  tx: Queryable,
  hooks: Readonly<Record<string, HookInput | null | undefined>>,
  current: Readonly<Record<string, string | null>>,
  owner: string,
  secret: Secret,
): Promise<{ columns: Record<string, string | null>; orphans: string[] }> {
  const columns: Record<string, string | null> = {};
  const orphans: string[] = [];
  for (const [column, hook] of Object.entries(hooks)) {
    const sid = current[column] ?? null;
    if (hook === undefined) continue;
    const keepsPassword = hook !== null && sid !== null && hook.password === PASSWORD_MASK;
    const [stored] = keepsPassword
      ? await tx.query<StoredHook>('SELECT url, method, username FROM webhooks WHERE webhook_sid = ?', [sid])
      : [];
    const { uses, others } = hook === null || sid === null ? { uses: 0, others: 0 } : await countUses(tx, sid, owner);
    if (keepsPassword && stored !== undefined) {
      // What was read is sent back.
      if (stored.url === hook.url && stored.method === hook.method && stored.username === hook.username) continue;
      const field = `${column.replace(/_sid$/, '')}.password`;
      // Whoever changes a hook may not know its password, and must not be sent it.
      if (!isSameOrigin(stored.url, hook.url)) throw badField(field, 'must be given with another URL');
      if (others > 0) throw badField(field, 'must be given: others use this hook too');
    }
    if (hook === null) {
      columns[column] = null;
      if (sid !== null) orphans.push(sid);
    } else if (sid === null) {
      columns[column] = await insertHook(tx, hook, secret);
    } else if (uses > 1) {
      // Rows that were written by hand may share a hook: the others keep theirs as it is.
      columns[column] = await insertHook(tx, hook, secret, sid);
    } else {
      await updateHook(tx, sid, hook, secret);
    }
  }
  return { columns, orphans };
}

/** Deletes hooks to which no row refers any more. */
export async function deleteHooks(tx: Queryable, sids: readonly string[]): Promise<void> {
  if (sids.length === 0) return;
  const used = Object.entries(REFERENCES).flatMap(([table, columns]) =>
    columns.map((column) => `SELECT 1 FROM ${table} WHERE ${column} = webhooks.webhook_sid`),
  );
  await tx.execute(`DELETE FROM webhooks WHERE webhook_sid IN (?) AND NOT EXISTS (${used.join(' UNION ALL ')})`, [
    sids,
  ]);
}
