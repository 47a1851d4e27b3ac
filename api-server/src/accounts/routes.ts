import { type Database, DuplicateKeyError, HttpError } from '@ringwire/common';
import type { Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { findApplication } from '../applications/applications-store.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { badField, bodyOf, pathParam, queryWord } from '../http/input.js';
import { parseAccountInput } from './account-input.js';
import { listAccounts, regenerateWebhookSecret, updateAccount } from './accounts-store.js';

function explain(err: unknown): never {
  if (err instanceof DuplicateKeyError) throw new HttpError(422, 'sip_realm: another account has it');
  throw err;
}

/** Checks that devices of an account may call an application. @throws HttpError 400 */
async function requireOwnApplication(
  db: Database,
  principal: Principal,
  applicationSid: string,
  accountSid: string,
): Promise<void> {
  const application = await findApplication(db, principal, applicationSid);
  if (application?.account_sid === accountSid) return;
  throw badField('device_calling_application_sid', `the account has no application ${applicationSid}`);
}

/** `/Accounts`: to read and to change, and `/Accounts/{sid}/WebhookSecret`. */
export function accountRoutes(router: Router, { db, encryptionSecret, provisioningChanged }: ApiContext): void {
  router.get('/Accounts', async (_req, res) => {
    res.set('Cache-Control', 'no-store').json(await listAccounts(db, principalOf(res), encryptionSecret));
  });
  router.get('/Accounts/:account_sid', async (req, res) => {
    const sid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), sid);
    const [account] = await listAccounts(db, principalOf(res), encryptionSecret, sid);
    if (account === undefined) throw new HttpError(404, `there is no account ${sid}`);
    res.set('Cache-Control', 'no-store').json(account);
  });
  router.put('/Accounts/:account_sid', async (req, res) => {
    const sid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), sid);
    const [current] = await listAccounts(db, principalOf(res), encryptionSecret, sid);
    if (current === undefined) throw new HttpError(404, `there is no account ${sid}`);
    const input = parseAccountInput(bodyOf(req), current, principalOf(res));
    const application = input.columns.device_calling_application_sid;
    if (typeof application === 'string') await requireOwnApplication(db, principalOf(res), application, sid);
    await updateAccount(db, sid, input, encryptionSecret).catch(explain);
    await provisioningChanged('accounts');
    res.status(204).end();
  });
  router.get('/Accounts/:account_sid/WebhookSecret', async (req, res) => {
    const sid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), sid);
    const isNew = queryWord(req, 'regenerate', ['true', 'false']) === 'true';
    if (isNew) {
      await regenerateWebhookSecret(db, sid, encryptionSecret);
      await provisioningChanged('accounts');
    }
    const [account] = await listAccounts(db, principalOf(res), encryptionSecret, sid);
    if (account === undefined) throw new HttpError(404, `there is no account ${sid}`);
    if (account.webhook_secret === null) {
      throw new HttpError(500, 'the stored secret cannot be decrypted: it needs to be regenerated (?regenerate=true)');
    }
    res.set('Cache-Control', 'no-store').json({ webhook_secret: account.webhook_secret });
  });
}
