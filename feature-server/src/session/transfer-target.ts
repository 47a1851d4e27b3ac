import { splitUri } from '@ringwire/common/sip/uri.js';
import type { ReferRequest } from './call-leg.js';
import type { DialTarget } from './dialler.js';

/** Who is to be called for a transfer, or the status that refuses it. */
export type Transfer = { ok: true; target: DialTarget } | { ok: false; status: number };

const NUMBER = /^\+?[\d*#.-]{1,64}$/;

/**
 * Whom a caller may have called in his place. Only a user of the account may, whoever else comes in over a carrier would telephone at the
 * account's cost. The new call is routed, limited and guarded like any other of the account.
 */
export function transferOf({ uri, hasReplaces, referredBy }: ReferRequest, user: string | undefined): Transfer {
  if (user === undefined) return { ok: false, status: 403 };
  // Who takes over a call that exists is found by no verb yet.
  if (hasReplaces) return { ok: false, status: 501 };
  const parts = splitUri(uri);
  if (!parts?.user) return { ok: false, status: 400 };
  const headers: Record<string, string> = referredBy === undefined ? {} : { 'Referred-By': referredBy };
  if (parts.scheme === 'tel' || NUMBER.test(parts.user)) {
    return { ok: true, target: { routing: 'phone', address: parts.user, headers } };
  }
  const realm = user.slice(user.indexOf('@') + 1).toLowerCase();
  if (parts.host === realm)
    return { ok: true, target: { routing: 'user', address: `${parts.user}@${realm}`, headers } };
  return { ok: true, target: { routing: 'sip', address: uri, headers } };
}
