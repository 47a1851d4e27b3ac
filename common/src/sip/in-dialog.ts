import type { DigestClient } from './digest-client.js';
import { LinkLostError, NoResponseError, RequestFailedError } from './errors.js';
import type { PendingDialog, SipDialog, SipHeaders, SipMessageView, SipResponse } from './stack.js';

/** How long an in-dialog request may wait for its final response: timer F at the default T1 (RFC 3261 §17.1.2.2). */
export const IN_DIALOG_DEADLINE_MS = 32_000;
/** How long a BYE is waited for before the dialog is forgotten. The record is written before it is sent. */
const BYE_DEADLINE_MS = 5_000;

const highestCseq = new WeakMap<SipDialog, number>();
const hungUp = new WeakSet<SipDialog>();

/** How requests of a dialog prove who we are: the peer challenged its INVITE. */
interface DialogProof {
  client: DigestClient;
  /** The remote target, which becomes the Request-URI. */
  uri: string;
}
const proofs = new WeakMap<SipDialog | PendingDialog, DialogProof>();

/** Has all further requests of a dialog answer challenges; the first without being asked again. */
export function proveIn(dialog: SipDialog | PendingDialog, client: DigestClient): void {
  proofs.set(dialog, { client, uri: remoteTarget(dialog.res) });
}

/** A late-offer dialog becomes another object when it is acknowledged. */
export function inheritProof(from: SipDialog | PendingDialog, to: SipDialog): void {
  const proof = proofs.get(from);
  if (proof) proofs.set(to, proof);
}

function remoteTarget(response: SipResponse): string {
  try {
    return response.getParsedHeader('contact')[0]?.uri ?? '';
  } catch {
    // Without a readable Contact the dialog reaches nobody anyway.
    return '';
  }
}

const cseqOf = (message: SipMessageView): number => Number.parseInt(message.get('CSeq') ?? '', 10) || 0;

/** Highest CSeq number that our side is known to have used in the dialog; 0 when it sent none yet. */
export function lastCseq(dialog: SipDialog): number {
  return Math.max(highestCseq.get(dialog) ?? 0, dialog.type === 'uac' ? cseqOf(dialog.req) : 0);
}

/** A request to send in a dialog. */
export interface DialogRequest {
  method: string;
  headers?: SipHeaders;
  body?: string;
}

/** How long to wait, and for what else. */
export interface DialogRequestLimits {
  lost: AbortSignal;
  /** @defaultValue {@link IN_DIALOG_DEADLINE_MS} */
  deadlineMs?: number;
  /** Called with the final response when that comes after the deadline. */
  onLate?(response: SipResponse): void;
}

/**
 * Sends a request in a dialog and resolves to its final response, whatever its status; a 2xx of a re-INVITE is acknowledged.
 *
 * @throws NoResponseError, LinkLostError, RequestFailedError
 */
export async function sendInDialog(
  dialog: SipDialog,
  request: DialogRequest,
  limits: DialogRequestLimits,
): Promise<SipResponse> {
  return (await exchange(dialog, request, limits)).response;
}

/**
 * Sends a re-INVITE without offer. `ack` is there when the response is a 200: whoever gets it must acknowledge, with an answer to the offer.
 *
 * @throws NoResponseError, LinkLostError, RequestFailedError
 */
export function askForOffer(
  dialog: SipDialog,
  headers: SipHeaders,
  limits: DialogRequestLimits,
): Promise<{ response: SipResponse; ack?: (answer: string) => void }> {
  return exchange(dialog, { method: 'INVITE', headers, noAck: true }, limits);
}

function exchange(
  dialog: SipDialog,
  request: DialogRequest & { noAck?: boolean },
  { lost, deadlineMs = IN_DIALOG_DEADLINE_MS, onLate }: DialogRequestLimits,
): Promise<{ response: SipResponse; ack?: (answer: string) => void }> {
  const { method } = request;
  return new Promise((resolve, reject) => {
    let settled = false;
    const onLost = (): void => done(() => reject(new LinkLostError('connection to the SIP server lost', { method })));
    const timer = setTimeout(
      () => done(() => reject(new NoResponseError(`no response to ${method}`, { method, elapsedMs: deadlineMs }))),
      deadlineMs,
    );
    const done = (settle: () => void): void => {
      settled = true;
      clearTimeout(timer);
      lost.removeEventListener('abort', onLost);
      settle();
    };
    if (lost.aborted) return onLost();
    lost.addEventListener('abort', onLost, { once: true });
    const proof = proofs.get(dialog);
    const challenges = new Set<string>();
    const send = (): void =>
      dialog.request(withProof(request, proof), (cause, response, sendAck) => {
        if (cause || !response) {
          done(() =>
            reject(new RequestFailedError(`${method} was not sent`, { method, cause: String(cause) }, { cause })),
          );
          return;
        }
        // drachtio-srf calls back for provisional responses too.
        if (response.status < 200) return;
        highestCseq.set(dialog, Math.max(lastCseq(dialog), cseqOf(response)));
        const ack = sendAck && ((answer: string) => sendAck({ body: answer }));
        // Nobody waits any more, but the peer's session must not hang: it stays as it was.
        if (settled) {
          ack?.(dialog.local.sdp);
          onLate?.(response);
        } else if (proof?.client.learn(response, challenges)) send();
        else done(() => resolve({ response, ...(ack ? { ack } : {}) }));
      });
    send();
  });
}

/**
 * The ACK of the 2xx to a re-INVITE that the peer sent; call it before the 2xx goes out.
 *
 * @throws NoResponseError when the dialog ends or the time is over before, LinkLostError
 */
export function nextAck(
  dialog: SipDialog,
  reinvite: SipMessageView,
  { lost, deadlineMs }: Required<Omit<DialogRequestLimits, 'onLate'>>,
): Promise<SipMessageView> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      lost.removeEventListener('abort', onLost);
      dialog.off('ack', onAck);
      dialog.off('destroy', onEnd);
    };
    const fail = (error: Error): void => {
      stop();
      reject(error);
    };
    const onAck = (ack: SipMessageView): void => {
      if (cseqOf(ack) !== cseqOf(reinvite)) return;
      stop();
      resolve(ack);
    };
    const onEnd = (): void => fail(new NoResponseError('the dialog ended before the ACK'));
    const onLost = (): void => fail(new LinkLostError('connection to the SIP server lost', { method: 'ACK' }));
    const timer = setTimeout(() => fail(new NoResponseError('no ACK', { elapsedMs: deadlineMs })), deadlineMs);
    if (lost.aborted) return onLost();
    lost.addEventListener('abort', onLost, { once: true });
    dialog.on('ack', onAck);
    dialog.on('destroy', onEnd);
  });
}

function withProof<T extends DialogRequest>(request: T, proof: DialogProof | undefined): T {
  if (!proof) return request;
  const { method, headers, body = '' } = request;
  return { ...request, headers: { ...headers, ...proof.client.headersFor({ method, uri: proof.uri, body }) } };
}

/**
 * Ends a dialog with BYE. Resolves when it is answered or given up; never throws; the second call does nothing. In a dialog
 * that proves who we are, a BYE that is challenged is sent again with the answer.
 */
export async function hangUp(dialog: SipDialog, headers: SipHeaders, lost: AbortSignal): Promise<void> {
  if (hungUp.has(dialog) || !dialog.connected || lost.aborted) return;
  hungUp.add(dialog);
  await (proofs.has(dialog) ? byeWithProof(dialog, headers, lost) : bye(dialog, headers));
  dialog.removeAllListeners();
}

function bye(dialog: SipDialog, headers: SipHeaders): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, BYE_DEADLINE_MS);
    // An error means that the SIP server no longer knows the dialog: it is over, which is what we wanted.
    dialog.destroy({ headers }, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** `Dialog.destroy` of drachtio-srf takes any response as the end, also a challenge, after which the peer's leg stays up. */
async function byeWithProof(dialog: SipDialog, headers: SipHeaders, lost: AbortSignal): Promise<void> {
  try {
    await sendInDialog(dialog, { method: 'BYE', headers }, { lost, deadlineMs: BYE_DEADLINE_MS });
  } catch {
    // As above: a dialog that the SIP server does not know, or whose peer does not answer, is over.
  }
  dialog.srf.removeDialog(dialog);
}
