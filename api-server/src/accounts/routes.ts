import { HttpError } from '@ringwire/common';
import type { Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { pathParam, queryWord } from '../http/input.js';
import { listAccounts, regenerateWebhookSecret } from './accounts-store.js';

/** `/Accounts`, read-only, and `/Accounts/{sid}/WebhookSecret`. */
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
