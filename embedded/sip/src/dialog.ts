import { EventEmitter } from 'node:events';
import type { ClientTransaction } from './client-transaction.js';
import type { DialogState } from './dialog-state.js';
import { InviteFailedError, SipStateError } from './errors.js';
import type { SipMessage } from './message.js';
import { reasonPhrase } from './reasons.js';
import type { ServerTransaction } from './server-transaction.js';
import type { TransactionLayer } from './transaction-layer.js';
import { parseCSeq } from './via.js';

/** Headers to add: a record or a list of pairs (which may repeat a name). */
export type ExtraHeaders = Readonly<Record<string, string>> | ReadonlyArray<readonly [string, string]>;

/** Body of a request or response. */
export interface Content {
  body: string | Buffer;
  contentType: string;
}

/** How a dialog ended: BYE of either side, or it was lost (no ACK, 481, 408, no answer). */
export interface DialogEnd {
  by: 'local' | 'remote' | 'lost';
  /** The peer's BYE. */
  request?: SipMessage;
  reason?: string;
}

/** Events of {@link Dialog}. Without a listener the dialog answers itself: INFO and others 200, re-INVITE 200 with our SDP. */
export interface DialogEvents {
  /** The ACK of our 2xx, also of a re-INVITE; with the peer's answer when our 2xx held an offer. */
  ack: [SipMessage];
  /** The peer's BYE; it has been answered. 'ended' follows. */
  bye: [SipMessage];
  /** Answered with 200 after the listeners unless one of them responds at once. */
  info: [SipMessage, ServerTransaction];
  reinvite: [IncomingReinvite];
  /** Any other request; the listener answers. */
  request: [ServerTransaction];
  ended: [DialogEnd];
}

/** @internal What a dialog needs of its user agent. */
export interface DialogHost {
  readonly layer: TransactionLayer;
  forget(dialog: Dialog): void;
}

/** A confirmed INVITE dialog (RFC 3261 §12 to §15). */
export class Dialog extends EventEmitter<DialogEvents> {
  private ended = false;
  private reinviting = false;
  private lastAck: { seq: number; message: SipMessage } | undefined;

  /** @internal */
  constructor(
    private readonly host: DialogHost,
    readonly state: DialogState,
    /** Our latest SDP: the default answer to a re-INVITE. */
    public localSdp: string,
    /** The peer's latest SDP. */
    public remoteSdp: string,
  ) {
    super();
  }

  get callId(): string {
    return this.state.callId;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /**
   * Sends BYE; the dialog is over at once. Resolves with the final response, undefined when none came. A dialog that is
   * over resolves with undefined.
   */
  async bye(headers: ExtraHeaders = {}): Promise<SipMessage | undefined> {
    if (this.ended) return undefined;
    const request = this.state.makeRequest('BYE');
    addHeaders(request, headers);
    this.finish({ by: 'local' });
    return await finalResponse(this.host.layer.sendRequest(request));
  }

  /** Sends INFO. @see request */
  async info(content: Content, headers: ExtraHeaders = {}): Promise<SipMessage | undefined> {
    return await this.request('INFO', content, headers);
  }

  /**
   * Sends a request but INVITE, BYE. Resolves with the final response, undefined when none came; 481 and 408 end the dialog.
   * @throws SipStateError when the dialog is over
   */
  async request(method: string, content?: Content, headers: ExtraHeaders = {}): Promise<SipMessage | undefined> {
    this.assertLive();
    const request = this.state.makeRequest(method);
    addHeaders(request, headers);
    if (content) request.setBody(content.body, content.contentType);
    const response = await finalResponse(this.host.layer.sendRequest(request));
    this.endIfGone(response?.status ?? 408);
    return response;
  }

  /**
   * Sends a re-INVITE and ACKs it. Resolves with the 2xx; its SDP becomes `remoteSdp`.
   * @param sdp our offer; undefined asks the peer for one, then `onOffer` makes the answer that the ACK carries
   * @throws SipStateError when the dialog is over or a re-INVITE of ours is under way
   * @throws InviteFailedError when it is refused
   */
  async reinvite(
    sdp: string | undefined,
    options: { headers?: ExtraHeaders; onOffer?: (offer: string) => string } = {},
  ): Promise<SipMessage> {
    this.assertLive();
    if (this.reinviting) throw new SipStateError('a re-INVITE is under way');
    this.reinviting = true;
    try {
      const request = this.state.makeRequest('INVITE');
      addHeaders(request, options.headers ?? {});
      if (sdp !== undefined) request.setBody(sdp, 'application/sdp');
      const transaction = this.host.layer.sendRequest(request);
      transaction.on('response', (response) => {
        if (response.status >= 200 && response.status < 300) this.acknowledge(request, response, sdp, options.onOffer);
      });
      const response = await finalResponse(transaction);
      this.endIfGone(response?.status ?? 408);
      if (!response || response.status >= 300) throw inviteFailure(response);
      return response;
    } finally {
      this.reinviting = false;
    }
  }

  /** @internal ACKs a 2xx to an INVITE of ours, or repeats the ACK for a repeated 2xx. */
  acknowledge(
    request: SipMessage,
    response: SipMessage,
    offered: string | undefined,
    onOffer?: (offer: string) => string,
  ): void {
    const seq = parseCSeq(request.get('CSeq') ?? '')?.seq ?? 1;
    if (this.lastAck?.seq === seq) {
      this.host.layer.resend(this.lastAck.message);
      return;
    }
    this.state.refreshTarget(response);
    const ack = this.state.makeAck(seq);
    if (response.body.length > 0) this.remoteSdp = response.bodyText;
    if (offered !== undefined) this.localSdp = offered;
    else if (onOffer && response.body.length > 0) {
      this.localSdp = onOffer(response.bodyText);
      ack.setBody(this.localSdp, 'application/sdp');
    }
    this.lastAck = { seq, message: ack };
    this.host.layer.sendAck(ack);
  }

  /** @internal */
  receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    transaction.localTag = this.state.localTag;
    if (!this.state.acceptSeq(request)) {
      transaction.reply(500, 'CSeq out of order');
      return;
    }
    switch (request.method) {
      case 'BYE':
        transaction.reply(200);
        this.emit('bye', request);
        this.finish({ by: 'remote', request });
        break;
      case 'INVITE':
        this.receiveReinvite(transaction);
        break;
      case 'INFO':
        this.emit('info', request, transaction);
        if (transaction.isOpen) transaction.reply(200);
        break;
      default:
        if (!this.emit('request', transaction)) transaction.reply(200);
    }
  }

  /** @internal Ends the dialog without a BYE. */
  lose(reason: string): void {
    this.finish({ by: 'lost', reason });
  }

  private receiveReinvite(transaction: ServerTransaction): void {
    if (this.reinviting) {
      transaction.reply(491);
      return;
    }
    const reinvite = new IncomingReinvite(this, transaction);
    this.watchAck(transaction);
    if (!this.emit('reinvite', reinvite)) reinvite.accept(this.localSdp);
  }

  /** @internal Follows the ACK of a 2xx of ours; a dialog whose 2xx is never acknowledged is ended with BYE (§13.3.1.4). */
  watchAck(transaction: ServerTransaction): void {
    transaction.on('ack', (ack) => {
      if (ack.body.length > 0) this.remoteSdp = ack.bodyText;
      this.emit('ack', ack);
    });
    transaction.on('timeout', (error) => {
      if (error.timer !== '2xx' || this.ended) return;
      const bye = this.state.makeRequest('BYE');
      this.host.layer.sendRequest(bye);
      this.finish({ by: 'lost', reason: 'no ACK' });
    });
  }

  private endIfGone(status: number): void {
    if (status === 481 || status === 408) this.finish({ by: 'lost', reason: `${status} ${reasonPhrase(status)}` });
  }

  private assertLive(): void {
    if (this.ended) throw new SipStateError('the dialog is over');
  }

  private finish(end: DialogEnd): void {
    if (this.ended) return;
    this.ended = true;
    this.host.forget(this);
    this.emit('ended', end);
  }
}

/** A re-INVITE of the peer; answer it with one of the two. */
export class IncomingReinvite {
  /** @internal */
  constructor(
    private readonly dialog: Dialog,
    readonly transaction: ServerTransaction,
  ) {}

  get request(): SipMessage {
    return this.transaction.request;
  }

  /** The peer's offer; empty when it asks for ours. */
  get sdp(): string {
    return this.request.bodyText;
  }

  /** Answers 200 with our SDP. */
  accept(sdp: string, headers: ExtraHeaders = {}): void {
    if (!this.transaction.isOpen) return;
    const response = this.transaction.makeResponse(200);
    response.add('Contact', this.dialog.state.contact);
    addHeaders(response, headers);
    response.setBody(sdp, 'application/sdp');
    this.dialog.state.refreshTarget(this.request);
    if (this.sdp !== '') this.dialog.remoteSdp = this.sdp;
    this.dialog.localSdp = sdp;
    this.transaction.respond(response);
  }

  /** Refuses; the session stays as it was. @defaultValue 488 */
  reject(status = 488, reason?: string): void {
    if (this.transaction.isOpen) this.transaction.reply(status, reason);
  }
}

/** Sets headers on a message; a name that repeats in a list is added each time. */
export function addHeaders(message: SipMessage, headers: ExtraHeaders): void {
  if (Array.isArray(headers))
    for (const [name, value] of headers as ReadonlyArray<readonly [string, string]>) message.add(name, value);
  else for (const [name, value] of Object.entries(headers as Record<string, string>)) message.set(name, value);
}

/** @internal The final response of a transaction; undefined when none came. */
export async function finalResponse(transaction: ClientTransaction): Promise<SipMessage | undefined> {
  return await new Promise((resolve) => {
    transaction.on('response', (response) => {
      if (response.status >= 200) resolve(response);
    });
    transaction.once('timeout', () => resolve(undefined));
    transaction.once('transportError', () => resolve(undefined));
    transaction.once('terminated', () => resolve(transaction.finalResponse));
  });
}

/** @internal */
export function inviteFailure(response: SipMessage | undefined, fallback = 408): InviteFailedError {
  const status = response?.status ?? fallback;
  return new InviteFailedError(status, response?.reason ?? reasonPhrase(status), response);
}
