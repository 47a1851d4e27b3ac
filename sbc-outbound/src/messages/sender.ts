import {
  type ClosableEventSink,
  type FraudGuard,
  type ItemHold,
  type Logger,
  MESSAGE_VENDORS,
  type MessageFailure,
  type Metrics,
  newRecord,
  type OutboundItem,
  type OutboundMessage,
  type Redis,
  type SubmitResult,
  type TakenItem,
  tellOutcome,
  type WorkQueue,
} from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { submitOverHttp } from './http-submit.js';
import type { MessageCarrier, MessageCarriers } from './message-carriers.js';
import { findDenial } from './message-fraud.js';
import { submitSegments } from './submit-segments.js';
import type { UserResult } from './user-messages.js';

/** What {@link MessageSender} needs. */
export interface MessageSenderOptions {
  redis: Redis;
  queue: WorkQueue<OutboundItem>;
  carriers: MessageCarriers;
  sink: ClosableEventSink;
  logger: Logger;
  metrics: Metrics;
  guard: AddressGuard;
  /** Keeps accounts from sending where they should not, and too much. */
  fraud: FraudGuard;
  /** Sends to the devices of a user (`alice@example.com`); see `userMessages`. */
  toUser(message: OutboundMessage): Promise<UserResult>;
  /** Authorities (PEM) of HTTPS gateways, instead of those that Node brings. */
  ca?: readonly string[];
  /** After this long without a carrier that accepts it, a message has failed. */
  retryForMs: number;
  /** Messages that are handled at a time. */
  concurrency: number;
  /** Before the second round over the carriers; doubled up to a minute. @defaultValue 1,000 */
  backoffMs?: number;
  /** Base of the URLs that vendors report to; without it they use what is set at the vendor. */
  callbackBase?: string;
}

/** While an item is in hand nobody else takes it. Longer than any single step. */
export const LEASE_MS = 60_000;
const MAX_BACKOFF_MS = 60_000;
const DONE_RETRY_MS = 500;
/** Messages of one account in hand at a time that there is always room for. */
const PER_ACCOUNT = 10;
/** How long a message waits whose account has its share in hand. */
const CROWDED_MS = 250;

/** Where a round over the carriers has led. */
type Verdict =
  | { kind: 'sent'; by: MessageCarrier; carrierMessageIds: readonly string[] }
  | { kind: 'delivered' }
  | {
      kind: 'failed';
      reason: MessageFailure;
      detail: string;
      by?: MessageCarrier;
      carrierMessageIds?: readonly string[];
    }
  | { kind: 'again'; detail: string }
  | { kind: 'given up' };

/**
 * Sends messages: each goes over the carriers that may take it, until one accepts it. It is tried again only while it is certain that
 * nobody has accepted it; before a carrier is asked this is written down, so that not even a crash sends a message twice.
 */
export class MessageSender {
  readonly #options: MessageSenderOptions;
  readonly #outcomes;
  /** Messages in hand, by account. */
  readonly #active = new Map<string, number>();
  #inHand = 0;

  constructor(options: MessageSenderOptions) {
    this.#options = options;
    this.#outcomes = options.metrics.counter({
      name: 'ringwire_messages_out_total',
      help: 'Outbound messages by what became of them',
      labelNames: ['outcome'],
    });
  }

  /** Works on one message of the queue. Rejects while Redis is away: the message comes again after its lease. */
  async handle(taken: TakenItem<OutboundItem>): Promise<void> {
    const { accountSid } = taken.item.message;
    const active = this.#active.get(accountSid) ?? 0;
    if (active >= this.#share()) {
      await this.#options.queue.update(taken, taken.item, CROWDED_MS);
      return;
    }
    this.#active.set(accountSid, active + 1);
    this.#inHand += 1;
    try {
      await this.#work(taken);
    } finally {
      this.#inHand -= 1;
      const left = (this.#active.get(accountSid) ?? 1) - 1;
      if (left > 0) this.#active.set(accountSid, left);
      else this.#active.delete(accountSid);
    }
  }

  /** Half of the room that is left, so that an account whose carriers hang leaves room for others, and one that is alone has more. */
  #share(): number {
    return Math.max(PER_ACCOUNT, (this.#options.concurrency - this.#inHand) / 2);
  }

  async #work(taken: TakenItem<OutboundItem>): Promise<void> {
    const { item } = taken;
    const state = { item };
    const verdict: Verdict =
      item.trying === null
        ? await this.#round(taken, state)
        : {
            kind: 'failed',
            reason: 'unknown-outcome',
            detail: 'the process that sent it ended before the carrier answered',
            ...this.#whoTook(item),
          };
    if (verdict.kind === 'given up') return;
    if (verdict.kind === 'again') {
      const { createdAt } = item.message;
      if (Date.now() - createdAt < this.#options.retryForMs) return this.#postpone(taken, state.item, verdict.detail);
      return this.#finish(taken, state.item, {
        kind: 'failed',
        reason: 'expired',
        detail: verdict.detail,
        ...this.#whoTook(state.item),
      });
    }
    await this.#finish(taken, state.item, verdict);
  }

  async #round(hold: ItemHold, state: { item: OutboundItem }): Promise<Verdict> {
    const { carriers } = this.#options;
    const { message, progress } = state.item;
    if (!carriers.isAccountActive(message)) {
      return { kind: 'failed', reason: 'account-not-active', detail: 'the account is not active' };
    }
    if (message.to.includes('@')) return this.#toUser(hold, state);
    const denial = await findDenial(this.#options.fraud, carriers.snapshot(), state.item);
    if (denial !== undefined) {
      const { reason, detail, alert } = denial;
      const { accountSid, serviceProviderSid } = message;
      if (alert !== null) {
        this.#options.sink.emit('alert', { ...alert, accountSid, serviceProviderSid }, { accountSid });
      }
      return { kind: 'failed', reason, detail };
    }
    const all = carriers.carriersFor(message);
    if (all.length === 0) {
      const detail =
        message.carrier === null ? 'no carrier takes messages' : `no carrier "${message.carrier}" takes messages`;
      return { kind: 'failed', reason: 'no-carrier', detail };
    }
    const able = all.filter(({ http }) => message.media.length === 0 || http !== null);
    if (able.length === 0) return { kind: 'failed', reason: 'media-not-supported', detail: 'no carrier takes media' };
    const allowed = able.filter((carrier) => carriers.allowsSender(carrier, message));
    if (allowed.length === 0) {
      return { kind: 'failed', reason: 'sender-not-allowed', detail: `${message.from} is no number of the account` };
    }
    const candidates = allowed.filter(({ carrier: { voipCarrierSid: sid } }) =>
      progress === null ? !state.item.refusedBy.includes(sid) : progress.voipCarrierSid === sid,
    );
    let trouble = state.item.lastTrouble ?? 'the carrier is gone';
    let isBusy = false;
    let isConfiguration = true;
    for (const candidate of candidates) {
      const result = await this.#submit(hold, state, candidate);
      if (result === 'given up') return { kind: 'given up' };
      const ids = state.item.progress?.carrierMessageIds ?? [];
      if (result.kind === 'accepted')
        return { kind: 'sent', by: candidate, carrierMessageIds: result.carrierMessageIds };
      trouble = result.detail;
      if (result.kind === 'unknown' || result.kind === 'invalid') {
        const reason = result.kind === 'unknown' ? 'unknown-outcome' : 'rejected';
        return { kind: 'failed', reason, detail: trouble, by: candidate, carrierMessageIds: ids };
      }
      isBusy ||= result.kind === 'busy';
      if (result.kind === 'refused') {
        isConfiguration &&= result.isConfiguration === true;
        // What has been taken in part by one carrier cannot be taken in part by another.
        if (ids.length > 0)
          return { kind: 'failed', reason: 'rejected', detail: trouble, by: candidate, carrierMessageIds: ids };
        const { voipCarrierSid } = candidate.carrier;
        state.item = { ...state.item, refusedBy: [...state.item.refusedBy, voipCarrierSid] };
      }
    }
    if (isBusy || progress !== null) return { kind: 'again', detail: trouble };
    const reason = isConfiguration && candidates.length > 0 ? 'carrier-configuration' : 'rejected';
    return { kind: 'failed', reason, detail: trouble };
  }

  /** Users are nobody's carrier's: what their devices take has arrived. */
  async #toUser(hold: ItemHold, state: { item: OutboundItem }): Promise<Verdict> {
    const { queue, toUser } = this.#options;
    if (!(await queue.update(hold, { ...state.item, trying: { voipCarrierSid: '' } }, LEASE_MS)))
      return { kind: 'given up' };
    const result = await toUser(state.item.message);
    if (result.kind === 'taken') return { kind: 'delivered' };
    if (result.kind === 'absent') return { kind: 'again', detail: result.detail };
    const reason = result.kind === 'unanswered' ? 'unknown-outcome' : 'rejected';
    return { kind: 'failed', reason, detail: result.detail };
  }

  async #submit(hold: ItemHold, state: { item: OutboundItem }, by: MessageCarrier): Promise<SubmitResult | 'given up'> {
    const { queue, carriers } = this.#options;
    const { voipCarrierSid } = by.carrier;
    const mark = async (progress: OutboundItem['progress']): Promise<boolean> => {
      state.item = { ...state.item, progress, trying: { voipCarrierSid } };
      return queue.update(hold, state.item, LEASE_MS);
    };
    let result: SubmitResult | 'given up';
    // What one way has taken in part goes on that way, also where the carrier has another one by now.
    if (by.http !== null && state.item.progress === null) {
      result = (await mark(null)) ? await this.#submitOverHttp(state.item, by) : 'given up';
    } else {
      const asProgress = (progress: { reference: number; carrierMessageIds: readonly string[] }) =>
        progress.carrierMessageIds.length === 0 ? null : { ...progress, voipCarrierSid };
      const submitted = await submitSegments({
        message: state.item.message,
        withPlus: by.carrier.e164LeadingPlus,
        link: () => carriers.linkOf(voipCarrierSid),
        progress: state.item.progress,
        before: (progress) => mark(asProgress(progress)),
      });
      result = submitted.result;
      state.item = { ...state.item, progress: asProgress(submitted.progress) };
    }
    state.item = { ...state.item, trying: null };
    return result;
  }

  #submitOverHttp({ message }: OutboundItem, { carrier, http }: MessageCarrier): Promise<SubmitResult> {
    if (http === null) throw new TypeError('the carrier is not reached over HTTP');
    const { guard, ca, callbackBase } = this.#options;
    const vendor = MESSAGE_VENDORS[http.vendor];
    const callbackUrl =
      callbackBase === undefined
        ? undefined
        : `${callbackBase.replace(/\/+$/, '')}/v1/messaging/${carrier.voipCarrierSid}/${http.inboundToken}`;
    const request = vendor.request(message, http, callbackUrl);
    return submitOverHttp(request, (status, body) => vendor.readAnswer(status, body), { guard, ...(ca && { ca }) });
  }

  /** The carrier of an interrupted attempt, or of one that has taken some parts. */
  #whoTook(item: OutboundItem): { by?: MessageCarrier; carrierMessageIds: readonly string[] } {
    const sid = item.trying?.voipCarrierSid ?? item.progress?.voipCarrierSid;
    const by = this.#options.carriers.carriersFor(item.message).find(({ carrier }) => carrier.voipCarrierSid === sid);
    return { ...(by && { by }), carrierMessageIds: item.progress?.carrierMessageIds ?? [] };
  }

  async #postpone(hold: ItemHold, item: OutboundItem, detail: string): Promise<void> {
    const { queue, backoffMs = 1_000, logger } = this.#options;
    const delayMs = Math.min(backoffMs * 2 ** Math.min(item.rounds, 10), MAX_BACKOFF_MS);
    logger.info({ id: hold.id, detail, rounds: item.rounds, delayMs }, 'message waits for a carrier');
    this.#outcomes.inc({ outcome: 'postponed' });
    await queue.update(hold, { ...item, rounds: item.rounds + 1, lastTrouble: detail }, delayMs);
  }

  async #finish(
    hold: ItemHold,
    item: OutboundItem,
    verdict: Extract<Verdict, { kind: 'sent' | 'delivered' | 'failed' }>,
  ): Promise<void> {
    const { sink, logger, redis } = this.#options;
    const { message } = item;
    const now = Date.now();
    const isSent = verdict.kind !== 'failed';
    const isDelivered = verdict.kind === 'delivered';
    const { accountSid, messageSid } = message;
    const { by, carrierMessageIds = [] } = isDelivered ? {} : verdict;
    const carrier = by?.carrier;
    const told = {
      status: isSent ? ('sent' as const) : ('failed' as const),
      reason: isSent ? null : verdict.reason,
      detail: isSent ? null : verdict.detail,
      carrier: carrier?.name ?? null,
      carrierMessageIds,
    };
    this.#outcomes.inc({ outcome: isSent ? 'sent' : verdict.reason });
    logger[isSent ? 'info' : 'warn'](
      { accountSid, messageSid, ...told },
      isSent ? 'message is sent' : 'message failed',
    );
    sink.emit(
      'message.changed',
      {
        ...newRecord(message),
        ...told,
        status: verdict.kind,
        voipCarrierSid: carrier?.voipCarrierSid ?? null,
        sentAt: isSent ? now : null,
        finishedAt: isSent && !isDelivered ? null : now,
      },
      { accountSid },
    );
    await sink.flush();
    await tellOutcome(redis, message, told).catch((err: unknown) =>
      logger.warn({ err, messageSid }, 'outcome was not told'),
    );
    await this.#remove(hold);
  }

  /** The message is sent, or has failed, and must not be looked at again: without Redis this waits for it, up to the lease. */
  async #remove(hold: ItemHold): Promise<void> {
    const { queue, logger } = this.#options;
    const giveUpAt = Date.now() + LEASE_MS;
    for (;;) {
      try {
        await queue.done(hold);
        return;
      } catch (err) {
        if (Date.now() > giveUpAt) throw err;
        logger.warn({ err, id: hold.id }, 'message was not taken out of the queue; trying again');
        await new Promise((resolve) => setTimeout(resolve, DONE_RETRY_MS));
      }
    }
  }
}
