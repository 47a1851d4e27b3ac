/** Webhooks: rows of their own that applications, accounts and service providers refer to. */
import { randomUUID } from 'node:crypto';
import { encryptSecret, type Queryable, type Secret } from '@ringwire/common';
import { type HookInput, PASSWORD_MASK } from '../applications/application-input.js';

/** Every column that refers to a webhook. */
const REFERENCES: Readonly<Record<string, readonly string[]>> = {
  applications: ['call_hook_sid', 'call_status_hook_sid', 'messaging_hook_sid', 'fallback_call_hook_sid'],
  accounts: ['registration_hook_sid', 'queue_event_hook_sid'],
  service_providers: ['registration_hook_sid'],
};

const encrypted = (password: string | null, secret: Secret): string | null =>
  password === null ? null : encryptSecret(password, secret);

/** How many columns of all rows refer to a hook. */
async function countUses(tx: Queryable, sid: string): Promise<number> {
  const uses = Object.entries(REFERENCES).flatMap(([table, columns]) =>
    columns.map((column) => `(SELECT COUNT(*) FROM ${table} WHERE ${column} = ?)`),
  );
  const [row] = await tx.query<{ uses: number }>(`SELECT ${uses.join(' + ')} AS uses`, Array(uses.length).fill(sid));
  return Number(row?.uses ?? 0);
}

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
 * @returns the columns to write into the row, and hooks for {@link deleteHooks} once that is done
 */
export async function writeHooks(
  tx: Queryable,
  hooks: Readonly<Record<string, HookInput | null | undefined>>,
  current: Readonly<Record<string, string | null>>,
  secret: Secret,
): Promise<{ columns: Record<string, string | null>; orphans: string[] }> {
  const columns: Record<string, string | null> = {};
  const orphans: string[] = [];
  for (const [column, hook] of Object.entries(hooks)) {
    const sid = current[column] ?? null;
    if (hook === undefined) continue;
    if (hook === null) {
      columns[column] = null;
      if (sid !== null) orphans.push(sid);
    } else if (sid === null) {
      columns[column] = await insertHook(tx, hook, secret);
    } else if ((await countUses(tx, sid)) > 1) {
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
