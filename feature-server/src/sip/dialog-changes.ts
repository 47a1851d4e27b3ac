import type { Logger } from '@ringwire/common';
import { SIP_HEADERS } from '@ringwire/common/sip/headers.js';
import { askForOffer, IN_DIALOG_DEADLINE_MS, nextAck } from '@ringwire/common/sip/in-dialog.js';
import { type MediaMove, reinvite } from '@ringwire/common/sip/session-changes.js';
import type { SipDialog, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { CallGoneError, ChangePendingError } from '../errors.js';
import type { ChangeReply, LegChanges, ModifyHandler } from '../session/call-leg.js';
import { partiesOf } from './header-value.js';

const PENDING: ChangeReply = { status: 491, reason: 'Request Pending', sdp: '' };

/** Offers and answers of one answered leg: re-INVITEs of its far end, which others answer, and ours. One at a time (RFC 3261 §14). */
export class DialogChanges implements LegChanges {
  #remoteSdp: string;
  #isAnswer: boolean;
  #isAsking = false;
  /** Our offers whose answer is still to come, with the ACK. */
  #unanswered = 0;

  constructor(
    private readonly dialog: SipDialog,
    private readonly options: {
      /** What the far end gave when the leg was set up, and whether that was an answer. */
      remoteSdp: string;
      isAnswer: boolean;
      /** Who answers re-INVITEs now. */
      answer(): ModifyHandler;
      /** Aborts when the leg is over. */
      over: AbortSignal;
      logger: Logger;
    },
  ) {
    this.#remoteSdp = options.remoteSdp;
    this.#isAnswer = options.isAnswer;
    dialog.on('modify', (request, response) => this.#take(request, response));
  }

  get remoteSdp(): string {
    return this.#remoteSdp;
  }

  get isAnswer(): boolean {
    return this.#isAnswer;
  }

  offer(sdp: string, move: MediaMove): Promise<ChangeReply> {
    // What the far end is about to say of its media is not to be missed; who is to come back to the media server is not there anyway.
    if (this.#unanswered > 0 && move !== 'anchor-media') return Promise.resolve(PENDING);
    return this.#alone(async () => {
      // A release that meets another change can wait; without its media at the media server a call cannot.
      const limits = { lost: this.options.over, ...(move !== 'anchor-media' && { retries: 0 }) };
      const { status, reason, body } = await reinvite(this.dialog, sdp, limits, { 'X-Reason': move });
      if (status < 300) this.#agreed(body, true);
      return { status, reason, sdp: status < 300 ? body : '' };
    });
  }

  askForOffer(move: MediaMove): Promise<ChangeReply & { ack?(sdp: string): void }> {
    if (this.#unanswered > 0) return Promise.resolve(PENDING);
    return this.#alone(async () => {
      const headers = { 'X-Reason': move, Contact: this.dialog.local.contact };
      const { response, ack } = await askForOffer(this.dialog, headers, { lost: this.options.over });
      const { status, reason, body } = response;
      if (!ack) return { status: status < 300 ? 500 : status, reason, sdp: '' };
      return {
        ...{ status, reason, sdp: body },
        ack: (sdp) => {
          ack(sdp);
          if (sdp !== '') this.#agreed(body, false);
        },
      };
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    this.#isAsking = true;
    try {
      return await work();
    } catch (error) {
      if (this.options.over.aborted) throw new CallGoneError('the leg ended meanwhile', {}, { cause: error });
      throw error;
    } finally {
      this.#isAsking = false;
    }
  }

  #agreed(sdp: string, isAnswer: boolean): void {
    this.#remoteSdp = sdp;
    this.#isAnswer = isAnswer;
  }

  #take(request: SipRequest, response: SipResponse): void {
    if (this.#isAsking) {
      response.send(491);
      return;
    }
    const { logger, answer } = this.options;
    const offer = request.body ?? '';
    answer()(offer, request.has(SIP_HEADERS.replaced), partiesOf(request)).then(
      (sdp) => {
        if (offer !== '') this.#agreed(offer, false);
        else {
          this.#awaitAnswer(request).catch((err: unknown) => logger.warn({ err }, 'answer of the ACK was not taken'));
        }
        response.send(200, undefined, { body: sdp, headers: { 'Content-Type': 'application/sdp' } });
      },
      (err: unknown) => {
        const isPending = err instanceof ChangePendingError;
        if (!isPending) logger.warn({ err }, 're-INVITE was refused');
        response.send(isPending ? 491 : 488);
      },
    );
  }

  /** Ours is the offer then, and the ACK has the answer (RFC 3261 §14.2). */
  async #awaitAnswer(reinvite: SipRequest): Promise<void> {
    this.#unanswered++;
    try {
      const { body } = await nextAck(this.dialog, reinvite, {
        lost: this.options.over,
        deadlineMs: IN_DIALOG_DEADLINE_MS,
      });
      if (!body) return;
      this.#agreed(body, true);
      await this.options.answer()(body, false, undefined, true);
    } catch (error) {
      if (!this.options.over.aborted) throw error;
    } finally {
      this.#unanswered--;
    }
  }
}
