import { nowMs } from '../events/clock.js';
import { createTimeline, type Timeline } from '../events/timeline.js';
import type { Alert, CallEnded, CallStarted, EventSink, TerminationReason } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { CallRegistry } from '../redis/call-registry.js';
import type { EdgeMetrics } from './edge-metrics.js';

/** How a call ended, in the words of the call record. */
export interface CallOutcome {
  status: number;
  reason: string;
  termination: TerminationReason;
  /** What happened, in a few words, when `reason` does not say it. */
  cause?: string;
}

/** What journals of one process share. */
export interface JournalOptions {
  sink: EventSink;
  registry: CallRegistry;
  metrics: EdgeMetrics;
  logger: Logger;
}

/**
 * What the world is told of one call, by the edge that owns it: started, answered and ended exactly once each, the live
 * entry in Redis, measurements, and the summary line in the log.
 */
export class CallJournal {
  readonly timeline: Timeline;
  readonly logger: Logger;
  #answeredAt: number | null = null;
  #ended = false;
  #call: CallStarted;

  constructor(
    call: CallStarted,
    private readonly options: JournalOptions,
  ) {
    this.#call = call;
    const { callSid, sipCallId, accountSid } = call;
    this.timeline = createTimeline(options.sink, { callSid, sipCallId, ...(accountSid ? { accountSid } : {}) });
    this.logger = options.logger.child({ callSid, sipCallId });
  }

  get call(): CallStarted {
    return this.#call;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get answered(): boolean {
    return this.#answeredAt !== null;
  }

  /** Reports the call, when it has an account. */
  started(): void {
    if (!this.call.accountSid) return;
    this.options.registry.add(this.call);
    this.options.sink.emit('call.started', this.call, this.#about(this.call.attemptedAt));
  }

  /** Names the feature server or gateway that has the call now. */
  placedOn(featureServer: string): void {
    this.options.registry.update(this.call.callSid, { featureServer });
  }

  /** Says over whom the call goes now; the record names the last. */
  carriedBy(carrier: Pick<CallStarted, 'voipCarrierSid' | 'trunk' | 'remoteHost'>): void {
    this.#call = { ...this.#call, ...carrier };
    const { voipCarrierSid, trunk, remoteHost } = carrier;
    const fields = { trunk, remoteHost, ...(voipCarrierSid === null ? {} : { voipCarrierSid }) };
    this.options.registry.update(this.#call.callSid, fields);
  }

  /** @param dialog - name of the dialog with the outside, see `dialogName` */
  answeredNow(dialog: string): void {
    const answeredAt = nowMs();
    this.#answeredAt = answeredAt;
    const { callSid, attemptedAt } = this.call;
    this.options.registry.answered(callSid, answeredAt, [dialog]);
    this.options.sink.emit('call.answered', { callSid, answeredAt }, this.#about(answeredAt));
    this.options.metrics.setUp(answeredAt - attemptedAt);
  }

  /** Names the dialogs with the outside, by which others may take this end of the call. */
  dialogs(names: readonly string[]): void {
    this.options.registry.dialogs(this.call.callSid, names);
  }

  /** Writes the call's end; later ones are ignored. */
  endedNow(outcome: CallOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    const { call, options } = this;
    const terminatedAt = nowMs();
    const answeredAt = this.#answeredAt;
    const ended: CallEnded = {
      ...call,
      answered: answeredAt !== null,
      answeredAt,
      terminatedAt,
      durationSec: answeredAt === null ? 0 : Math.floor((terminatedAt - answeredAt) / 1000),
      sipStatus: outcome.status,
      sipReason: outcome.reason,
      terminationReason: outcome.termination,
    };
    options.sink.emit('call.ended', ended, this.#about(terminatedAt));
    this.#lastEntry(ended, outcome);
    options.registry.remove(call.callSid);
    options.metrics.terminated(outcome.termination);
    this.logger.info(
      {
        accountSid: call.accountSid,
        sipStatus: outcome.status,
        termination: outcome.termination,
        cause: outcome.cause,
        inviteToAnswerMs: answeredAt === null ? undefined : Math.round(answeredAt - call.attemptedAt),
        durationSec: ended.durationSec,
      },
      'call ended',
    );
  }

  /** Raises an alert about this call's account. */
  alert(alert: Omit<Alert, 'accountSid' | 'serviceProviderSid'>): void {
    const { accountSid, serviceProviderSid } = this.call;
    this.options.sink.emit('alert', { ...alert, accountSid, serviceProviderSid }, this.#about(nowMs()));
    this.timeline.error('alert', alert.message, { alertType: alert.alertType, detail: alert.detail });
  }

  #lastEntry(ended: CallEnded, outcome: CallOutcome): void {
    const seconds = ended.durationSec === 1 ? '1 s' : `${ended.durationSec} s`;
    const what = ended.answered
      ? `call ended after ${seconds}: ${outcome.termination}`
      : `call ended unanswered: ${outcome.status} ${outcome.reason} (${outcome.termination})`;
    const level = ['failed', 'platform failure'].includes(outcome.termination) ? 'warn' : 'info';
    this.timeline[level]('call', outcome.cause ? `${what}: ${outcome.cause}` : what, {
      final: true,
      answered: ended.answered,
      sipStatus: outcome.status,
      sipReason: outcome.reason,
      terminationReason: outcome.termination,
      durationSec: ended.durationSec,
    });
  }

  #about(at: number): { callSid: string; sipCallId: string; accountSid?: string; at: number } {
    const { callSid, sipCallId, accountSid } = this.call;
    return { callSid, sipCallId, ...(accountSid ? { accountSid } : {}), at };
  }
}
