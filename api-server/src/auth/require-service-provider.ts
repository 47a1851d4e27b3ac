import { type Database, HttpError } from '@ringwire/common';
import { forbidden, type Principal } from './principal.js';

/**
 * Checks that the principal may act for a service provider: its own key, or the operator's.
 *
 * @throws HttpError 403 when it is somebody else's, 404 when an admin names an unknown one
 */
export async function requireServiceProvider(db: Database, principal: Principal, sid: string): Promise<void> {
  if (principal.scope === 'account') throw forbidden();
  if (principal.scope === 'service_provider') {
    if (principal.serviceProviderSid !== sid) throw forbidden();
    return;
  }
  const found = await db.query('SELECT 1 FROM service_providers WHERE service_provider_sid = ?', [sid]);
  if (found.length === 0) throw new HttpError(404, `there is no service provider ${sid}`);
}
