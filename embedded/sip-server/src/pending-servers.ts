import { parseCSeq, type ServerTransaction, SipMessage } from '@ringwire/sip';
import { type BridgeContext, type PendingServer, passUp } from './bridge-context.js';
import { tellBye } from './dialog-requests.js';
import type { Refusal } from './request-policy.js';

/** A request of the peer has its final response, or never will: what was kept for it goes, an early dialog too. */
export function settle({ pendingServers, dialogs }: BridgeContext, pending: PendingServer): void {
  pendingServers.delete(pending.id);
  pending.reliable?.stop();
  const { dialog, transaction } = pending;
  if (!dialog) return;
  if (transaction.method === 'INVITE') dialog.unansweredInvite = false;
  else if (transaction.method === 'UPDATE') dialog.unansweredUpdate = false;
  if (dialog.early && transaction.method === 'INVITE') dialogs.remove(dialog);
}

/** Answers a request without an application. */
export function answerByServer(
  { counters }: BridgeContext,
  transaction: ServerTransaction,
  { status, reason, headers }: Refusal,
): void {
  if (status >= 300) counters.refusedRequests++;
  const response = transaction.makeResponse(status, reason);
  for (const [name, value] of headers) response.add(name, value);
  transaction.respond(response);
}

/** Refuses a request without its application: settles it and answers. */
export function refuse(context: BridgeContext, pending: PendingServer, status: number, reason?: string): void {
  settle(context, pending);
  const { dialog, transaction } = pending;
  if (dialog && OFFERING.has(transaction.method)) dialog.offer = 'none';
  if (transaction.isOpen) transaction.reply(status, reason);
}

/**
 * Refuses an INVITE that its application still works on, or believes answered, and tells it so: as the CANCEL of a caller,
 * or as BYE when the answer was held back.
 * @param reason a Reason header
 */
export function giveUp(context: BridgeContext, pending: PendingServer, status: number, reason: string): void {
  refuse(context, pending, status);
  tellGivenUp(pending, makeCancel(pending, reason));
}

/** Tells the application that its INVITE is over. */
export function tellGivenUp(pending: PendingServer, cancel: SipMessage): void {
  const { transaction, client, id, dialog, held } = pending;
  if (held && dialog) {
    const bye = dialog.state.makeRequest('BYE');
    for (const reason of cancel.getAll('Reason')) bye.add('Reason', reason);
    tellBye(dialog, bye);
    dialog.afterAck?.();
  } else if (client) passUp(client, cancel, transaction.source, transaction.source.local, id, '');
}

function makeCancel({ transaction }: PendingServer, reason: string): SipMessage {
  const { request } = transaction;
  const cancel = SipMessage.request('CANCEL', request.uri);
  for (const name of ['Via', 'From', 'To', 'Call-ID']) cancel.add(name, request.get(name) ?? '');
  cancel.add('CSeq', `${parseCSeq(request.get('CSeq') ?? '')?.seq ?? 1} CANCEL`);
  return cancel.add('Reason', reason);
}

const OFFERING: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK']);
