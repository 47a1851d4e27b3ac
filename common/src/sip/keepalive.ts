import { LinkLostError, NoResponseError } from './errors.js';
import { sendInDialog } from './in-dialog.js';
import type { SipDialog } from './stack.js';

/** Watches that the far side of a dialog lives. */
export interface Keepalive {
  /** Asks now, because something else says that the far side died; asks again at once when there is no answer. */
  probe(): void;
  stop(): void;
}

/** How long an OPTIONS may stay unanswered. With two tries and the interval this bounds how long a dead peer holds a call. */
const ANSWER_DEADLINE_MS = 5_000;
/** The same, when something else says that the peer died: its calls are to be released within 5 s. */
const SUSPECTED_DEADLINE_MS = 1_000;
/** A single lost answer proves nothing; two do. */
const MISSES_ALLOWED = 1;

/** What a final response to OPTIONS says of the dialog: 481, 404 and 408 mean that the peer does not know it. */
function verdict(status: number): 'alive' | 'dead' | 'unsure' {
  if (status === 481 || status === 404 || status === 408) return 'dead';
  return status >= 500 && status !== 501 ? 'unsure' : 'alive';
}

/**
 * Sends OPTIONS in the dialog every `intervalMs` and calls `onDead` once when the peer does not know the dialog any more, or
 * two in a row got no answer or a 5xx. At 8 s that is at most 26 s after the peer's death, and 2 s after a {@link Keepalive.probe}.
 */
export function keepAlive(
  dialog: SipDialog,
  { intervalMs, lost, onDead }: { intervalMs: number; lost: AbortSignal; onDead: (why: string) => void },
): Keepalive {
  let stopped = false;
  let misses = 0;
  let isSuspected = false;
  /** Only the latest question counts: a patient one may be under way when a hasty one is asked. */
  let latest = 0;
  let timer: NodeJS.Timeout | undefined;

  const dead = (why: string): void => {
    stop();
    onDead(why);
  };
  const judge = (result: 'alive' | 'dead' | 'unsure', why: string): void => {
    misses = result === 'alive' ? 0 : misses + 1;
    if (result === 'alive') isSuspected = false;
    if (result === 'dead' || misses > MISSES_ALLOWED) dead(why);
    else if (isSuspected) void ask();
    else schedule(misses > 0 ? Math.min(1_000, intervalMs) : intervalMs);
  };
  const ask = async (): Promise<void> => {
    if (stopped) return;
    clearTimeout(timer);
    latest++;
    const question = latest;
    const isStale = (): boolean => stopped || question !== latest;
    try {
      const deadlineMs = isSuspected ? SUSPECTED_DEADLINE_MS : ANSWER_DEADLINE_MS;
      const response = await sendInDialog(dialog, { method: 'OPTIONS' }, { lost, deadlineMs });
      if (!isStale()) judge(verdict(response.status), `OPTIONS was answered with ${response.status}`);
    } catch (error) {
      // Every dialog of a lost connection is ended by whoever watches the connection.
      if (error instanceof LinkLostError) stop();
      else if (isStale()) return;
      else if (error instanceof NoResponseError) judge('unsure', 'OPTIONS was not answered');
      else judge('dead', 'the SIP server does not know the dialog any more');
    }
  };
  const schedule = (ms: number): void => {
    if (!stopped) timer = setTimeout(() => void ask(), ms);
  };
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
  };
  const probe = (): void => {
    if (isSuspected) return;
    isSuspected = true;
    misses = 0;
    void ask();
  };
  schedule(intervalMs);
  return { probe, stop };
}
