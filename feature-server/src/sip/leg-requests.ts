import { SIP_HEADERS } from '@ringwire/common';
import { isInternalHeader } from '@ringwire/common/sip/header-policy.js';
import { sendInDialog } from '@ringwire/common/sip/in-dialog.js';
import type { SipDialog, SipRequest } from '@ringwire/common/sip/stack.js';
import { splitUri } from '@ringwire/common/sip/uri.js';
import { CallGoneError } from '../errors.js';
import type { LegReply, LegRequest, LegRequestHandler } from '../session/call-leg.js';
import { parseDtmfInfo } from './dtmf-info.js';

/** An application that sends more than these before the first is answered floods its far end. */
const MAX_PENDING = 20;
/** The dialog's own, also in one letter (RFC 3261 §20), and by which an edge is told what to do with the call (docs/interfaces.md). */
const NOT_FOR_APPLICATIONS =
  /^(via|from|to|call-id|cseq|contact|content-length|max-forwards|route|record-route|x-reason|[a-z])$/i;

/** Requests within one leg's dialog, beside those that set it up, change or end it: INFO, MESSAGE, NOTIFY and others, both ways. */
export class LegRequests {
  #handler: LegRequestHandler | undefined;
  #pending = 0;

  /** Who takes those of the far end; nobody until this is called, or with undefined. */
  onRequest(handler: LegRequestHandler | undefined): void {
    this.#handler = handler;
  }

  /** Answers what the far end sends, keys in INFO among them. */
  watch(dialog: SipDialog, onDigit: (key: string, durationMs: number | undefined) => void): void {
    dialog.on('info', (request, response) => {
      const digit = parseDtmfInfo(request.get('Content-Type') ?? '', request.body ?? '');
      response.send((digit ? undefined : this.#handler?.(asLegRequest(request))) ?? 200);
      if (digit) onDigit(digit.key, digit.durationMs);
    });
    for (const event of ['message', 'notify'] as const) {
      dialog.on(event, (request, response) => response.send(this.#handler?.(asLegRequest(request)) ?? 200));
    }
  }

  /**
   * Sends one, and resolves with its final response, whatever its status.
   *
   * @throws CallGoneError while the leg has no dialog, or when it ends; NoResponseError; TypeError when too many are under way
   */
  async send(dialog: SipDialog | undefined, request: LegRequest, lost: AbortSignal): Promise<LegReply> {
    if (!dialog?.connected || lost.aborted) throw new CallGoneError('the leg has no dialog');
    if (this.#pending >= MAX_PENDING) throw new TypeError(`${MAX_PENDING} requests wait for their answers`);
    this.#pending++;
    try {
      const { method, body, order } = request;
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !NOT_FOR_APPLICATIONS.test(name)),
      );
      if (order !== undefined) headers[SIP_HEADERS.reason] = order;
      const answer = await sendInDialog(dialog, { method, headers, ...(body && { body }) }, { lost });
      const why = answer.get(SIP_HEADERS.reason);
      return { status: answer.status, reason: answer.reason, ...(why !== undefined && { why }) };
    } finally {
      this.#pending--;
    }
  }
}

/** Where a dialog's peer is, as it says itself. */
export function hostOf(dialog: SipDialog | undefined): string | undefined {
  return splitUri(dialog?.remote.uri ?? '')?.host || undefined;
}

/** The headers of an application that may stand in a request: ours cannot be forged. */
export function ownHeaders(headers: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  const entries = Object.entries(headers ?? {}).filter(
    ([name, value]) => /^[\w.!%*+`'~-]{1,64}$/.test(name) && !isInternalHeader(name) && value !== undefined,
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      String(value)
        .replace(/\p{Cc}+/gu, ' ')
        .trim(),
    ]),
  );
}

function asLegRequest({ method, headers, body }: SipRequest): LegRequest {
  return { method, headers: { ...headers }, body: body ?? '' };
}
