import { HttpError } from '@ringwire/common';
import { readSigningKey } from '@ringwire/common/stir/signer.js';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden } from '../auth/principal.js';
import { badField, bodyOf, booleanField, type Fields, pathParam, rejectUnknown, textField } from '../http/input.js';
import { type CredentialOwner, deleteCredential, findCredential, setCredential } from './stir-credentials-store.js';

const PATHS: Record<CredentialOwner['scope'], string> = {
  account: '/Accounts/:sid/StirCredential',
  service_provider: '/ServiceProviders/:sid/StirCredential',
};

/** An owner that the request may see and change: its own account or service provider, or one below it. */
async function ownerOf(
  { db }: ApiContext,
  req: Request,
  res: Response,
  scope: CredentialOwner['scope'],
): Promise<CredentialOwner> {
  const sid = pathParam(req, 'sid');
  const principal = principalOf(res);
  if (scope === 'account') await requireAccount(db, principal, sid);
  else if (principal.scope !== 'admin') {
    if (principal.scope === 'account' || principal.serviceProviderSid !== sid) throw forbidden();
  } else {
    const found = await db.query('SELECT 1 FROM service_providers WHERE service_provider_sid = ?', [sid]);
    if (found.length === 0) throw new HttpError(404, `there is no service provider ${sid}`);
  }
  return { scope, sid };
}

/** The fields of a credential. @throws HttpError 400 that names the wrong one */
function credentialOf(fields: Fields): { x5u: string; privateKey: string; isActive: boolean } {
  rejectUnknown(fields, ['x5u', 'private_key', 'is_active']);
  const x5u = textField(fields, 'x5u', 512);
  if (!/^https:\/\/[^\s<>"]+$/.test(x5u) || !URL.canParse(x5u)) throw badField('x5u', 'must be an https URL');
  const privateKey = textField(fields, 'private_key', 1_024);
  try {
    readSigningKey(privateKey);
  } catch {
    // What OpenSSL says of a key that it cannot read helps nobody.
    throw badField('private_key', 'must be an EC private key on P-256 in PEM, without a passphrase');
  }
  const isActive = fields.is_active === undefined || booleanField(fields, 'is_active');
  return { x5u, privateKey, isActive };
}

/** `…/StirCredential` of accounts and service providers: what their calls to carriers are signed with. The key is never shown. */
export function stirCredentialRoutes(router: Router, context: ApiContext): void {
  const { db, encryptionSecret, provisioningChanged } = context;
  for (const [scope, path] of Object.entries(PATHS) as [CredentialOwner['scope'], string][]) {
    router.get(path, async (req, res) => {
      const owner = await ownerOf(context, req, res, scope);
      const found = await findCredential(db, owner);
      if (!found) throw new HttpError(404, `${scope.replace('_', ' ')} ${owner.sid} has no STIR credential`);
      res.json(found);
    });
    router.put(path, async (req, res) => {
      const owner = await ownerOf(context, req, res, scope);
      await setCredential(db, owner, credentialOf(bodyOf(req)), encryptionSecret);
      await provisioningChanged('stir_credentials');
      res.sendStatus(204);
    });
    router.delete(path, async (req, res) => {
      await deleteCredential(db, await ownerOf(context, req, res, scope));
      await provisioningChanged('stir_credentials');
      res.sendStatus(204);
    });
  }
}
