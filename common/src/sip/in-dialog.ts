import { LinkLostError, NoResponseError, RequestFailedError } from './errors.js';
import type { SipDialog, SipHeaders, SipMessageView, SipResponse } from './stack.js';

/** How long an in-dialog request may wait for its final response: timer F at the default T1 (RFC 3261 §17.1.2.2). */
export const IN_DIALOG_DEADLINE_MS = 32_000;
/** How long a BYE is waited for before the dialog is forgotten. The record is written before it is sent. */
const BYE_DEADLINE_MS = 5_000;

const highestCseq = new WeakMap<SipDialog, number>();
const hungUp = new WeakSet<SipDialog>();

const cseqOf = (message: SipMessageView): number => Number.parseInt(message.get('CSeq') ?? '', 10) || 0;

/** Highest CSeq number that our side is known to have used in the dialog; 0 when it sent none yet. */
export function lastCseq(dialog: SipDialog): number {
  return Math.max(highestCseq.get(dialog) ?? 0, dialog.type === 'uac' ? cseqOf(dialog.req) : 0);
}

/**
 * Sends a request in a dialog and resolves to its final response, whatever its status; a 2xx of a re-INVITE is acknowledged.
 *
 * @throws NoResponseError, LinkLostError, RequestFailedError
 */
export function sendInDialog(
  dialog: SipDialog,
  request: { method: string; headers?: SipHeaders; body?: string },
  { lost, deadlineMs = IN_DIALOG_DEADLINE_MS }: { lost: AbortSignal; deadlineMs?: number },
): Promise<SipResponse> {
  const { method } = request;
  return new Promise((resolve, reject) => {
    const onLost = (): void => done(() => reject(new LinkLostError('connection to the SIP server lost', { method })));
    const timer = setTimeout(
      () => done(() => reject(new NoResponseError(`no response to ${method}`, { method, elapsedMs: deadlineMs }))),
      deadlineMs,
    );
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      lost.removeEventListener('abort', onLost);
      settle();
    };
    if (lost.aborted) return onLost();
    lost.addEventListener('abort', onLost, { once: true });
    dialog.request(request, (cause, response) => {
      if (cause || !response) {
        done(() =>
          reject(new RequestFailedError(`${method} was not sent`, { method, cause: String(cause) }, { cause })),
        );
        return;
      }
      // drachtio-srf calls back for provisional responses too.
      if (response.status < 200) return;
      highestCseq.set(dialog, Math.max(lastCseq(dialog), cseqOf(response)));
      done(() => resolve(response));
    });
  });
}

/** Ends a dialog with BYE. Resolves when it is answered or given up; never throws; the second call does nothing. */
export async function hangUp(dialog: SipDialog, headers: SipHeaders, lost: AbortSignal): Promise<void> {
  if (hungUp.has(dialog) || !dialog.connected || lost.aborted) return;
  hungUp.add(dialog);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, BYE_DEADLINE_MS);
    // An error means that the SIP server no longer knows the dialog: it is over, which is what we wanted.
    dialog.destroy({ headers }, () => {
      clearTimeout(timer);
      resolve();
    });
  });
  dialog.removeAllListeners();
}
