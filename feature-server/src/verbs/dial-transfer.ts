import { MediaServerError } from '../errors.js';
import type { CallTransfer, DialledParty, VerbContext } from './verb.js';

/** How long whom the caller names may ring. */
const RING_MS = 60_000;

/**
 * Lets the caller transfer the party that he talks with, one transfer at a time.
 *
 * @param bridged - resolves when the two hear each other
 */
export function takeTransfers(
  ctx: VerbContext,
  party: DialledParty,
  bridged: Promise<void>,
  signal: AbortSignal,
  options: { toAnybody: boolean },
): void {
  let isTransferring = false;
  ctx.call.onTransfer((asked) => {
    if (isTransferring) return false;
    isTransferring = true;
    transfer(ctx, party, asked, bridged, signal)
      .catch((err: unknown) => {
        ctx.journal.log.error({ err }, 'transfer failed');
        void asked.notify(500, 'Server Internal Error');
      })
      .finally(() => {
        isTransferring = false;
      });
    return true;
  }, options);
}

/** Calls whom the caller names, and lets the party talk with him instead; then the caller is released. Until then, and where it fails, he keeps the party. */
async function transfer(
  ctx: VerbContext,
  party: DialledParty,
  asked: CallTransfer,
  bridged: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { timeline } = ctx.journal;
  const { address } = asked.target;
  void asked.notify(100, 'Trying');
  const third = ctx.dial.call(asked.target, {
    forwardsIdentity: false,
    answerMs: RING_MS,
    onProgress: (status) => {
      if (status === 180 || status === 183) void asked.notify(status, status === 180 ? 'Ringing' : 'Session Progress');
    },
  });
  const gone = new Promise<'gone'>((resolve) => {
    void party.ended.then(() => resolve('gone'));
    const onOver = (): void => {
      // Many telephones hang up as soon as their REFER is accepted: the callee waits for the other alone then.
      if (ctx.call.isOver && !party.isEnded) ctx.dial.handOver(party, third);
      else resolve('gone');
    };
    signal.addEventListener('abort', onOver, { once: true });
  });
  const outcome = await Promise.race([third.outcome, gone]);
  if (outcome === 'gone' || !outcome.ok) {
    void third.end();
    const [status, reason] = outcome === 'gone' ? [487, 'Request Terminated'] : [outcome.status, outcome.reason];
    timeline.warn('call', `transfer to ${address} failed: ${status} ${reason}`, { status });
    void asked.notify(status, reason);
    return;
  }
  try {
    await bridged;
    await party.join(third);
  } catch (error) {
    if (!(error instanceof MediaServerError)) throw error;
    void third.end();
    timeline.error('media', `transfer to ${address} failed: ${error.message}`);
    void asked.notify(503, 'Service Unavailable');
    return;
  }
  timeline.info('call', `the callee is transferred to ${address}`, { callSid: third.callSid });
  if (!party.isHandedOver) ctx.dial.handOver(party, third);
  await asked.notify(200, 'OK');
  ctx.call.hangup('the call was transferred');
}
