import type { Logger } from '@ringwire/common';
import { keepAlive } from '@ringwire/common/sip/keepalive.js';
import { MOVED } from '@ringwire/common/sip/move-call.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipDialog, SipRequest, SipResponse, SipStack } from '@ringwire/common/sip/stack.js';
import { CallGoneError } from '../errors.js';
import { within } from '../media/deadline.js';
import type {
  CallLeg,
  LegChanges,
  LegEnd,
  LegReply,
  LegRequest,
  LegRequestHandler,
  ModifyHandler,
  ReferHandler,
} from '../session/call-leg.js';
import { customHeaders, reasonHeaderOf } from './custom-headers.js';
import { DialogChanges } from './dialog-changes.js';
import { hostOf, LegRequests } from './leg-requests.js';
import { notifyOfTransfer, readRefer } from './refer.js';

/** A BYE or a 200 that the SIP server does not confirm within this time is given up. */
const SIP_DEADLINE_MS = 5_000;

/** The leg of an INVITE that came in, over drachtio-srf. */
export class InboundLeg implements CallLeg {
  #dialog: SipDialog | undefined;
  #changes: DialogChanges | undefined;
  /** Aborts when the leg is over, whoever ended it. */
  readonly #over = new AbortController();
  readonly #requests = new LegRequests();
  #onEnd: (end: LegEnd) => void = () => {};
  #onMoved: () => void = () => {};
  #takeRefer: ReferHandler | undefined;
  #onDigit: (key: string, durationMs: number | undefined) => void = () => {};
  #answerModify: ModifyHandler = () => Promise.reject(new CallGoneError('no session'));

  constructor(
    private readonly options: {
      stack: SipStack;
      request: SipRequest;
      response: SipResponse;
      /** Go out with every response. */
      headers: Record<string, string>;
      logger: Logger;
      /** How often its far end is asked whether it lives; never without it, an edge finds out by itself. */
      keepAliveMs?: number;
    },
  ) {
    options.request.on('cancel', (cancel) => this.#end({ how: 'cancelled', ...(cancel && reasonHeaderOf(cancel)) }));
  }

  get remoteSdp(): string {
    return this.options.request.body ?? '';
  }

  get isAnswered(): boolean {
    return this.#dialog !== undefined;
  }

  ring(): void {
    if (this.#over.signal.aborted || this.options.response.finalResponseSent) return;
    this.options.response.send(180, undefined, { headers: { ...this.options.headers } });
  }

  async earlyMedia(sdp: string): Promise<void> {
    this.#assertAlive();
    this.options.response.send(183, undefined, { headers: { ...this.options.headers }, body: sdp });
  }

  async answer(sdp: string): Promise<void> {
    this.#assertAlive();
    const { stack, request, response, headers } = this.options;
    const late = () => new CallGoneError('the call ended before it was answered');
    const answered = stack.createUAS(request, response, { localSdp: sdp, headers: { ...headers } });
    let dialog: SipDialog;
    try {
      dialog = await within(SIP_DEADLINE_MS, answered, late, this.#over.signal);
    } catch (cause) {
      this.#hangUpWhenItComes(answered);
      if (cause instanceof CallGoneError) throw cause;
      this.#end({ how: 'cancelled' });
      throw new CallGoneError('the call could not be answered', {}, { cause });
    }
    this.#dialog = dialog;
    this.#watch(dialog);
  }

  reject(status: number, reason: string | undefined, headers: Record<string, string>): void {
    const { response } = this.options;
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    // A 200 that is on its way cannot be taken back: its dialog is ended when it comes.
    if (response.finalResponseSent) return;
    // An application may name a status that drachtio-srf does not know.
    respond(response, status, reason, { headers: { ...this.options.headers, ...headers } });
  }

  async hangup(headers: Record<string, string>): Promise<void> {
    const dialog = this.#dialog;
    if (!dialog || this.#over.signal.aborted) return;
    this.#over.abort();
    const gone = new Promise<void>((resolve) => {
      dialog.destroy({ headers }, (error) => {
        if (error) this.options.logger.debug({ err: error }, 'BYE was not sent: the dialog is gone');
        resolve();
      });
    });
    try {
      await within(SIP_DEADLINE_MS, gone, () => new CallGoneError('BYE was not answered'));
    } catch (err) {
      this.options.logger.warn({ err }, 'BYE was not answered');
    }
    dialog.removeAllListeners();
  }

  onEnd(listener: (end: LegEnd) => void): void {
    this.#onEnd = listener;
  }

  onDigit(listener: (key: string, durationMs: number | undefined) => void): void {
    this.#onDigit = listener;
  }

  onModify(answer: ModifyHandler): void {
    this.#answerModify = answer;
  }

  onRefer(handler: ReferHandler | undefined): void {
    this.#takeRefer = handler;
  }

  get changes(): LegChanges | undefined {
    return this.#changes;
  }

  get peerHost(): string | undefined {
    return hostOf(this.#dialog);
  }

  request(request: LegRequest): Promise<LegReply> {
    return this.#requests.send(this.#dialog, request, this.#over.signal);
  }

  onRequest(handler: LegRequestHandler | undefined): void {
    this.#requests.onRequest(handler);
  }

  /** Calls back when the edge says that this leg has taken the place of another feature server's. */
  onMoved(listener: () => void): void {
    this.#onMoved = listener;
  }

  /** The SIP server is gone, and every dialog on it. */
  lose(reason: string): void {
    this.#end({ how: 'lost', reason });
    this.#dialog?.removeAllListeners();
  }

  #end(end: LegEnd): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#onEnd(end);
  }

  #assertAlive(): void {
    if (this.#over.signal.aborted) throw new CallGoneError('the call is over');
  }

  /** A 200 may cross the CANCEL, or our own change of mind: nobody else would end that dialog. */
  #hangUpWhenItComes(answered: Promise<SipDialog>): void {
    answered.then(
      (dialog) => {
        dialog.destroy({}, () => dialog.removeAllListeners());
      },
      (err: unknown) => this.options.logger.debug({ err }, 'the call was not answered'),
    );
  }

  #watch(dialog: SipDialog): void {
    dialog.on('destroy', (bye) =>
      this.#end({ how: 'bye', headers: customHeaders(bye), ...(bye && reasonHeaderOf(bye)) }),
    );
    this.#requests.watch(dialog, (key, durationMs) => this.#onDigit(key, durationMs));
    dialog.on('info', (request) => {
      if (request.get('X-Reason') === MOVED) this.#onMoved();
    });
    this.#changes = new DialogChanges(dialog, {
      remoteSdp: this.remoteSdp,
      isAnswer: false,
      answer: () => this.#answerModify,
      over: this.#over.signal,
      logger: this.options.logger,
    });
    dialog.on('refer', (request, response) => {
      const refer = readRefer(request, (status, reason) => notifyOfTransfer(dialog, status, reason));
      // Without a verb that can do it nobody takes the call over.
      response.send(refer ? (this.#takeRefer?.(refer) ?? 501) : 400);
    });
    const { keepAliveMs: intervalMs } = this.options;
    if (intervalMs !== undefined) {
      const onDead = (reason: string): void => {
        this.#end({ how: 'lost', reason });
        dialog.destroy({}, () => dialog.removeAllListeners());
      };
      const { stop } = keepAlive(dialog, { intervalMs, lost: this.#over.signal, onDead });
      this.#over.signal.addEventListener('abort', stop, { once: true });
    }
    // A BYE that came together with the ACK found nobody who listened.
    if (!dialog.connected) queueMicrotask(() => this.#end({ how: 'bye', headers: {} }));
  }
}
