import { EventEmitter } from 'node:events';
import { addHeaders, type Dialog, type ExtraHeaders } from './dialog.js';
import { DialogState } from './dialog-state.js';
import type { SipMessage } from './message.js';
import { hasOptionTag, ReliableProvisionals } from './reliable-provisional.js';
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

/** @internal What a call needs of its user agent. */
export interface CallHost {
  readonly t1Ms: number;
  /** Makes the dialog of a 2xx. */
  adopt(state: DialogState, localSdp: string, remoteSdp: string): Dialog;
  /** Gives the call the PRACKs of this early dialog, until the returned function is called. */
  takePracks(dialogKey: string, call: IncomingCall): () => void;
}

/** An INVITE that waits for our answer. 100 has been sent. */
export class IncomingCall extends EventEmitter<IncomingCallEvents> {
  private reliable: ReliableProvisionals | undefined;
  /** Waits for the PRACK of a response with SDP (RFC 3262 §3). */
  private heldSuccess: SipMessage | undefined;

  /** @internal */
  constructor(
    readonly transaction: ServerTransaction,
    private readonly contact: string,
    private readonly host: CallHost,
  ) {
    super();
    transaction.once('cancel', (cancel) => {
      this.reliable?.stop();
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

  /**
   * Sends a provisional response, with early-media SDP if given. @defaultValue 180. Does nothing once the call is over. A caller that
   * requires reliable ones (RFC 3262) gets them so: one after the other, each repeated until its PRACK; without one the call is
   * refused with 504 after 64*T1.
   */
  ring(status = 180, options: AnswerOptions = {}): void {
    if (!this.isOpen || this.heldSuccess) return;
    const response = this.fill(status, options);
    if (!hasOptionTag(this.request, 'Require', '100rel')) this.transaction.respond(response);
    else this.reliably(response).send(response);
  }

  /**
   * Answers 200 with our SDP (the offer, when the caller sent none: its answer comes with the dialog's 'ack'). The 200 is
   * resent until the ACK comes; without ACK the dialog ends with BYE.
   * @returns the dialog, or undefined when the caller had given up
   */
  accept(sdp: string, options: AnswerOptions = {}): Dialog | undefined {
    if (!this.isOpen) return undefined;
    const response = this.fill(200, { ...options, sdp });
    const dialog = this.host.adopt(DialogState.fromRequest(this.request, response), sdp, this.sdp);
    dialog.watchAck(this.transaction);
    if (this.reliable?.holdsSuccess) this.heldSuccess = response;
    else this.succeed(response);
    return dialog;
  }

  /** @internal Answers a PRACK. */
  receivePrack(transaction: ServerTransaction): void {
    if (!this.reliable?.acknowledge(transaction.request)) {
      transaction.reply(481);
      return;
    }
    transaction.reply(200);
    if (this.heldSuccess && !this.reliable.holdsSuccess) this.succeed(this.heldSuccess);
  }

  /** Refuses with 300 to 699. Does nothing once the call is over. */
  reject(status: number, reason?: string, headers: ExtraHeaders = {}): void {
    this.reliable?.stop();
    if (this.isOpen)
      this.transaction.respond(this.fill(status, reason === undefined ? { headers } : { reason, headers }));
  }

  private succeed(response: SipMessage): void {
    this.heldSuccess = undefined;
    this.reliable?.stop();
    if (this.isOpen) this.transaction.respond(response);
  }

  private reliably(response: SipMessage): ReliableProvisionals {
    if (this.reliable) return this.reliable;
    const release = this.host.takePracks(DialogState.fromRequest(this.request, response).key, this);
    // A PRACK may come as late as the call's transaction lives.
    this.transaction.once('terminated', release);
    this.reliable = new ReliableProvisionals(this.transaction, {
      t1Ms: this.host.t1Ms,
      onTimeout: () => {
        this.reject(504);
        this.emit('failed');
      },
    });
    return this.reliable;
  }

  private fill(status: number, options: AnswerOptions): SipMessage {
    const response = this.transaction.makeResponse(status, options.reason);
    if (status < 300) response.add('Contact', this.contact);
    addHeaders(response, options.headers ?? {});
    if (options.sdp !== undefined) response.setBody(options.sdp, 'application/sdp');
    return response;
  }
}
