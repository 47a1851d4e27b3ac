import { EventEmitter } from 'node:events';
import { tagOf } from './address.js';
import type { ClientTransaction } from './client-transaction.js';
import { type Dialog, type ExtraHeaders, inviteFailure } from './dialog.js';
import { DialogState } from './dialog-state.js';
import { InviteFailedError } from './errors.js';
import type { SipMessage } from './message.js';

/** Events of {@link OutgoingCall}. */
export interface OutgoingCallEvents {
  /** 101 to 199; `bodyText` is early-media SDP where there is one. */
  progress: [SipMessage];
  answered: [Dialog, SipMessage];
  failed: [InviteFailedError];
}

/** An INVITE under way. */
export class OutgoingCall extends EventEmitter<OutgoingCallEvents> {
  /** Resolves with the dialog once the 2xx has been ACKed; rejects with InviteFailedError. */
  readonly answered: Promise<Dialog>;
  private cancelled = false;
  private readonly dialogs = new Map<string, Dialog>();

  /** @internal */
  constructor(
    readonly request: SipMessage,
    private readonly transaction: ClientTransaction,
    private readonly offer: string | undefined,
    private readonly onOffer: ((offer: string) => string) | undefined,
    private readonly adopt: (state: DialogState, localSdp: string, remoteSdp: string) => Dialog,
  ) {
    super();
    this.answered = new Promise((resolve, reject) => {
      this.once('answered', resolve);
      this.once('failed', reject);
    });
    // Whoever listens to 'failed' need not look at the promise.
    this.answered.catch(() => undefined);
    transaction.on('response', (response) => this.receive(response));
    transaction.once('timeout', () => this.emit('failed', inviteFailure(undefined, this.cancelled ? 487 : 408)));
    transaction.once('transportError', (cause) =>
      this.emit('failed', new InviteFailedError(503, cause.message, undefined, { cause })),
    );
  }

  get callId(): string {
    return this.request.get('Call-ID') ?? '';
  }

  /** Gives up: CANCEL as RFC 3261 §9.1 allows it; a 200 that crosses it is ACKed and ended with BYE. 'failed' 487 follows. */
  cancel(headers: ExtraHeaders = {}): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.transaction.cancel(
      Array.isArray(headers)
        ? (headers as ReadonlyArray<readonly [string, string]>)
        : Object.entries(headers as Record<string, string>),
    );
  }

  private receive(response: SipMessage): void {
    if (response.status === 100) return;
    if (response.status < 200) this.emit('progress', response);
    else if (response.status >= 300) this.emit('failed', inviteFailure(response));
    else this.receiveSuccess(response);
  }

  /** Repeated 2xx are ACKed again; a 2xx of another branch (forking) is ACKed and ended. */
  private receiveSuccess(response: SipMessage): void {
    const tag = tagOf(response.get('To')) ?? '';
    const known = this.dialogs.get(tag);
    if (known) {
      known.acknowledge(this.request, response, this.offer, this.onOffer);
      return;
    }
    const first = this.dialogs.size === 0;
    const state = DialogState.fromResponse(this.request, response);
    const dialog = this.adopt(state, this.offer ?? '', response.bodyText);
    this.dialogs.set(tag, dialog);
    dialog.acknowledge(this.request, response, this.offer, this.onOffer);
    if (first && !this.cancelled) {
      this.emit('answered', dialog, response);
      return;
    }
    void dialog.bye();
    if (first) this.emit('failed', inviteFailure(undefined, 487));
  }
}
