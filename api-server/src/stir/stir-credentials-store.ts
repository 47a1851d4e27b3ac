import { randomUUID } from 'node:crypto';
import { type Database, encryptSecret, type Secret } from '@ringwire/common';

/** Whose calls a credential signs. */
export interface CredentialOwner {
  scope: 'account' | 'service_provider';
  sid: string;
}

/** A credential as the API shows it: never with its key. */
export interface CredentialRow {
  stir_credential_sid: string;
  account_sid: string | null;
  service_provider_sid: string | null;
  x5u: string;
  is_active: boolean;
  created_at: Date;
}

/** The credential of an owner; undefined when it has none. */
export async function findCredential(
  db: Database,
  { scope, sid }: CredentialOwner,
): Promise<CredentialRow | undefined> {
  const [row] = await db.query<CredentialRow>(
    `SELECT stir_credential_sid, account_sid, service_provider_sid, x5u, is_active, created_at
     FROM stir_credentials WHERE ${scope}_sid = ?`,
    [sid],
  );
  return row && { ...row, is_active: Boolean(row.is_active) };
}

/** Sets the credential of an owner, who has one; the key is encrypted. */
export async function setCredential(
  db: Database,
  { scope, sid }: CredentialOwner,
  { x5u, privateKey, isActive }: { x5u: string; privateKey: string; isActive: boolean },
  encryptionSecret: Secret,
): Promise<void> {
  await db.execute(
    `INSERT INTO stir_credentials (stir_credential_sid, ${scope}_sid, x5u, private_key, is_active) VALUES (?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE x5u = VALUES(x5u), private_key = VALUES(private_key), is_active = VALUES(is_active)`,
    [randomUUID(), sid, x5u, encryptSecret(privateKey, encryptionSecret), isActive],
  );
}

/** Removes the credential of an owner; nothing happens when it has none. */
export async function deleteCredential(db: Database, { scope, sid }: CredentialOwner): Promise<void> {
  await db.execute(`DELETE FROM stir_credentials WHERE ${scope}_sid = ?`, [sid]);
}
