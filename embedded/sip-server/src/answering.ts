import {
  DialogState,
  hasOptionTag,
  ReliableProvisionals,
  reasonPhrase,
  type ServerTransaction,
  type SipClock,
  type SipMessage,
  tagOf,
} from '@ringwire/sip';
import { type AppMessage, appHeader, applyAppMessage, statusLine } from './app-message.js';
import {
  asksForSips,
  type BridgeContext,
  contactOf,
  describe,
  dialogId,
  ownAddress,
  type PendingServer,
} from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import { endByServer, hangUp } from './dialog-requests.js';
import { newDialog, type ServerDialog, subscriptionLapse } from './dialog-store.js';
import { CommandError } from './errors.js';
import { isNattedCaller } from './nat.js';
import { noteRequestReceived, noteResponseSent } from './offer-answer.js';
import { answerByServer, giveUp, settle } from './pending-servers.js';
import { refusalOf } from './request-policy.js';
import type { SessionTimers } from './session-timer.js';

/** The applications' responses to requests of the network: provisional ones, reliably where asked, and final ones. */
export class Answering {
  constructor(
    private readonly context: BridgeContext,
    private readonly sessions: SessionTimers,
    private readonly clock: SipClock,
  ) {}

  /** A response of an application. @throws CommandError when there is nothing to answer, or the response cannot be read */
  respond(client: ControlClient, messageId: string, transactionId: string, message: AppMessage): void {
    const pending = this.context.pendingServers.get(transactionId);
    if (!pending?.transaction.isOpen || pending.client !== client || pending.held) {
      throw new CommandError('Response not sent due to unknown transaction');
    }
    const { transaction } = pending;
    const { status, reason } = statusLine(message);
    if (status > 100 && status < 300 && !pending.dialog) this.refuseUnsupported(pending);
    const response = this.makeResponse(pending, message, status, reason);
    if (status < 200) this.sendProvisional(pending, response);
    else if (status >= 300) this.sendRefusal(pending, response);
    else this.sendSuccess(pending, response);
    const text = response.toString();
    const id = pending.dialog?.id ?? idOf(transaction.request);
    client.reply(
      messageId,
      'OK',
      `${describe('application', text, transaction.source)}|${transactionId}|${id}||Msg sent:|\r\n${text}`,
    );
  }

  /** A PRACK of the peer; false when it fits no response of ours (answer 481). */
  acknowledge(dialog: ServerDialog, prack: SipMessage): boolean {
    const { reliable } = dialog;
    if (!reliable?.acknowledge(prack)) return false;
    if (!reliable.isAwaitingPrack && !dialog.early) dialog.reliable = undefined;
    return true;
  }

  /** Whether the application has given its 2xx to the INVITE of a dialog, though it may be held back. */
  hasAnswered(dialog: ServerDialog): boolean {
    return !dialog.early || this.holding(dialog) !== undefined;
  }

  /** Sends the 2xx that waited for this PRACK, if nothing else holds it. */
  release(dialog: ServerDialog): void {
    if (dialog.reliable?.holdsSuccess) return;
    const pending = this.holding(dialog);
    const held = pending?.held;
    if (!pending || !held) return;
    pending.held = undefined;
    if (pending.transaction.isOpen) this.succeed(pending, held);
  }

  /** The INVITE of an early dialog whose 2xx is held back. */
  private holding(dialog: ServerDialog): PendingServer | undefined {
    if (!dialog.early || !dialog.reliable) return undefined;
    for (const pending of this.context.pendingServers.values()) {
      if (pending.dialog === dialog && pending.held) return pending;
    }
    return undefined;
  }

  /**
   * What no user agent here can do is refused when an application takes the request as one, not before: it may proxy it.
   * @throws CommandError when the request has been refused
   */
  private refuseUnsupported(pending: PendingServer): void {
    const { request } = pending.transaction;
    const refusal = refusalOf(request) ?? this.sessions.refusalOf(request);
    if (!refusal) return;
    settle(this.context, pending);
    answerByServer(this.context, pending.transaction, refusal);
    const { status, reason = reasonPhrase(status), why } = refusal;
    const because = why === undefined ? '' : `: ${why}`;
    throw new CommandError(`Response not sent: the request has been refused with ${status} ${reason}${because}`);
  }

  private makeResponse(pending: PendingServer, message: AppMessage, status: number, reason: string): SipMessage {
    const { transaction, dialog } = pending;
    const tag = tagOf(appHeader(message, 'to'));
    if (tag !== undefined && !dialog && tagOf(transaction.request.get('To')) === undefined) transaction.localTag = tag;
    const response = transaction.makeResponse(status, reason === '' ? undefined : reason);
    const { source } = transaction;
    const own = ownAddress(this.context.layer, source);
    applyAppMessage(response, message, own, true);
    if (WITH_CONTACT.has(transaction.method) && status > 100 && status < 300 && !response.has('Contact')) {
      response.add(
        'Contact',
        dialog?.state.contact || contactOf(own, asksForSips(transaction.request, 'Record-Route')),
      );
    }
    return response;
  }

  private sendProvisional(pending: PendingServer, response: SipMessage): void {
    const { transaction } = pending;
    const { request } = transaction;
    if (transaction.method !== 'INVITE' || response.status === 100) {
      transaction.respond(response);
      return;
    }
    const isSupported = hasOptionTag(request, 'Supported', '100rel') || hasOptionTag(request, 'Require', '100rel');
    if (hasOptionTag(response, 'Require', '100rel') && !isSupported) {
      throw new CommandError('Remote endpoint does not support 100rel');
    }
    // RFC 3262 §3: a caller that requires it gets no other, whatever the application asks for.
    const isReliable = hasOptionTag(response, 'Require', '100rel') || hasOptionTag(request, 'Require', '100rel');
    if (isReliable) {
      pending.reliable ??= this.makeReliable(pending);
      pending.reliable.send(response);
    }
    const dialog = pending.dialog ?? this.openDialog(transaction, response, pending.client!, true);
    pending.dialog = dialog;
    if (pending.reliable) dialog.reliable = pending.reliable;
    noteResponseSent(dialog, request, response);
    if (!isReliable) transaction.respond(response);
  }

  private makeReliable(pending: PendingServer): ReliableProvisionals {
    return new ReliableProvisionals(pending.transaction, {
      t1Ms: this.context.layer.timers.T1,
      clock: this.clock,
      onTimeout: () => {
        this.context.counters.unacknowledgedProvisionals++;
        giveUp(this.context, pending, 504, 'SIP;cause=504;text="no PRACK"');
      },
    });
  }

  private sendRefusal(pending: PendingServer, response: SipMessage): void {
    const { dialog, transaction } = pending;
    settle(this.context, pending);
    if (dialog) noteResponseSent(dialog, transaction.request, response);
    transaction.respond(response);
  }

  private sendSuccess(pending: PendingServer, response: SipMessage): void {
    if (pending.reliable?.holdsSuccess) {
      const { dialog, transaction } = pending;
      if (dialog) this.sessions.agreeAsServer(dialog, transaction.request, response);
      pending.held = response;
    } else this.succeed(pending, response);
  }

  private succeed(pending: PendingServer, response: SipMessage): void {
    const { transaction, client } = pending;
    const { method, request } = transaction;
    const isInvite = method === 'INVITE';
    const makesDialog = isInvite || method === 'SUBSCRIBE' || method === 'REFER';
    if (pending.dialog) {
      if (isInvite) {
        this.context.dialogs.confirm(pending.dialog, pending.dialog.id);
        pending.dialog.state.contact = response.get('Contact') ?? pending.dialog.state.contact;
      }
    } else if (makesDialog) pending.dialog = this.openDialog(transaction, response, client!, false);
    const { dialog } = pending;
    settle(this.context, pending);
    if (method === 'REGISTER') this.context.flows.registered(transaction);
    if (dialog) {
      noteResponseSent(dialog, request, response);
      this.sessions.agreeAsServer(dialog, request, response);
      if (method === 'SUBSCRIBE' && dialog.lapsesAtMs !== undefined) {
        dialog.lapsesAtMs = subscriptionLapse(method, response);
      }
      if (isInvite) this.watchAck(dialog, transaction);
    }
    transaction.respond(response);
  }

  private openDialog(
    transaction: ServerTransaction,
    response: SipMessage,
    client: ControlClient,
    early: boolean,
  ): ServerDialog {
    const { method, request } = transaction;
    const dialog = newDialog({
      id: idOf(request),
      state: DialogState.fromRequest(request, response),
      client,
      early,
      lapsesAtMs: method === 'INVITE' ? undefined : subscriptionLapse(method, response),
      peer: transaction.source,
      behindNat: isNattedCaller(request, transaction.source, this.context.nat),
    });
    noteRequestReceived(dialog, request);
    dialog.unansweredInvite = early;
    this.context.dialogs.add(dialog);
    return dialog;
  }

  /** RFC 3261 §13.3.1.4: a 2xx that is never acknowledged ends the dialog with BYE. */
  private watchAck(dialog: ServerDialog, transaction: ServerTransaction): void {
    dialog.unacknowledged = transaction;
    const next = (): (() => void) | undefined => {
      const { afterAck } = dialog;
      dialog.unacknowledged = undefined;
      dialog.afterAck = undefined;
      return afterAck;
    };
    transaction.once('ack', () => {
      const afterAck = next();
      dialog.offer = 'none';
      if (dialog.client.isGone) hangUp(this.context, dialog, CLIENT_LOST);
      else afterAck?.();
    });
    transaction.once('timeout', () => {
      const afterAck = next();
      if (this.context.dialogs.get(dialog.id) !== dialog) return;
      this.context.counters.dialogsLost++;
      if (afterAck) afterAck();
      else endByServer(this.context, dialog, 'SIP;cause=200;text="ACK timeout"');
    });
  }
}

/** Reason of BYEs that are sent for an application that is gone. */
export const CLIENT_LOST = 'SIP;cause=503;text="application connection lost"';

/** Requests that make a dialog or refresh its target: their 18x and 2xx carry our Contact. */
const WITH_CONTACT: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'REFER']);

function idOf(request: SipMessage): string {
  return dialogId(request.get('Call-ID') ?? '', tagOf(request.get('From')) ?? '');
}
