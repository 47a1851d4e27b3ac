import { randomUUID } from 'node:crypto';
import { DialogState, type MessageSource, type ServerTransaction, type SipMessage, tagOf } from '@ringwire/sip';
import { type AppMessage, appHeader, applyAppMessage, statusLine } from './app-message.js';
import {
  ANSWER_INVITE_WITHIN_MS,
  ANSWER_WITHIN_MS,
  type BridgeContext,
  contactOf,
  describe,
  dialogId,
  ownAddress,
  type PendingServer,
  passUp,
} from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import { hangUp } from './dialog-requests.js';
import { endsSubscription, type ServerDialog, subscriptionLapse } from './dialog-store.js';
import { CommandError } from './errors.js';
import { HandlerRouting, type HandlerRoutingOptions } from './handler-routing.js';
import { policyAnswer, refusalOf } from './request-policy.js';

/** From the network to the applications: requests, their cancellation, ACKs; and the applications' responses back. */
export class Incoming {
  private readonly routing: HandlerRouting;

  constructor(
    private readonly context: BridgeContext,
    { handlers, outbound }: Pick<HandlerRoutingOptions, 'handlers' | 'outbound'>,
  ) {
    const offer = (pending: PendingServer, client: ControlClient): void => this.offer(pending, client);
    this.routing = new HandlerRouting({ context, handlers, outbound, offer });
  }

  /** A new request of the transaction layer. */
  receive(transaction: ServerTransaction): void {
    if (tagOf(transaction.request.get('To')) === undefined) this.receiveOutside(transaction);
    else this.receiveInDialog(transaction);
  }

  /** The ACK of a 2xx of ours. */
  receiveAck(ack: SipMessage, source: MessageSource): void {
    const dialog = this.context.dialogs.ofRequest(ack);
    if (dialog) passUp(dialog.client, ack, source, source.local, randomUUID(), dialog.id);
  }

  /** A response of an application. @throws CommandError when there is nothing to answer, or the response cannot be read */
  respond(client: ControlClient, messageId: string, transactionId: string, message: AppMessage): void {
    const pending = this.context.pendingServers.get(transactionId);
    if (!pending?.transaction.isOpen || pending.client !== client) {
      throw new CommandError('Response not sent due to unknown transaction');
    }
    const { transaction } = pending;
    const { status, reason } = statusLine(message);
    const response = this.makeResponse(pending, message, status, reason);
    if (status >= 200) this.context.pendingServers.delete(transactionId);
    const makesDialog = status >= 200 && status < 300 && /^(INVITE|SUBSCRIBE)$/.test(transaction.method);
    const dialog = pending.dialog ?? (makesDialog ? this.openDialog(transaction, response, client) : undefined);
    if (makesDialog && pending.dialog?.lapsesAtMs !== undefined)
      pending.dialog.lapsesAtMs = subscriptionLapse(response);
    if (dialog && makesDialog && transaction.method === 'INVITE') this.watchAck(dialog, transaction);
    transaction.respond(response);
    const text = response.toString();
    const id = dialog?.id ?? idOf(transaction.request);
    client.reply(
      messageId,
      'OK',
      `${describe('application', text, transaction.source)}|${transactionId}|${id}||Msg sent:|\r\n${text}`,
    );
  }

  /** Answers what applications left without answer for too long. Called once a second. */
  sweep(nowMs: number): void {
    this.context.dialogs.sweep(nowMs);
    for (const pending of this.context.pendingServers.values()) {
      if (pending.deadlineMs > nowMs) continue;
      this.context.pendingServers.delete(pending.id);
      this.context.counters.unanswered++;
      if (pending.transaction.isOpen) pending.transaction.reply(504, 'Application did not answer');
    }
  }

  private receiveOutside(transaction: ServerTransaction): void {
    const { method } = transaction;
    const { policy } = this.context;
    const refusal = policyAnswer(transaction.request, policy) ?? refusalOf(transaction.request);
    if (refusal) {
      if (refusal.status >= 300) this.context.counters.refusedRequests++;
      const response = transaction.makeResponse(refusal.status, refusal.reason);
      for (const [name, value] of refusal.headers) response.add(name, value);
      transaction.respond(response);
      return;
    }
    if (policy.ringsAlways && method === 'INVITE') transaction.reply(180);
    const handler = this.routing.handlerOf(method);
    if (handler) {
      void this.routing.route(this.track(transaction, undefined), handler);
      return;
    }
    this.offer(this.track(transaction, undefined), this.context.registry.select(method));
  }

  /** Gives the request to an application, or answers 503 when there is none. */
  private offer(pending: PendingServer, client: ControlClient | undefined): void {
    const { transaction, id } = pending;
    if (!transaction.isOpen) return;
    if (!client) {
      this.context.counters.unroutable++;
      this.context.pendingServers.delete(id);
      transaction.reply(503);
      return;
    }
    pending.client = client;
    const { request, source } = transaction;
    passUp(client, request, source, source.local, id, pending.dialog?.id ?? '');
  }

  private receiveInDialog(transaction: ServerTransaction): void {
    const { request } = transaction;
    const { dialogs } = this.context;
    const dialog = dialogs.ofRequest(request);
    if (!dialog) {
      transaction.reply(481);
      return;
    }
    transaction.localTag = dialog.state.localTag;
    if (!dialog.state.acceptSeq(request)) {
      transaction.reply(500, 'CSeq out of order');
      return;
    }
    // A peer that had to connect anew is reached on its new connection; a UDP peer that sent one large request is not.
    if (transaction.source.transport === dialog.peer.transport) dialog.peer = transaction.source;
    if (request.method === 'INVITE' && dialog.reinvite) {
      transaction.reply(491);
      return;
    }
    if (request.method === 'BYE') {
      dialogs.remove(dialog);
      dialog.reinvite?.cancel();
      // Both sides hang up at once: the application knows already.
      if (dialog.ending || dialog.client.isGone) {
        transaction.reply(200);
        return;
      }
    }
    if (endsSubscription(dialog, request)) dialogs.remove(dialog);
    if (request.method === 'INVITE' || request.method === 'UPDATE') dialog.state.refreshTarget(request);
    this.offer(this.track(transaction, dialog), dialog.client.isGone ? undefined : dialog.client);
  }

  private track(transaction: ServerTransaction, dialog: ServerDialog | undefined): PendingServer {
    const { pendingServers } = this.context;
    const isInvite = transaction.method === 'INVITE';
    const pending: PendingServer = {
      id: randomUUID(),
      transaction,
      client: undefined,
      dialog,
      deadlineMs: performance.now() + (isInvite ? ANSWER_INVITE_WITHIN_MS : ANSWER_WITHIN_MS),
    };
    pendingServers.set(pending.id, pending);
    if (isInvite) transaction.once('cancel', (cancel) => this.cancelled(pending, cancel));
    transaction.once('transportError', () => pendingServers.delete(pending.id));
    return pending;
  }

  private cancelled(pending: PendingServer, cancel: SipMessage): void {
    const { transaction, client, id } = pending;
    this.context.pendingServers.delete(id);
    transaction.reply(487);
    if (client) passUp(client, cancel, transaction.source, transaction.source.local, id, '');
  }

  private makeResponse(pending: PendingServer, message: AppMessage, status: number, reason: string): SipMessage {
    const { transaction, dialog } = pending;
    const tag = tagOf(appHeader(message, 'to'));
    if (tag !== undefined && !dialog && tagOf(transaction.request.get('To')) === undefined) transaction.localTag = tag;
    const response = transaction.makeResponse(status, reason === '' ? undefined : reason);
    const { source } = transaction;
    const own = ownAddress(this.context.layer, source, source.local.port);
    applyAppMessage(response, message, own, true);
    if (/^(INVITE|SUBSCRIBE)$/.test(transaction.method) && status > 100 && status < 300 && !response.has('Contact')) {
      response.add('Contact', contactOf(own));
    }
    return response;
  }

  private openDialog(transaction: ServerTransaction, response: SipMessage, client: ControlClient): ServerDialog {
    const dialog: ServerDialog = {
      id: idOf(transaction.request),
      state: DialogState.fromRequest(transaction.request, response),
      client,
      ack: undefined,
      unacknowledged: undefined,
      reinvite: undefined,
      ending: false,
      lapsesAtMs: transaction.method === 'SUBSCRIBE' ? subscriptionLapse(response) : undefined,
      peer: transaction.source,
    };
    this.context.dialogs.add(dialog);
    return dialog;
  }

  /** RFC 3261 §13.3.1.4: a 2xx that is never acknowledged ends the dialog with BYE. */
  private watchAck(dialog: ServerDialog, transaction: ServerTransaction): void {
    dialog.unacknowledged = transaction;
    transaction.once('ack', () => {
      dialog.unacknowledged = undefined;
      if (dialog.client.isGone) hangUp(this.context, dialog, CLIENT_LOST);
    });
    transaction.once('timeout', () => {
      dialog.unacknowledged = undefined;
      if (this.context.dialogs.get(dialog.id) !== dialog) return;
      this.context.counters.dialogsLost++;
      const bye = hangUp(this.context, dialog, 'SIP;cause=200;text="ACK timeout"');
      if (bye) this.tellUnsolicited(dialog, bye, transaction.source);
    });
  }

  /** The server itself ended a dialog: its application hears of the BYE that was sent. */
  private tellUnsolicited(dialog: ServerDialog, bye: SipMessage, peer: MessageSource): void {
    const text = bye.toString();
    const { host, port } = peer.local;
    dialog.client.sendSip(`${describe('application', text, peer)}|unsolicited|${dialog.id}|${host}|${port}`, text);
  }
}

/** Reason of BYEs that are sent for an application that is gone. */
export const CLIENT_LOST = 'SIP;cause=503;text="application connection lost"';

function idOf(request: SipMessage): string {
  return dialogId(request.get('Call-ID') ?? '', tagOf(request.get('From')) ?? '');
}
