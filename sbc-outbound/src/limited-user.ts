import { aorText, type LimitedUser } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { OutboundCall } from './guard.js';

/** The user who is called, with the limit of his own calls. */
export function limitedUser(edge: Pick<Edge, 'provisioning'>, { account, target }: OutboundCall): LimitedUser | null {
  if (target.user === null) return null;
  const client = edge.provisioning.snapshot().findClient(account.accountSid, target.user);
  return client ? { aor: aorText({ user: client.username, realm: target.host }), limit: client.callLimit } : null;
}
