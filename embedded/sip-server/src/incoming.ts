import { randomUUID } from 'node:crypto';
import { type MessageSource, type ServerTransaction, type SipMessage, tagOf } from '@ringwire/sip';
import type { Answering } from './answering.js';
import {
  ANSWER_INVITE_WITHIN_MS,
  ANSWER_WITHIN_MS,
  type BridgeContext,
  type PendingServer,
  passUp,
} from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import { endsSubscription, noteSubscriptionState, type ServerDialog } from './dialog-store.js';
import { HandlerRouting, type HandlerRoutingOptions } from './handler-routing.js';
import { glareOf, noteRequestReceived } from './offer-answer.js';
import { answerByServer, giveUp, refuse, settle, tellGivenUp } from './pending-servers.js';
import { policyAnswer } from './request-policy.js';
import type { SessionTimers } from './session-timer.js';
import type { Subscriptions } from './subscriptions.js';

/** What {@link Incoming} works with. */
export interface IncomingParts extends Pick<HandlerRoutingOptions, 'handlers' | 'outbound'> {
  context: BridgeContext;
  answering: Answering;
  sessions: SessionTimers;
  subscriptions: Subscriptions;
}

/** Requests that mean nothing outside a dialog (RFC 3261 §15.1.2, RFC 3262 §3, RFC 3311 §5.2). */
const IN_DIALOG_ONLY: ReadonlySet<string> = new Set(['BYE', 'PRACK', 'UPDATE']);

/** From the network to the applications: requests, their cancellation, ACKs. */
export class Incoming {
  private readonly context: BridgeContext;
  private readonly routing: HandlerRouting;

  constructor(private readonly parts: IncomingParts) {
    const { context, handlers, outbound } = parts;
    this.context = context;
    const offer = (pending: PendingServer, client: ControlClient): void => this.offer(pending, client);
    this.routing = new HandlerRouting({ context, handlers, outbound, offer });
  }

  /** A new request of the transaction layer. */
  receive(transaction: ServerTransaction): void {
    if (tagOf(transaction.request.get('To')) === undefined) this.receiveOutside(transaction);
    else if (!this.parts.subscriptions.hold(transaction)) this.receiveInDialog(transaction);
  }

  /** The ACK of a 2xx of ours. */
  receiveAck(ack: SipMessage, source: MessageSource): void {
    const dialog = this.context.dialogs.ofRequest(ack);
    if (dialog) passUp(dialog.client, ack, source, source.local, randomUUID(), dialog.id);
  }

  /** Answers what applications left without answer for too long. Called once a second. */
  sweep(nowMs: number): void {
    this.context.dialogs.sweep(nowMs);
    for (const pending of this.context.pendingServers.values()) {
      if (pending.deadlineMs > nowMs) continue;
      this.context.counters.unanswered++;
      refuse(this.context, pending, 504, 'Application did not answer');
    }
  }

  private receiveOutside(transaction: ServerTransaction): void {
    const { method, request } = transaction;
    const { policy } = this.context;
    const answer = policyAnswer(request, policy);
    if (answer) {
      answerByServer(this.context, transaction, answer);
      return;
    }
    if (method === 'INVITE') this.context.records.watchIncoming(transaction);
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
      refuse(this.context, pending, !pending.dialog && IN_DIALOG_ONLY.has(transaction.method) ? 481 : 503);
      return;
    }
    pending.client = client;
    const { request, source } = transaction;
    passUp(client, request, source, source.local, id, pending.dialog?.id ?? '');
  }

  private receiveInDialog(transaction: ServerTransaction): void {
    const { request } = transaction;
    const dialog = this.context.dialogs.ofRequest(request);
    if (!dialog) {
      this.receiveWithoutDialog(transaction);
      return;
    }
    transaction.localTag = dialog.state.localTag;
    if (!dialog.state.acceptSeq(request)) {
      transaction.reply(500, 'CSeq out of order');
      return;
    }
    // A peer that had to connect anew is reached on its new connection; a UDP peer that sent one large request is not.
    if (transaction.source.transport === dialog.peer.transport) dialog.peer = transaction.source;
    if (this.crosses(dialog, transaction) || this.refusesTimer(transaction)) return;
    switch (request.method) {
      case 'BYE':
        if (!this.receiveBye(dialog, transaction)) return;
        break;
      case 'PRACK':
        if (!this.parts.answering.acknowledge(dialog, request)) {
          transaction.reply(481);
          return;
        }
        if (this.parts.answering.hasAnswered(dialog) && request.body.length === 0) {
          // drachtio-srf knows no PRACK once it has answered the INVITE: it would refuse it.
          transaction.reply(200);
          this.parts.answering.release(dialog);
          return;
        }
        break;
      case 'INVITE':
        dialog.unansweredInvite = true;
        dialog.state.refreshTarget(request);
        break;
      case 'UPDATE':
        dialog.unansweredUpdate = true;
        dialog.state.refreshTarget(request);
        break;
      case 'SUBSCRIBE':
      case 'NOTIFY':
        dialog.state.refreshTarget(request);
        noteSubscriptionState(dialog, request);
        if (endsSubscription(dialog, request)) this.context.dialogs.remove(dialog);
        break;
    }
    noteRequestReceived(dialog, request);
    this.offer(this.track(transaction, dialog), dialog.client.isGone ? undefined : dialog.client);
    if (request.method === 'PRACK') this.parts.answering.release(dialog);
  }

  /** A request of a dialog that was proxied goes on. NOTIFY of a subscription that was made by a REFER, or of a process before this one, is for whoever takes NOTIFY. */
  private receiveWithoutDialog(transaction: ServerTransaction): void {
    if (this.context.proxy.forwardInDialog(transaction)) return;
    const client = transaction.method === 'NOTIFY' ? this.context.registry.select('NOTIFY') : undefined;
    if (client) this.offer(this.track(transaction, undefined), client);
    else transaction.reply(481);
  }

  /** Answers a re-INVITE or UPDATE that crosses another one. */
  private crosses(dialog: ServerDialog, transaction: ServerTransaction): boolean {
    const glare = glareOf(dialog, transaction.request);
    if (!glare) return false;
    this.context.counters.glares++;
    const response = transaction.makeResponse(glare.status);
    if (glare.retryAfter !== undefined) response.add('Retry-After', glare.retryAfter);
    transaction.respond(response);
    return true;
  }

  /** Answers a refresh that asks for too short a session interval. */
  private refusesTimer(transaction: ServerTransaction): boolean {
    const refusal = this.parts.sessions.refusalOf(transaction.request);
    if (refusal) answerByServer(this.context, transaction, refusal);
    return refusal !== undefined;
  }

  /** Returns whether the application should hear of this BYE. */
  private receiveBye(dialog: ServerDialog, transaction: ServerTransaction): boolean {
    const { dialogs, pendingServers } = this.context;
    if (dialog.early) {
      // RFC 3261 §15.1.2: the INVITE gets 487. Applications know no BYE before the answer, but the caller's CANCEL.
      transaction.reply(200);
      const reason = transaction.request.get('Reason') ?? 'SIP;cause=487;text="BYE before the answer"';
      for (const pending of pendingServers.values()) {
        if (pending.dialog === dialog && pending.transaction.method === 'INVITE') {
          giveUp(this.context, pending, 487, reason);
          return false;
        }
      }
      dialogs.remove(dialog);
      return false;
    }
    if (!dialog.ending) this.context.records.stop('network', transaction.request, 'normal-release');
    dialogs.remove(dialog);
    dialog.reinvite?.cancel();
    const { afterAck } = dialog;
    dialog.afterAck = undefined;
    // The application's own BYE waited for an ACK that is not needed now.
    afterAck?.();
    this.endPending(dialog);
    // Both sides hang up at once: the application knows already.
    if (!dialog.ending && !dialog.client.isGone) return true;
    transaction.reply(200);
    return false;
  }

  /** RFC 3261 §15.1.2: what the peer asked in a dialog and nobody has answered gets 487. */
  private endPending(dialog: ServerDialog): void {
    if (!dialog.unansweredInvite && !dialog.unansweredUpdate) return;
    for (const pending of this.context.pendingServers.values()) {
      if (pending.dialog === dialog) refuse(this.context, pending, 487);
    }
  }

  private track(transaction: ServerTransaction, dialog: ServerDialog | undefined): PendingServer {
    const { pendingServers } = this.context;
    const isInvite = transaction.method === 'INVITE';
    const pending: PendingServer = {
      id: randomUUID(),
      transaction,
      client: undefined,
      dialog,
      reliable: undefined,
      held: undefined,
      deadlineMs: performance.now() + (isInvite ? ANSWER_INVITE_WITHIN_MS : ANSWER_WITHIN_MS),
    };
    pendingServers.set(pending.id, pending);
    if (isInvite) transaction.once('cancel', (cancel) => this.cancelled(pending, cancel));
    transaction.once('transportError', () => {
      if (pendingServers.get(pending.id) === pending) settle(this.context, pending);
    });
    return pending;
  }

  private cancelled(pending: PendingServer, cancel: SipMessage): void {
    // Not when the proxy has it.
    if (this.context.pendingServers.get(pending.id) !== pending) return;
    refuse(this.context, pending, 487);
    tellGivenUp(pending, cancel);
  }
}
