import { LinkLostError } from './errors.js';
import { sendInDialog } from './in-dialog.js';
import type { SipDialog } from './stack.js';

/** What {@link watchFarEnd} needs. */
export interface FarEndWatchOptions {
  /** The far end's dialog as it is now: another may take its place. */
  dialog(): SipDialog;
  /** Sends a re-INVITE that changes nothing; resolves to its final status, or to null where another change is under way; rejects without one. */
  refresh(): Promise<number | null>;
  /** How often it is asked. */
  intervalMs: number;
  lost: AbortSignal;
  onDead(why: string): void;
}

/** How long an OPTIONS may stay unanswered. */
const ANSWER_DEADLINE_MS = 10_000;
/** Telephones and carriers need not answer OPTIONS: after so many doubts a re-INVITE asks, which they must answer. */
const DOUBTS_ALLOWED = 3;
/**
 * 481: the dialog is not known there; 408: our SIP server has waited in vain. 503 says the SIP server where a connection is closed, and an overloaded
 * far end as well: it has twice the time.
 */
const doubtOf = (status: number): number => (status === 481 || status === 408 ? 2 : status === 503 ? 1 : 0);

/**
 * Watches that the far end of an answered call is still there: a telephone whose power was cut sends no BYE, and without media of its own an edge
 * would keep the call, and count it, for ever. Asks by OPTIONS; who answers two of them not at all, or with 481, or four with 503, is asked by a
 * re-INVITE, and is dead when that gets no better answer (RFC 3261 §12.2.1.2, RFC 4028 §10).
 *
 * @returns what ends the watch
 */
export function watchFarEnd({ dialog, refresh, intervalMs, lost, onDead }: FarEndWatchOptions): () => void {
  let stopped = false;
  let doubts = 0;
  let timer: NodeJS.Timeout | undefined;

  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
  };
  const schedule = (): void => {
    if (!stopped) timer = setTimeout(() => void look(), intervalMs);
  };
  const doubtAfter = async (request: () => Promise<number | null>): Promise<number> => {
    try {
      const status = await request();
      return status === null ? 0 : doubtOf(status);
    } catch (error) {
      // Whoever watches the connection to the SIP server ends its dialogs.
      if (error instanceof LinkLostError) stop();
      // What cannot be sent is not answered either.
      return 2;
    }
  };
  const byOptions = async (): Promise<number> =>
    (await sendInDialog(dialog(), { method: 'OPTIONS' }, { lost, deadlineMs: ANSWER_DEADLINE_MS })).status;
  const look = async (): Promise<void> => {
    const doubt = await doubtAfter(byOptions);
    doubts = doubt === 0 ? 0 : doubts + doubt;
    if (stopped) return;
    if (doubts > DOUBTS_ALLOWED) {
      if ((await doubtAfter(refresh)) === 0) doubts = 0;
      else if (!stopped) {
        stop();
        onDead('neither OPTIONS nor a re-INVITE were answered');
      }
    }
    schedule();
  };
  schedule();
  return stop;
}
