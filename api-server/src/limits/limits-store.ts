import { randomUUID } from 'node:crypto';
import type { Database, LimitScope } from '@ringwire/common';

/** What a limit is a number of. Only `voice_call_session`, calls at the same time in each direction, is enforced. */
export const LIMIT_CATEGORIES = [
  'api_rate',
  'voice_call_session',
  'device',
  'voice_call_minutes',
  'voice_call_session_license',
  'voice_call_minutes_license',
] as const;
/** One of {@link LIMIT_CATEGORIES}. */
export type LimitCategory = (typeof LIMIT_CATEGORIES)[number];

/** Whose limits. */
export interface LimitOwner {
  scope: LimitScope;
  sid: string;
}

type Row = Record<string, unknown>;

/** The limits of an owner, all or those of one category. */
export function listLimits(db: Database, { scope, sid }: LimitOwner, category?: LimitCategory): Promise<Row[]> {
  return db.query<Row>(
    `SELECT ${scope}_limits_sid, ${scope}_sid, category, quantity FROM ${scope}_limits WHERE ${scope}_sid = ?
     ${category === undefined ? '' : 'AND category = ?'} ORDER BY category`,
    category === undefined ? [sid] : [sid, category],
  );
}

/** Sets a limit; an owner has one of each category. @returns its sid */
export async function setLimit(
  db: Database,
  { scope, sid }: LimitOwner,
  category: LimitCategory,
  quantity: number,
): Promise<string> {
  await db.execute(
    `INSERT INTO ${scope}_limits (${scope}_limits_sid, ${scope}_sid, category, quantity) VALUES (?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE quantity = VALUES(quantity)`,
    [randomUUID(), sid, category, quantity],
  );
  const [row] = await listLimits(db, { scope, sid }, category);
  return String(row?.[`${scope}_limits_sid`]);
}

/** Removes the limits of an owner, all or that of one category. */
export async function deleteLimits(db: Database, { scope, sid }: LimitOwner, category?: LimitCategory): Promise<void> {
  await db.execute(
    `DELETE FROM ${scope}_limits WHERE ${scope}_sid = ? ${category === undefined ? '' : 'AND category = ?'}`,
    category === undefined ? [sid] : [sid, category],
  );
}
