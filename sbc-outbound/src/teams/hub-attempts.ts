import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { LegFailure, LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SetupObserver } from '@ringwire/common/sip/two-leg-setup.js';
import { type AttemptProgress, judge } from '../failover.js';

/** One call's way through the hubs: the next one is tried after what leads on to a carrier's next gateway, too. */
export class HubAttempts {
  readonly #waiting: LegTarget[];
  #progress: AttemptProgress = { isRinging: false, hasEarlyMedia: false };
  #decided = false;

  constructor(
    legs: readonly LegTarget[],
    private readonly options: { journal: CallJournal; hasOffer: boolean },
  ) {
    this.#waiting = [...legs];
  }

  readonly observer: SetupObserver = {
    progress: (_target, { status, body }) => {
      if (status >= 180 && status <= 182) this.#progress.isRinging = true;
      if (body && this.options.hasOffer) this.#progress.hasEarlyMedia = true;
    },
    failed: (target, failure) => this.#failed(target, failure),
  };

  /** The next hub; null when none is left, or the last failure decides. */
  next(): LegTarget | null {
    this.#progress = { isRinging: false, hasEarlyMedia: false };
    return this.#decided ? null : (this.#waiting.shift() ?? null);
  }

  #failed(target: LegTarget, failure: LegFailure): void {
    const verdict = judge(failure, this.#progress);
    this.#decided = !verdict.next;
    const { status, reason, kind } = failure;
    const next = verdict.next && this.#waiting.length > 0;
    const then = next ? 'the next is tried' : verdict.next ? 'no hub is left' : 'no other is tried';
    this.options.journal.timeline.warn(
      'routing',
      `${target.name} failed: ${status} ${reason}; ${verdict.why}: ${then}`,
      {
        ...{ kind, status, reason, why: verdict.why, next },
      },
    );
  }
}
