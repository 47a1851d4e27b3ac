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
  SipMessage,
  tagOf,
} from '@ringwire/sip';
import { type AppMessage, appHeader, applyAppMessage, requestLine, withTag } from './app-message.js';
import {
  type BridgeContext,
  contactOf,
  describe,
  dialogId,
  ownAddress,
  type PendingClient,
  passUp,
} from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import { dialogDestination, hangUp, sendInDialog } from './dialog-requests.js';
import { endsSubscription, type ServerDialog, subscriptionLapse } from './dialog-store.js';
import { CommandError } from './errors.js';
import { CLIENT_LOST } from './incoming.js';

/** From the applications to the network: requests inside and outside dialogs, CANCEL, ACK; and the responses back. */
export class Outgoing {
  constructor(private readonly context: BridgeContext) {}

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
      if (!dialog || (dialog.ending && method !== 'ACK')) {
        throw new CommandError('Server error: unable to find dialog for dialog id provided');
      }
      if (method === 'ACK') this.acknowledge(client, messageId, dialog, message);
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
    if (pending?.transaction.method !== 'INVITE') throw new CommandError('no INVITE to cancel');
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
    this.context.layer.sendAck(ack, destination);
    this.confirm(client, messageId, ack, destination, '');
  }

  private sendInside(
    client: ControlClient,
    messageId: string,
    dialog: ServerDialog,
    method: string,
    uri: string,
    message: AppMessage,
  ): void {
    if (method === 'INVITE' && dialog.reinvite) throw new CommandError('a re-INVITE is under way');
    const request = dialog.state.makeRequest(method);
    if (!uri.includes('placeholder')) request.uri = uri;
    applyAppMessage(request, message, ownAddress(this.context.layer, dialog.peer), true);
    if (method === 'BYE') {
      dialog.reinvite?.cancel();
      dialog.ending = true;
    }
    const transaction = sendInDialog(this.context, dialog, request);
    if (method === 'INVITE') dialog.reinvite = transaction;
    const pending = this.track(client, transaction, dialog);
    transaction.once('terminated', () => {
      if (dialog.reinvite === transaction) dialog.reinvite = undefined;
      if (method === 'BYE') this.context.dialogs.remove(dialog);
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
    const own = ownAddress(this.context.layer, destination);
    if (own.transport !== destination.transport) throw new CommandError('requested protocol/transport not available');
    const request = makeOutside(method, uri, message, own);
    const transaction = this.context.layer.sendRequest(request, { destination });
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
    const pending: PendingClient = { id: randomUUID(), transaction, client, dialog };
    pendingClients.set(pending.id, pending);
    transaction.on('response', (response) => this.receive(pending, response));
    transaction.once('timeout', () =>
      this.receive(pending, createResponse(transaction.request, 408, undefined, newTag())),
    );
    transaction.once('transportError', (error) =>
      this.receive(
        pending,
        createResponse(transaction.request, 503, `Service Unavailable (${error.message})`, newTag()),
      ),
    );
    transaction.once('terminated', () => pendingClients.delete(pending.id));
    return pending;
  }

  private receive(pending: PendingClient, response: SipMessage): void {
    if (response.status === 100) return;
    const { transaction, client } = pending;
    const isSuccess = response.status >= 200 && response.status < 300;
    if (isSuccess && transaction.method === 'INVITE' && !this.receiveInviteSuccess(pending, response)) return;
    if (isSuccess && transaction.method === 'SUBSCRIBE' && !pending.dialog) this.openDialog(pending, response);
    if (response.status >= 200) this.finish(pending);
    if (client.isGone) {
      if (pending.dialog) hangUp(this.context, pending.dialog, CLIENT_LOST);
      return;
    }
    const { request, destination } = transaction;
    const id =
      pending.dialog?.id ??
      (transaction.method === 'INVITE' ? dialogId(request.get('Call-ID') ?? '', tagOf(request.get('From')) ?? '') : '');
    const local = ownAddress(this.context.layer, destination);
    passUp(client, response, destination, { ...local }, pending.id, id);
  }

  /** After the final response: a CANCEL comes too late, a BYE has ended its dialog. */
  private finish(pending: PendingClient): void {
    const { dialog, transaction } = pending;
    this.context.pendingClients.delete(pending.id);
    if (!dialog) return;
    if (dialog.reinvite === transaction) dialog.reinvite = undefined;
    if (transaction.method === 'BYE' || endsSubscription(dialog, transaction.request))
      this.context.dialogs.remove(dialog);
  }

  /** Returns whether the application should see this 2xx: repeated ones are ACKed again, those of other branches ended. */
  private receiveInviteSuccess(pending: PendingClient, response: SipMessage): boolean {
    const { transaction, dialog } = pending;
    const seq = parseCSeq(response.get('CSeq') ?? '')?.seq ?? 1;
    if (!dialog) {
      this.openDialog(pending, response).ack = { seq, message: undefined };
      return true;
    }
    if (tagOf(response.get('To')) !== dialog.state.remoteTag) {
      const forked = this.makeDialog(pending, response);
      forked.ack = { seq, message: undefined };
      // A second answer of a forked INVITE; a third one is handled alike.
      hangUp(this.context, forked, 'SIP;cause=200;text="answered elsewhere"');
      return false;
    }
    if (dialog.ack?.seq === seq) {
      const { message } = dialog.ack;
      if (message) this.context.layer.resend(message, dialogDestination(dialog, message));
      return false;
    }
    dialog.state.refreshTarget(response);
    dialog.ack = { seq, message: undefined };
    if (dialog.ending) {
      dialog.ack.message = dialog.state.makeAck(seq);
      this.context.layer.sendAck(dialog.ack.message, dialogDestination(dialog, dialog.ack.message));
    }
    return transaction.method === 'INVITE';
  }

  private openDialog(pending: PendingClient, response: SipMessage): ServerDialog {
    const dialog = this.makeDialog(pending, response);
    this.context.dialogs.add(dialog);
    pending.dialog = dialog;
    return dialog;
  }

  private makeDialog({ transaction, client }: PendingClient, response: SipMessage): ServerDialog {
    const { request, destination } = transaction;
    const state = DialogState.fromResponse(request, response);
    return {
      id: dialogId(state.callId, state.localTag),
      state,
      client,
      ack: undefined,
      unacknowledged: undefined,
      reinvite: undefined,
      ending: false,
      lapsesAtMs: transaction.method === 'SUBSCRIBE' ? subscriptionLapse(response) : undefined,
      peer: destination,
    };
  }
}

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
  if (/^(INVITE|SUBSCRIBE)$/.test(method) && !request.has('Contact')) request.add('Contact', contactOf(own));
  return request;
}
