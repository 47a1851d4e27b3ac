import { splitUri } from '@ringwire/common/sip/uri.js';
import type { ReferRequest } from './call-leg.js';
import type { DialTarget } from './dialler.js';

/** Who is to be called for a transfer, or the status that refuses it. */
export type Transfer = { ok: true; target: DialTarget } | { ok: false; status: number };

/** What is known of who wants to transfer, the caller or somebody who was dialled. */
export interface Transferor {
  /** `name@realm` of a user of the account; undefined for everybody else. */
  user: string | undefined;
  /** Whether this user may call other users without an application. */
  mayCallUsers: boolean;
  /** Whether the application has asked for transfers, and so lets them lead anywhere. */
  mayCallAnybody: boolean;
  /** Whether the account has a user of this name. */
  isUser(name: string): boolean;
}

const NUMBER = /^\+?[\d*#.-]{1,64}$/;

/**
 * Whom somebody may have called in his place. Only a user of the account may, whoever else comes in over a carrier, or was called, would telephone
 * at the account's cost; and without the application's consent only to those whom he may call without it: users of his realm. The new call is routed,
 * limited and guarded like any other of the account.
 */
export function transferOf({ uri, replaces, referredBy }: ReferRequest, transferor: Transferor): Transfer {
  const { user, mayCallUsers, mayCallAnybody } = transferor;
  if (user === undefined) return { ok: false, status: 403 };
  // Who joins those with whom he talks in two calls calls nobody.
  if (replaces) {
    const address = `call ${replaces.callId}`;
    return { ok: true, target: { routing: 'talk', address, talk: { replaces, user }, headers: {} } };
  }
  const parts = splitUri(uri);
  if (!parts?.user) return { ok: false, status: 400 };
  const headers: Record<string, string> = referredBy === undefined ? {} : { 'Referred-By': referredBy };
  const name = parts.user;
  const realm = user.slice(user.indexOf('@') + 1).toLowerCase();
  const isOwnRealm = parts.scheme !== 'tel' && parts.host.toLowerCase() === realm;
  const toUser: Transfer = { ok: true, target: { routing: 'user', address: `${name}@${realm}`, headers } };
  if (!mayCallAnybody) return isOwnRealm && mayCallUsers ? toUser : { ok: false, status: 403 };
  // An extension looks like a number.
  if (isOwnRealm && (!NUMBER.test(name) || transferor.isUser(name))) return toUser;
  if (isOwnRealm || parts.scheme === 'tel') return { ok: true, target: { routing: 'phone', address: name, headers } };
  return { ok: true, target: { routing: 'sip', address: uri, headers } };
}
