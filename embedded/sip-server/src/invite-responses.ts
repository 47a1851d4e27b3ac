import { DialogState, dialogKey, parseCSeq, rseqOf, type SipMessage, tagOf } from '@ringwire/sip';
import { type BridgeContext, dialogId, type PendingClient } from './bridge-context.js';
import { dialogDestination, hangUp } from './dialog-requests.js';
import { newDialog, type ServerDialog } from './dialog-store.js';
import { isNattedCallee } from './nat.js';
import { noteRequestSent, noteResponseReceived } from './offer-answer.js';
import type { SessionTimers } from './session-timer.js';

/** Early dialogs of one forked INVITE; further branches are heard but have none. */
const MAX_EARLY = 32;
/** An application that has credentials hangs up what it cancelled at once. */
const OWN_BYE_WITHIN_MS = 2_000;
/** Reason of a BYE after the 2xx of an INVITE that was cancelled, as drachtio-server words it. */
const CANCELLED = 'SIP ;cause=200 ;text="ACK-BYE due to cancel race condition"';
/** drachtio-srf acknowledges a 2xx without Contact, or another than 200, and forgets it: nobody else would end that call. */
const NO_CONTACT = 'SIP ;cause=400 ;text="no Contact in the answer"';
const NOT_OK = 'SIP ;cause=400 ;text="only 200 makes a call"';

/**
 * Whether the dialog of a first 2xx is of no use, and why. A peer that challenged the INVITE may challenge the BYE too, and only the application can answer: what it
 * cancelled is left to it for a moment.
 */
function byeAfterAck({ cancelled, transaction }: PendingClient, response: SipMessage): ServerDialog['byeAfterAck'] {
  if (!response.has('Contact')) return { reason: NO_CONTACT, waitMs: 0 };
  if (response.status !== 200) return { reason: NOT_OK, waitMs: 0 };
  if (!cancelled) return undefined;
  const { request } = transaction;
  const isProved = request.has('Authorization') || request.has('Proxy-Authorization');
  return { reason: CANCELLED, waitMs: isProved ? OWN_BYE_WITHIN_MS : 0 };
}

/** What becomes of the responses to INVITEs of applications: early dialogs, reliable provisional responses, forks, repetitions. */
export class InviteResponses {
  constructor(
    private readonly context: BridgeContext,
    private readonly sessions: SessionTimers,
  ) {}

  /**
   * Takes a response but 100.
   * @returns the dialog id to tell the application; undefined when it shall not see the response
   */
  receive(pending: PendingClient, response: SipMessage): string | undefined {
    const { request } = pending.transaction;
    const baseId = dialogId(request.get('Call-ID') ?? '', tagOf(request.get('From')) ?? '');
    if (response.status < 200) return this.receiveProvisional(pending, response, baseId);
    if (response.status < 300) return this.receiveSuccess(pending, response, baseId);
    this.endEarly(pending);
    if (pending.dialog) noteResponseReceived(pending.dialog, request, response);
    return pending.dialog?.id ?? baseId;
  }

  private receiveProvisional(pending: PendingClient, response: SipMessage, baseId: string): string | undefined {
    const dialog = pending.dialog ?? this.earlyDialog(pending, response, baseId);
    if (!dialog) return baseId;
    const rseq = rseqOf(response);
    if (rseq !== undefined) {
      // RFC 3262 §4: a repetition, or one whose predecessor is missing, is not processed.
      if (dialog.rseq !== undefined && rseq !== dialog.rseq + 1) {
        this.context.counters.droppedProvisionals++;
        return undefined;
      }
      dialog.rseq = rseq;
      dialog.state.refreshTarget(response);
    }
    noteResponseReceived(dialog, pending.transaction.request, response);
    return dialog.id;
  }

  /** The early dialog of an 18x with To tag (§12.1.2): each branch of a forked INVITE has its own. */
  private earlyDialog(pending: PendingClient, response: SipMessage, baseId: string): ServerDialog | undefined {
    const { transaction, client, early } = pending;
    const { request } = transaction;
    const tag = tagOf(response.get('To'));
    if (tag === undefined) return undefined;
    const key = dialogKey(request.get('Call-ID') ?? '', tagOf(request.get('From')) ?? '', tag);
    const known = early.find(({ state }) => state.key === key);
    if (known || early.length >= MAX_EARLY) return known;
    const dialog = newDialog({
      id: baseId,
      state: DialogState.fromResponse(request, response),
      client,
      early: true,
      peer: transaction.destination,
      behindNat: isNattedCallee(response, transaction.destination, this.context.nat),
    });
    dialog.reinvite = transaction;
    noteRequestSent(dialog, request);
    this.context.dialogs.add(dialog);
    early.push(dialog);
    return dialog;
  }

  /** Repeated 2xx are ACKed again, those of other branches ended; the first one makes or confirms the dialog. */
  private receiveSuccess(pending: PendingClient, response: SipMessage, baseId: string): string | undefined {
    const { transaction } = pending;
    const seq = parseCSeq(response.get('CSeq') ?? '')?.seq ?? 1;
    let { dialog } = pending;
    if (!dialog) {
      dialog = this.confirm(pending, response, baseId);
      dialog.byeAfterAck = byeAfterAck(pending, response);
    } else if (tagOf(response.get('To')) !== dialog.state.remoteTag) {
      const forked = this.makeDialog(pending, response, baseId);
      forked.ack = { seq, message: undefined };
      // A second answer of a forked INVITE; a third one is handled alike.
      hangUp(this.context, forked, 'SIP;cause=200;text="answered elsewhere"');
      return undefined;
    } else if (dialog.ack?.seq === seq) {
      const { message } = dialog.ack;
      if (message) this.context.layer.resend(message, dialogDestination(dialog, message));
      return undefined;
    } else dialog.state.refreshTarget(response);
    dialog.ack = { seq, message: undefined };
    if (dialog.ending) {
      dialog.ack.message = dialog.state.makeAck(seq);
      this.context.layer.sendAck(dialog.ack.message, dialogDestination(dialog, dialog.ack.message));
    }
    noteResponseReceived(dialog, transaction.request, response);
    this.sessions.agreeAsClient(dialog, transaction.request, response);
    return dialog.id;
  }

  /** The dialog of the first 2xx: its early dialog, or a new one. The other branches' early dialogs end. */
  private confirm(pending: PendingClient, response: SipMessage, baseId: string): ServerDialog {
    const { dialogs } = this.context;
    const tag = tagOf(response.get('To'));
    const early = pending.early.find(({ state }) => state.remoteTag === tag);
    pending.early = pending.early.filter((dialog) => dialog !== early);
    this.endEarly(pending);
    if (early) {
      early.state.confirm(response);
      early.behindNat = isNattedCallee(response, early.peer, this.context.nat);
      early.reinvite = undefined;
      dialogs.confirm(early, baseId);
      pending.dialog = early;
      return early;
    }
    const dialog = this.makeDialog(pending, response, baseId);
    dialogs.add(dialog);
    pending.dialog = dialog;
    return dialog;
  }

  private makeDialog({ transaction, client }: PendingClient, response: SipMessage, id: string): ServerDialog {
    const { request, destination } = transaction;
    const dialog = newDialog({
      id,
      state: DialogState.fromResponse(request, response),
      client,
      early: false,
      peer: destination,
      behindNat: isNattedCallee(response, destination, this.context.nat),
    });
    noteRequestSent(dialog, request);
    return dialog;
  }

  /** The INVITE is over: so are its early dialogs. */
  endEarly(pending: PendingClient): void {
    for (const dialog of pending.early) this.context.dialogs.remove(dialog);
    pending.early = [];
  }
}
