import { randomInt } from 'node:crypto';
import type { SipMessage } from '@ringwire/sip';
import type { ServerDialog } from './dialog-store.js';

/** Whose offer of SDP waits for an answer (RFC 3264, RFC 6337). */
export type PendingOffer = 'none' | 'local' | 'remote';

/** An answer of the server to a request of the peer that comes at a wrong moment. */
export interface Glare {
  status: 491 | 500;
  /** Seconds, with 500. */
  retryAfter: number | undefined;
}

/**
 * Whether a re-INVITE or UPDATE of the peer crosses something that is not finished: 491 when it is ours, 500 with
 * Retry-After when it is the peer's (RFC 3261 §14.2, RFC 3311 §5.2). Undefined when it may go on.
 */
export function glareOf(dialog: ServerDialog, request: SipMessage): Glare | undefined {
  if (request.method === 'INVITE') {
    if (dialog.reinvite) return { status: 491, retryAfter: undefined };
    if (dialog.unansweredInvite) return tryLater();
  } else if (request.method !== 'UPDATE') return undefined;
  if (dialog.unansweredUpdate) return tryLater();
  if (request.method === 'UPDATE' && !hasSdp(request)) return undefined;
  if (dialog.offer === 'local') return { status: 491, retryAfter: undefined };
  return dialog.offer === 'remote' ? tryLater() : undefined;
}

/** A request of the peer is accepted for the application. */
export function noteRequestReceived(dialog: ServerDialog, request: SipMessage): void {
  if (MAY_OFFER.has(request.method) && hasSdp(request)) dialog.offer = dialog.offer === 'local' ? 'none' : 'remote';
}

/** A response to a request of the peer goes out. */
export function noteResponseSent(dialog: ServerDialog, request: SipMessage, response: SipMessage): void {
  noteResponse(dialog, request, response, 'local');
}

/** A request of ours goes out. */
export function noteRequestSent(dialog: ServerDialog, request: SipMessage): void {
  if (MAY_OFFER.has(request.method) && hasSdp(request)) dialog.offer = dialog.offer === 'remote' ? 'none' : 'local';
}

/** A response to a request of ours has come. */
export function noteResponseReceived(dialog: ServerDialog, request: SipMessage, response: SipMessage): void {
  noteResponse(dialog, request, response, 'remote');
}

/** The SDP of a response answers that of its request; where the request had none, it is an offer of its own. */
function noteResponse(dialog: ServerDialog, request: SipMessage, response: SipMessage, by: 'local' | 'remote'): void {
  if (!MAY_OFFER.has(request.method)) return;
  const { status } = response;
  if (status >= 300) dialog.offer = 'none';
  else if (hasSdp(response)) {
    // An unreliable 18x shows the answer early: peers take it for the answer, so do we. It makes no offer.
    if (hasSdp(request)) dialog.offer = 'none';
    else if (request.method === 'INVITE' && (status >= 200 || response.has('RSeq'))) dialog.offer = by;
  } else if (status >= 200) dialog.offer = 'none';
}

const MAY_OFFER: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK']);

function hasSdp(message: SipMessage): boolean {
  return message.body.length > 0 && /^\s*(application\/sdp|multipart\/)/i.test(message.get('Content-Type') ?? '');
}

/** RFC 3261 §14.2: a random wait of 0 to 10 s. */
function tryLater(): Glare {
  return { status: 500, retryAfter: randomInt(0, 11) };
}
