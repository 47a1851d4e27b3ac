import { type Database, HttpError } from '@ringwire/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { findPrincipal } from './api-keys-store.js';
import { forbidden, type Principal } from './principal.js';

/** Longer than any token; what is longer need not bother the database. */
const MAX_TOKEN_LENGTH = 64;

/** Lets requests pass that carry the Bearer token of an API key; others get 401. */
export const authenticate =
  (db: Database): RequestHandler =>
  async (req: Request, res: Response, next: NextFunction) => {
    const token = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1];
    const principal = token && token.length <= MAX_TOKEN_LENGTH ? await findPrincipal(db, token) : undefined;
    if (principal === undefined) {
      res.set('WWW-Authenticate', 'Bearer');
      throw new HttpError(
        401,
        token === undefined ? 'an API key is needed: Authorization: Bearer <key>' : 'unknown API key',
      );
    }
    res.locals.principal = principal;
    next();
  };

/** Who makes the request; only behind {@link authenticate}. */
export function principalOf(res: Response): Principal {
  const principal: unknown = res.locals.principal;
  if (principal === undefined) throw new HttpError(401, 'an API key is needed');
  return principal as Principal;
}

/**
 * Checks that the principal may see an account.
 *
 * @throws HttpError 403 when it is somebody else's (or, for a service provider, unknown), 404 when an admin names an unknown one
 */
export async function requireAccount(db: Database, principal: Principal, accountSid: string): Promise<void> {
  if (principal.scope === 'account') {
    if (principal.accountSid !== accountSid) throw forbidden();
    return;
  }
  const [row] = await db.query<{ service_provider_sid: string }>(
    'SELECT service_provider_sid FROM accounts WHERE account_sid = ?',
    [accountSid],
  );
  if (principal.scope === 'service_provider') {
    if (row?.service_provider_sid !== principal.serviceProviderSid) throw forbidden();
  } else if (row === undefined) {
    throw new HttpError(404, `there is no account ${accountSid}`);
  }
}
