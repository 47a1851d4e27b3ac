import { timingSafeEqual } from 'node:crypto';
import type { Database } from '@ringwire/common';
import type { Principal } from './principal.js';

interface ApiKeyRow {
  token: string;
  account_sid: string | null;
  service_provider_sid: string | null;
  account_service_provider_sid: string | null;
}

const isSame = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

/**
 * Who holds an API key; undefined when there is no such key or it has expired.
 *
 * The lookup is by index; the token found is then compared byte by byte in constant time, since the database's own
 * comparison ignores case and accents.
 */
export async function findPrincipal(db: Database, token: string): Promise<Principal | undefined> {
  const [row] = await db.query<ApiKeyRow>(
    `SELECT api_keys.token, api_keys.account_sid, api_keys.service_provider_sid,
       accounts.service_provider_sid AS account_service_provider_sid
     FROM api_keys LEFT JOIN accounts ON accounts.account_sid = api_keys.account_sid
     WHERE api_keys.token = ? AND (api_keys.expires_at IS NULL OR api_keys.expires_at > UTC_TIMESTAMP())`,
    [token],
  );
  if (row === undefined || !isSame(row.token, token)) return undefined;
  if (row.service_provider_sid !== null)
    return { scope: 'service_provider', serviceProviderSid: row.service_provider_sid };
  if (row.account_sid === null) return { scope: 'admin' };
  return { scope: 'account', accountSid: row.account_sid, serviceProviderSid: row.account_service_provider_sid ?? '' };
}
