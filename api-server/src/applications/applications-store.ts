import { randomUUID } from 'node:crypto';
import {
  type Database,
  decryptSecret,
  encryptSecret,
  HttpError,
  isEncrypted,
  type Queryable,
  type Secret,
  type SqlValue,
} from '@ringwire/common';
import { type Condition, type Principal, tenantCondition } from '../auth/principal.js';
import { likeContains, type Page } from '../http/input.js';
import { deleteHooks, writeHooks } from '../rows/hooks-store.js';
import {
  type ApplicationInput,
  HOOK_COLUMNS,
  HOOK_FIELDS,
  type HookField,
  type HookInput,
  PASSWORD_MASK,
} from './application-input.js';

type Row = Record<string, unknown>;

const HOOK_SELECT = HOOK_FIELDS.map((field) =>
  ['url', 'method', 'username', 'password'].map((column) => `${field}.${column} AS ${field}_${column}`).join(', '),
).join(', ');
const HOOK_JOINS = HOOK_FIELDS.map(
  (field) => `LEFT JOIN webhooks ${field} ON ${field}.webhook_sid = applications.${HOOK_COLUMNS[field]}`,
).join(' ');

/** The environment of a row, for its owner; null where there is none, or none that can be read. */
function envVarsOf({ env_vars: stored }: Row, secret: Secret | undefined): unknown {
  if (typeof stored !== 'string' || stored === '' || secret === undefined) return null;
  try {
    return JSON.parse(isEncrypted(stored) ? decryptSecret(stored, secret) : stored);
  } catch {
    return null;
  }
}

/** Whether a request names a vendor of speech and no voice: the voice that the table or the row has is another vendor's. */
const namesVendorOnly = ({ columns }: ApplicationInput): boolean =>
  columns.speech_synthesis_vendor !== undefined && columns.speech_synthesis_voice === undefined;

/** The columns of a request as they are written: the environment encrypted, since it may hold keys. */
const stored = ({ columns }: ApplicationInput, secret: Secret): Record<string, SqlValue> => ({
  ...columns,
  ...(typeof columns.env_vars === 'string' && { env_vars: encryptSecret(columns.env_vars, secret) }),
});

/** A row as the API shows it: hooks as objects, without credentials. */
function toJson(row: Row, secret: Secret | undefined): Row {
  const json: Row = {};
  for (const [column, value] of Object.entries(row)) {
    const isHookPart = HOOK_FIELDS.some((field) => column.startsWith(`${field}_`));
    if (!isHookPart) json[column] = value;
  }
  json.env_vars = envVarsOf(row, secret);
  for (const field of HOOK_FIELDS) {
    json[field] =
      row[`${field}_url`] == null
        ? null
        : {
            url: row[`${field}_url`],
            method: row[`${field}_method`],
            username: row[`${field}_username`],
            password: row[`${field}_password`] == null ? null : PASSWORD_MASK,
          };
  }
  return json;
}

/** Finds applications that a principal may see. */
export interface ApplicationFilter {
  accountSid?: string;
  /** Part of the name. */
  name?: string;
}

const conditionOf = (principal: Principal, filter: ApplicationFilter): Condition => {
  const tenant = tenantCondition(principal, 'applications');
  const parts = [tenant.sql];
  const params = [...tenant.params];
  if (filter.accountSid !== undefined) {
    parts.push('applications.account_sid = ?');
    params.push(filter.accountSid);
  }
  if (filter.name !== undefined) {
    parts.push('applications.name LIKE ?');
    params.push(likeContains(filter.name));
  }
  return { sql: parts.join(' AND '), params };
};

/** Applications in the order of their names, all or one page. */
export async function listApplications(
  db: Database,
  principal: Principal,
  filter: ApplicationFilter,
  secret: Secret,
  page?: Page,
): Promise<{ total: number; data: Row[] }> {
  const where = conditionOf(principal, filter);
  const limit = page === undefined ? '' : ' LIMIT ? OFFSET ?';
  const limits = page === undefined ? [] : [page.pageSize, (page.page - 1) * page.pageSize];
  const rows = await db.query<Row>(
    `SELECT applications.*, ${HOOK_SELECT} FROM applications ${HOOK_JOINS} WHERE ${where.sql}
     ORDER BY applications.name, applications.application_sid${limit}`,
    [...where.params, ...limits],
  );
  if (page === undefined) return { total: rows.length, data: rows.map((row) => toJson(row, secret)) };
  const [count] = await db.query<{ total: number }>(
    `SELECT COUNT(*) AS total FROM applications WHERE ${where.sql}`,
    where.params,
  );
  return { total: Number(count?.total ?? 0), data: rows.map((row) => toJson(row, secret)) };
}

/** One application; undefined when there is none or it is somebody else's. Without the secret its environment is left out. */
export async function findApplication(
  db: Database,
  principal: Principal,
  sid: string,
  secret?: Secret,
): Promise<Row | undefined> {
  const tenant = tenantCondition(principal, 'applications');
  const [row] = await db.query<Row>(
    `SELECT applications.*, ${HOOK_SELECT} FROM applications ${HOOK_JOINS} WHERE applications.application_sid = ? AND ${tenant.sql}`,
    [sid, ...tenant.params],
  );
  return row === undefined ? undefined : toJson(row, secret);
}

const byColumn = (hooks: ApplicationInput['hooks']): Record<string, HookInput | null | undefined> =>
  Object.fromEntries(HOOK_FIELDS.map((field) => [HOOK_COLUMNS[field], hooks[field]]));

/** Writes a new application with its hooks. @returns its sid @throws DuplicateKeyError, ForeignKeyError */
export async function insertApplication(
  db: Database,
  accountSid: string,
  input: ApplicationInput,
  secret: Secret,
): Promise<string> {
  const sid = randomUUID();
  await db.transaction(async (tx) => {
    const hooks = await writeHooks(tx, byColumn(input.hooks), {}, accountSid, secret);
    const columns: Record<string, SqlValue> = {
      application_sid: sid,
      account_sid: accountSid,
      ...(namesVendorOnly(input) &&
        input.columns.speech_synthesis_vendor !== 'google' && { speech_synthesis_voice: null }),
      ...stored(input, secret),
      ...hooks.columns,
    };
    await tx.execute(`INSERT INTO applications (${Object.keys(columns).join(', ')}) VALUES (?)`, [
      Object.values(columns),
    ]);
  });
  return sid;
}

type HookSids = Record<(typeof HOOK_COLUMNS)[HookField], string | null>;

/** @returns what the application's hooks are, and whose it is */
const lockHookSids = async (
  tx: Queryable,
  principal: Principal,
  sid: string,
): Promise<{ sids: HookSids; owner: string } | undefined> => {
  const tenant = tenantCondition(principal, 'applications');
  const [row] = await tx.query<HookSids & { account_sid: string | null }>(
    `SELECT account_sid, ${Object.values(HOOK_COLUMNS).join(', ')} FROM applications WHERE application_sid = ? AND ${tenant.sql} FOR UPDATE`,
    [sid, ...tenant.params],
  );
  if (row === undefined) return undefined;
  const { account_sid: accountSid, ...sids } = row;
  return { sids, owner: accountSid ?? sid };
};

/** Changes what the input names. @returns false when there is none or it is somebody else's @throws DuplicateKeyError */
export async function updateApplication(
  db: Database,
  principal: Principal,
  sid: string,
  input: ApplicationInput,
  secret: Secret,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const current = await lockHookSids(tx, principal, sid);
    if (current === undefined) return false;
    const hooks = await writeHooks(tx, byColumn(input.hooks), current.sids, current.owner, secret);
    const columns: Record<string, SqlValue> = { ...stored(input, secret), ...hooks.columns };
    const names = Object.keys(columns);
    if (namesVendorOnly(input)) {
      await tx.execute(
        'UPDATE applications SET speech_synthesis_voice = NULL WHERE application_sid = ? AND speech_synthesis_vendor <> ?',
        [sid, input.columns.speech_synthesis_vendor as string],
      );
    }
    if (names.length > 0) {
      await tx.execute(
        `UPDATE applications SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE application_sid = ?`,
        [...Object.values(columns), sid],
      );
    }
    await deleteHooks(tx, hooks.orphans);
    return true;
  });
}

/**
 * Removes an application and its hooks. @returns false when there is none or it is somebody else's
 *
 * @throws HttpError 422 while phone numbers or devices of an account use it; ForeignKeyError while carriers do
 */
export async function deleteApplication(db: Database, principal: Principal, sid: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const current = await lockHookSids(tx, principal, sid);
    if (current === undefined) return false;
    const [used] = await tx.query<{ numbers: number }>(
      'SELECT COUNT(*) AS numbers FROM phone_numbers WHERE application_sid = ?',
      [sid],
    );
    if (Number(used?.numbers) > 0) {
      throw new HttpError(422, `application cannot be deleted: ${used?.numbers} phone number(s) use it`);
    }
    const [called] = await tx.query<{ accounts: number }>(
      'SELECT COUNT(*) AS accounts FROM accounts WHERE device_calling_application_sid = ?',
      [sid],
    );
    if (Number(called?.accounts) > 0) {
      throw new HttpError(422, "application cannot be deleted: it is an account's device_calling_application_sid");
    }
    await tx.execute('DELETE FROM applications WHERE application_sid = ?', [sid]);
    await deleteHooks(
      tx,
      Object.values(current.sids).filter((hookSid) => hookSid !== null),
    );
    return true;
  });
}
