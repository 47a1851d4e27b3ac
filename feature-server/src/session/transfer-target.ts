import { splitUri } from '@ringwire/common/sip/uri.js';
import type { TransferHandler, TransferOptions } from '../verbs/verb.js';
import type { ReferHandler, ReferRequest } from './call-leg.js';
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

/** What takes the REFERs of one leg, as its session has it. */
export interface Transfers {
  /** For the timeline. */
  who: 'caller' | 'callee';
  /** Who sits there now. */
  transferor(): Pick<Transferor, 'user' | 'mayCallUsers'>;
  isUser(name: string): boolean;
  note(text: string): void;
}

/** Takes REFERs: where the application wants to be asked it decides first, and what it leaves is done, or refused, as the rules above say. */
export function takeRefers(
  { who, transferor, isUser, note }: Transfers,
  handler: TransferHandler,
  { toAnybody = false, ask }: TransferOptions,
): ReferHandler {
  return (refer) => {
    const asked = transferOf(refer, { ...transferor(), mayCallAnybody: toAnybody, isUser });
    const told = (status: number): number => {
      note(`REFER of the ${who} to ${refer.uri}: ${status}`);
      return status;
    };
    if (!ask && !asked.ok) return told(asked.status);
    const isBegun = handler({
      ...(asked.ok ? { target: asked.target } : { refusal: asked.status }),
      notify: refer.notify,
      ...(ask && { ask: () => ask(refer) }),
    });
    return told(isBegun ? 202 : 491);
  };
}
