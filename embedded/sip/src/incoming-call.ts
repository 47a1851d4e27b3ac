import { EventEmitter } from 'node:events';
import { addHeaders, type Dialog, type ExtraHeaders } from './dialog.js';
import { DialogState } from './dialog-state.js';
import type { SipMessage } from './message.js';
import type { ServerTransaction } from './server-transaction.js';

/** Events of {@link IncomingCall}. */
export interface IncomingCallEvents {
  /** The caller gave up; the INVITE has been answered with 487. */
  cancel: [SipMessage];
  /** The call ended before it was answered: cancelled, or its transaction failed. */
  failed: [];
}

/** What goes into a response. */
export interface AnswerOptions {
  sdp?: string;
  headers?: ExtraHeaders;
  reason?: string;
}

/** An INVITE that waits for our answer. 100 has been sent. */
export class IncomingCall extends EventEmitter<IncomingCallEvents> {
  /** @internal */
  constructor(
    readonly transaction: ServerTransaction,
    private readonly contact: string,
    private readonly adopt: (state: DialogState, localSdp: string, remoteSdp: string) => Dialog,
  ) {
    super();
    transaction.once('cancel', (cancel) => {
      transaction.reply(487);
      this.emit('cancel', cancel);
      this.emit('failed');
    });
    transaction.once('transportError', () => {
      if (!transaction.finalResponse) this.emit('failed');
    });
  }

  get request(): SipMessage {
    return this.transaction.request;
  }

  get callId(): string {
    return this.request.get('Call-ID') ?? '';
  }

  /** The caller's offer; empty for a delayed offer. */
  get sdp(): string {
    return this.request.bodyText;
  }

  /** False once it was answered, refused or cancelled. */
  get isOpen(): boolean {
    return this.transaction.isOpen;
  }

  /** Sends a provisional response, with early-media SDP if given. @defaultValue 180. Does nothing once the call is over. */
  ring(status = 180, options: AnswerOptions = {}): void {
    if (this.isOpen) this.transaction.respond(this.fill(status, options));
  }

  /**
   * Answers 200 with our SDP (the offer, when the caller sent none: its answer comes with the dialog's 'ack'). The 200 is
   * resent until the ACK comes; without ACK the dialog ends with BYE.
   * @returns the dialog, or undefined when the caller had given up
   */
  accept(sdp: string, options: AnswerOptions = {}): Dialog | undefined {
    if (!this.isOpen) return undefined;
    const response = this.fill(200, { ...options, sdp });
    const dialog = this.adopt(DialogState.fromRequest(this.request, response), sdp, this.sdp);
    dialog.watchAck(this.transaction);
    this.transaction.respond(response);
    return dialog;
  }

  /** Refuses with 300 to 699. Does nothing once the call is over. */
  reject(status: number, reason?: string, headers: ExtraHeaders = {}): void {
    if (this.isOpen)
      this.transaction.respond(this.fill(status, reason === undefined ? { headers } : { reason, headers }));
  }

  private fill(status: number, options: AnswerOptions): SipMessage {
    const response = this.transaction.makeResponse(status, options.reason);
    if (status < 300) response.add('Contact', this.contact);
    addHeaders(response, options.headers ?? {});
    if (options.sdp !== undefined) response.setBody(options.sdp, 'application/sdp');
    return response;
  }
}
