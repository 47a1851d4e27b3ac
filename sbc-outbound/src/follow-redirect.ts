import { type CallPlace, limitRefusal } from '@ringwire/common';
import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { unescaped, withoutSeparators } from '@ringwire/common/sip/uri.js';
import { byNumber, byUri, type Destination, toUser, type WayOut } from './destinations.js';
import type { OutboundCall } from './guard.js';
import { limitedUser } from './limited-user.js';
import type { Followed, Redirect } from './redirects.js';
import { checkForFraud } from './toll-fraud.js';

/** The call that is sent on. */
export interface RedirectedCall {
  edge: Edge;
  wayOut: WayOut;
  request: SipRequest;
  call: OutboundCall;
  atMs: number;
  /** What it counts as. */
  place: Pick<CallPlace, 'forward'>;
}

type Following = (journal: CallJournal) => Followed;

/**
 * Where a user's telephone sends a call (call forwarding): to another user of his realm, or to a number, which the account's carriers call and the toll-fraud
 * guard judges like any other. Everything else could be a toll thief's: a text says why. From then on it counts as a call of whoever it is sent to.
 */
export async function followFromUser(
  sent: RedirectedCall,
  { target }: Redirect,
  journal: Pick<CallJournal, 'alert'>,
): Promise<Following | string> {
  const { edge, wayOut, request, call, atMs } = sent;
  const { account } = call;
  const realm = account.sipRealm?.toLowerCase();
  const isOurs = target.host === realm || edge.sipAddress === `${target.host}:${target.port ?? 5060}`;
  if (!isOurs || realm === undefined) return 'it is not in the realm of the account';
  const user = unescaped(target.user ?? '') ?? '';
  const snapshot = edge.provisioning.snapshot();
  const number = withoutSeparators(user);
  const isNumber = /^\+?\d+$/.test(number) && !snapshot.findClient(account.accountSid, user);
  const next: OutboundCall = {
    ...call,
    routing: isNumber ? 'phone' : 'user',
    target: { ...target, host: realm, user: isNumber ? number : user },
  };
  const destination = isNumber
    ? byNumber(edge, wayOut, request, next, atMs)
    : await toUser(edge, wayOut, request, next, true);
  const followed = await following(sent, next, destination, journal);
  if (typeof followed === 'string') return followed;
  const reached = await sent.place.forward(isNumber ? null : limitedUser(edge, next));
  if (!reached) return followed;
  const { alert } = limitRefusal(reached);
  if (alert) journal.alert(alert);
  return 'the user is busy';
}

/** Where a SIP URI sends a call: to any other that the account may call; never back to us, where the account would pay for what a stranger calls. */
export async function followFromUri(
  sent: RedirectedCall,
  { uri, target }: Redirect,
  journal: Pick<CallJournal, 'alert'>,
): Promise<Following | string> {
  const { edge, wayOut, request, call } = sent;
  if (edge.provisioning.snapshot().findAccountByRealm(target.host)) return 'it is a realm of our own';
  const next: OutboundCall = { ...call, target };
  return following(sent, next, await byUri(edge, wayOut, request, next, uri), journal);
}

async function following(
  { edge, wayOut }: RedirectedCall,
  call: OutboundCall,
  destination: Destination,
  journal: Pick<CallJournal, 'alert'>,
): Promise<Following | string> {
  if (!destination.ok) return destination.refusal.reason;
  const snapshot = edge.provisioning.snapshot();
  const verdict = await checkForFraud(wayOut.fraud, snapshot, wayOut.rates(), call, destination.first);
  if (!verdict.ok) {
    // The guard gives each alert to one call only: nobody else would tell of it.
    if (verdict.alert) journal.alert(verdict.alert);
    return verdict.detail;
  }
  return (journal) => {
    journal.carriedBy(destination.carried);
    // Carriers' redirects are followed among their own gateways (`GatewayAttempts`).
    return { way: destination.plan(journal), mayRedirect: call.routing !== 'phone' };
  };
}
