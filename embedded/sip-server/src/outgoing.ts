import { randomUUID } from 'node:crypto';
import {
  type ClientTransaction,
  createResponse,
  DialogState,
  dialogKey,
  type Endpoint,
  endpointOfUri,
  newCallId,
  newTag,
  parseCSeq,
  parseUri,
  reasonPhrase,
  SipMessage,
  tagOf,
} from '@ringwire/sip';
import { CLIENT_LOST } from './answering.js';
import { type AppMessage, appHeader, applyAppMessage, requestLine, withTag } from './app-message.js';
import {
  asksForSips,
  type BridgeContext,
  contactOf,
  describe,
  dialogId,
  ownAddress,
  type PendingClient,
  passUp,
} from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import { dialogDestination, endByServer, hangUp, sendInDialog } from './dialog-requests.js';
import { endsSubscription, newDialog, type ServerDialog, subscriptionLapse } from './dialog-store.js';
import { CommandError } from './errors.js';
import { InviteResponses } from './invite-responses.js';
import { isNattedCallee } from './nat.js';
import { noteRequestSent, noteResponseReceived } from './offer-answer.js';
import type { SessionTimers } from './session-timer.js';
import type { Subscriptions } from './subscriptions.js';

/** From the applications to the network: requests inside and outside dialogs, CANCEL, ACK; and the responses back. */
export class Outgoing {
  private readonly invites: InviteResponses;

  constructor(
    private readonly context: BridgeContext,
    private readonly sessions: SessionTimers,
    private readonly subscriptions: Subscriptions,
  ) {
    this.invites = new InviteResponses(context, sessions);
  }

  /**
   * Sends a request of an application.
   * @param transactionId of the INVITE, for a CANCEL
   * @param dialogId of the dialog, for a request inside one
   * @param proxy URI of the next hop instead of the Request-URI
   * @throws CommandError when it cannot be sent; the text is for the application
   */
  send(
    client: ControlClient,
    messageId: string,
    transactionId: string,
    dialogId: string,
    proxy: string,
    message: AppMessage,
  ): void {
    const { method, uri } = requestLine(message);
    if (method === 'CANCEL') this.cancel(client, messageId, transactionId, message);
    else if (dialogId !== '' || this.namedDialog(message)) {
      const dialog = dialogId === '' ? this.namedDialog(message) : this.context.dialogs.get(dialogId);
      if (!dialog && method === 'ACK') throw new CommandError('ACK for non-success responses is sent by the server');
      if (!dialog || (dialog.ending && method !== 'ACK')) throw new CommandError(NO_DIALOG);
      if (method === 'ACK') this.acknowledge(client, messageId, dialog, message);
      else if (method === 'BYE') this.hangUpInside(client, messageId, dialog, uri, message);
      else this.sendInside(client, messageId, dialog, method, uri, message);
    } else this.sendOutside(client, messageId, method, uri, proxy, message);
  }

  /** A live dialog that the application's own Call-ID and tags name. */
  private namedDialog(message: AppMessage): ServerDialog | undefined {
    const toTag = tagOf(appHeader(message, 'to'));
    const fromTag = tagOf(appHeader(message, 'from'));
    const callId = appHeader(message, 'call-id');
    if (!toTag || !fromTag || !callId) return undefined;
    return this.context.dialogs.find(dialogKey(callId, fromTag, toTag));
  }

  private cancel(client: ControlClient, messageId: string, transactionId: string, message: AppMessage): void {
    const pending = this.context.pendingClients.get(transactionId);
    if (pending?.transaction.method !== 'INVITE') {
      throw new CommandError(`unable to cancel unknown transaction id: ${transactionId}`);
    }
    pending.cancelled = true;
    const { request, destination } = pending.transaction;
    const extra = message.headers.filter(([name]) => /^(reason|x-.+)$/i.test(name));
    pending.transaction.cancel(extra);
    const cancel = SipMessage.request('CANCEL', request.uri);
    for (const name of ['Via', 'From', 'To', 'Call-ID']) cancel.add(name, request.get(name) ?? '');
    cancel.add('CSeq', `${parseCSeq(request.get('CSeq') ?? '')?.seq ?? 1} CANCEL`);
    for (const [name, value] of extra) cancel.add(name, value);
    this.confirm(client, messageId, cancel, destination, transactionId);
  }

  private acknowledge(client: ControlClient, messageId: string, dialog: ServerDialog, message: AppMessage): void {
    if (!dialog.ack) throw new CommandError('no response waits for an ACK');
    if (dialog.ack.message) throw new CommandError('the ACK has been sent');
    const ack = dialog.state.makeAck(dialog.ack.seq);
    applyAppMessage(ack, message, ownAddress(this.context.layer, dialog.peer), true);
    const destination = dialogDestination(dialog, ack);
    dialog.ack.message = ack;
    dialog.offer = 'none';
    if (dialog.session && ack.body.length > 0) dialog.session.localBody = ack.body;
    this.context.layer.sendAck(ack, destination);
    this.confirm(client, messageId, ack, destination, '');
    this.endAfterAck(dialog);
  }

  private endAfterAck(dialog: ServerDialog): void {
    if (!dialog.byeAfterAck) return;
    const { reason, waitMs } = dialog.byeAfterAck;
    const end = (): void => {
      if (dialog.ending || this.context.dialogs.get(dialog.id) !== dialog) return;
      endByServer(this.context, dialog, reason);
    };
    if (waitMs === 0) end();
    else setTimeout(end, waitMs).unref();
  }

  /** BYE of an application; it waits for the ACK of our 2xx, which the callee must not overtake (RFC 3261 §15). */
  private hangUpInside(
    client: ControlClient,
    messageId: string,
    dialog: ServerDialog,
    uri: string,
    message: AppMessage,
  ): void {
    const { unacknowledged } = dialog;
    const waitsForAck = unacknowledged?.state === 'accepted' && !unacknowledged.acknowledged;
    const isCallee = dialog.early && dialog.unansweredInvite;
    // A callee may not end an early dialog by BYE: it refuses the INVITE.
    if (isCallee && !dialog.reliable?.holdsSuccess) throw new CommandError(NO_DIALOG);
    if (!waitsForAck && !isCallee) {
      this.sendInside(client, messageId, dialog, 'BYE', uri, message);
      return;
    }
    dialog.afterAck = () => {
      const isLive = this.context.dialogs.get(dialog.id) === dialog && !dialog.ending;
      try {
        if (!isLive) throw new CommandError(NO_DIALOG);
        this.sendInside(client, messageId, dialog, 'BYE', uri, message);
      } catch (err) {
        if (!(err instanceof CommandError)) throw err;
        this.context.counters.refusedCommands++;
        client.reply(messageId, 'NOK', err.message);
      }
    };
  }

  private sendInside(
    client: ControlClient,
    messageId: string,
    dialog: ServerDialog,
    method: string,
    uri: string,
    message: AppMessage,
  ): void {
    if (method === 'INVITE' && (dialog.reinvite || dialog.early)) throw new CommandError('a re-INVITE is under way');
    const request = dialog.state.makeRequest(method);
    // drachtio-srf writes the INVITE's URI into PRACK.
    if (!uri.includes('placeholder') && method !== 'PRACK') request.uri = uri;
    applyAppMessage(request, message, ownAddress(this.context.layer, dialog.peer), true);
    this.sessions.keep(dialog, request);
    if (method === 'BYE') {
      if (!dialog.ending && dialog.byeChallengedAtMs === undefined) {
        this.context.records.stop('application', request, 'normal-release');
      }
      // RFC 3261 §15: BYE in an early dialog leaves the INVITE, and its other branches, as they are.
      if (!dialog.early) dialog.reinvite?.cancel();
      dialog.ending = true;
    }
    noteRequestSent(dialog, request);
    const transaction = sendInDialog(this.context, dialog, request);
    if (method === 'INVITE') {
      dialog.reinvite = transaction;
      dialog.rseq = undefined;
    }
    const pending = this.track(client, transaction, dialog);
    transaction.once('terminated', () => {
      if (dialog.reinvite === transaction) dialog.reinvite = undefined;
      if (method === 'BYE' && dialog.ending) this.context.dialogs.remove(dialog);
    });
    this.confirm(client, messageId, request, transaction.destination, pending.id);
  }

  private sendOutside(
    client: ControlClient,
    messageId: string,
    method: string,
    uri: string,
    proxy: string,
    message: AppMessage,
  ): void {
    if (method === 'ACK') throw new CommandError('an ACK needs a dialog');
    const hop = proxy === '' ? uri : proxy.replace(/^<|>.*$/g, '');
    const destination = endpointOfUri(/^sips?:/i.test(hop) ? hop : `sip:${hop}`);
    if (!destination) throw new CommandError(`invalid or unsupported destination: ${hop}`);
    if (parseUri(uri)?.headers)
      throw new CommandError(`invalid request-uri: ${uri}: it cannot carry headers (after ?)`);
    const own = ownAddress(this.context.layer, destination);
    if (own.transport !== destination.transport) throw new CommandError('requested protocol/transport not available');
    const request = makeOutside(method, uri, message, own);
    if (SUBSCRIBING.has(method)) this.subscriptions.begin(request);
    const transaction = this.context.layer.sendRequest(request, { destination });
    if (method === 'INVITE') this.context.records.watchOutgoing(transaction);
    const pending = this.track(client, transaction, undefined);
    this.confirm(client, messageId, request, destination, pending.id);
  }

  /** Tells the application what was sent, before any response to it. */
  private confirm(
    client: ControlClient,
    messageId: string,
    request: SipMessage,
    peer: Endpoint | undefined,
    transactionId: string,
  ): void {
    const text = request.toString();
    const to = peer ?? { transport: 'udp', host: '', port: 0 };
    client.reply(messageId, 'OK', `${describe('application', text, to)}|${transactionId}|Msg sent:|\r\n${text}`);
  }

  private track(
    client: ControlClient,
    transaction: ClientTransaction,
    dialog: ServerDialog | undefined,
  ): PendingClient {
    const { pendingClients } = this.context;
    const pending: PendingClient = { id: randomUUID(), transaction, client, dialog, early: [], cancelled: false };
    pendingClients.set(pending.id, pending);
    transaction.on('response', (response) => this.receive(pending, response));
    transaction.once('timeout', () =>
      this.receive(pending, createResponse(transaction.request, 408, undefined, newTag())),
    );
    transaction.once('transportError', (error) =>
      this.receive(pending, createResponse(transaction.request, 503, reasonOfFailure(error), newTag())),
    );
    transaction.once('terminated', () => {
      pendingClients.delete(pending.id);
      this.invites.endEarly(pending);
    });
    return pending;
  }

  private receive(pending: PendingClient, response: SipMessage): void {
    if (response.status === 100) return;
    const { transaction, client } = pending;
    const isInvite = transaction.method === 'INVITE';
    const id = isInvite ? this.invites.receive(pending, response) : this.receiveOther(pending, response);
    if (id === undefined) return;
    if (response.status >= 200) {
      this.finish(pending, response.status);
      if (SUBSCRIBING.has(transaction.method)) {
        this.subscriptions.settle(transaction.request, response.status < 300);
      }
    }
    if (client.isGone) {
      if (pending.dialog) hangUp(this.context, pending.dialog, CLIENT_LOST);
      return;
    }
    const { destination } = transaction;
    const local = ownAddress(this.context.layer, destination);
    passUp(client, shownOf(pending, response), destination, { ...local }, pending.id, id);
  }

  /** A response to another request than INVITE; returns the id of its dialog, empty without one. */
  private receiveOther(pending: PendingClient, response: SipMessage): string {
    const { transaction } = pending;
    const { method, request } = transaction;
    const isSuccess = response.status >= 200 && response.status < 300;
    if (!pending.dialog) {
      if (isSuccess && SUBSCRIBING.has(method) && !/false/i.test(response.get('Refer-Sub') ?? '')) {
        return this.openSubscription(pending, response);
      }
      return '';
    }
    const { dialog } = pending;
    noteResponseReceived(dialog, request, response);
    if (isSuccess) {
      if (method === 'SUBSCRIBE' && dialog.lapsesAtMs !== undefined) {
        dialog.lapsesAtMs = subscriptionLapse(method, response);
      }
      if (method === 'UPDATE') dialog.state.refreshTarget(response);
      this.sessions.agreeAsClient(dialog, request, response);
    }
    return dialog.id;
  }

  /** After the final response: a CANCEL comes too late, a BYE has ended its dialog. */
  private finish(pending: PendingClient, status: number): void {
    const { dialog, transaction } = pending;
    this.context.pendingClients.delete(pending.id);
    if (!dialog) return;
    if (dialog.reinvite === transaction) dialog.reinvite = undefined;
    if (transaction.method === 'BYE' && (status === 401 || status === 407) && dialog.byeChallengedAtMs === undefined) {
      // The application may send it again with credentials.
      dialog.ending = false;
      dialog.byeChallengedAtMs = performance.now();
    } else if (transaction.method === 'BYE' || endsSubscription(dialog, transaction.request)) {
      this.context.dialogs.remove(dialog);
    }
  }

  /** Returns the id of the dialog that SUBSCRIBE or REFER has made. */
  private openSubscription(pending: PendingClient, response: SipMessage): string {
    const { transaction, client } = pending;
    const state = DialogState.fromResponse(transaction.request, response);
    pending.dialog = newDialog({
      id: dialogId(state.callId, state.localTag),
      state,
      client,
      early: false,
      lapsesAtMs: subscriptionLapse(transaction.method, response),
      peer: transaction.destination,
      behindNat: isNattedCallee(response, transaction.destination, this.context.nat),
    });
    this.context.dialogs.add(pending.dialog);
    return pending.dialog.id;
  }
}

/**
 * The response as its application reads it. drachtio-srf would answer a challenge to an INVITE that was cancelled, and so
 * begin the call anew: it gets 487.
 */
function shownOf({ cancelled, transaction }: PendingClient, response: SipMessage): SipMessage {
  if (!cancelled || (response.status !== 401 && response.status !== 407)) return response;
  return createResponse(transaction.request, 487, undefined, tagOf(response.get('To')));
}

/** Applications hand reasons on to callers, who need not know our addresses: the log has the whole error. */
function reasonOfFailure({ cause }: Error): string {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === undefined ? reasonPhrase(503) : `${reasonPhrase(503)} (${code})`;
}

const NO_DIALOG = 'Server error: unable to find dialog for dialog id provided';

/** Requests outside dialogs whose 2xx makes a subscription (RFC 6665, RFC 3515). */
const SUBSCRIBING: ReadonlySet<string> = new Set(['SUBSCRIBE', 'REFER']);

/** A request outside dialogs: the application's From, To, Call-ID, CSeq where it gives them, ours where not. */
function makeOutside(method: string, uri: string, message: AppMessage, own: ReturnType<typeof ownAddress>): SipMessage {
  const request = SipMessage.request(
    method,
    uri.replace(/(sips?:|@)localhost(?=[;>?]|$)/, `$1${own.host}:${own.port}`),
  );
  request.add('Max-Forwards', '70').add('From', contactOf(own)).add('To', uri).add('Call-ID', newCallId());
  request.add('CSeq', `1 ${method}`);
  applyAppMessage(request, message, own, false);
  request.set('From', withTag(request.get('From')!, newTag()));
  request.set('To', withTag(request.get('To')!, undefined));
  if (parseCSeq(request.get('CSeq')!)?.method !== method) throw new CommandError('CSeq does not fit the method');
  if (/^(INVITE|SUBSCRIBE|REFER)$/.test(method) && !request.has('Contact')) {
    request.add('Contact', contactOf(own, asksForSips(request, 'Route')));
  }
  return request;
}
