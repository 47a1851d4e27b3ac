import { randomBytes } from 'node:crypto';
import {
  type Account,
  type ApplicationNotice,
  type Application as ApplicationRow,
  aorText,
  type ClientReceipt,
  clientReceiptQueue,
  type EventSink,
  forgetParts,
  type ItemHold,
  type Logger,
  type MessageRecord,
  type Metrics,
  PARTS_SID_MS,
  type ProvisioningSnapshot,
  partIdOf,
  type Redis,
  readParts,
  segmentText,
  sidFrom,
  startQueueWorker,
  type TakenItem,
  takeInbound,
  type WorkQueue,
} from '@ringwire/common';
import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application, Hook, HookReply } from '../app-client/application.js';
import { type ApplicationParts, openApplication } from '../app-client/open-application.js';
import { HookConnectionError, HookStatusError, HookTimeoutError } from '../errors.js';
import { createJournal, type Journal } from '../session/journal.js';
import { SessionDefaults } from '../session/session-defaults.js';
import { asHook, speechOf } from '../session/session-factory.js';
import type { VerbRegistry } from '../verbs/registry.js';
import { findMessageOwner, type MessageOwner } from './find-application.js';
import { runMessageVerbs } from './message-session.js';
import type { Outbox } from './outbox.js';
import { SessionMessages } from './session-messages.js';

type Inbound = Extract<ApplicationNotice, { kind: 'inbound' }>;
type Status = Extract<ApplicationNotice, { kind: 'status' }>;
type Parts = Extract<ApplicationNotice, { kind: 'parts' }>;

/** What {@link startMessageIntake} needs. */
export interface MessageIntakeOptions {
  redis: Redis;
  queue: WorkQueue<ApplicationNotice>;
  outbox: Outbox;
  sink: EventSink;
  snapshot: () => ProvisioningSnapshot;
  applications: ApplicationParts;
  registry: VerbRegistry;
  counters: Metrics;
  logger: Logger;
  /** Pauses before an application that was not reached is asked again; then the message has failed. */
  retryDelaysMs?: readonly number[];
}

/** Takes messages for applications, until it is closed. */
export interface MessageIntake {
  /** Takes no more; resolves when those in hand are told and their verbs are done, or after half a minute. */
  drain(): Promise<void>;
  /** Stops what is in hand too: it comes to another feature server. */
  close(): Promise<void>;
}

const CONCURRENCY = 50;
/** Notices of one account at a time, so that an application that hangs does not stop the others'. */
const PER_ACCOUNT = 10;
const CROWDED_MS = 500;
/** Longer than a hook with its quick retries takes. */
const LEASE_MS = 120_000;
const DRAIN_MS = 30_000;
const RETRY_DELAYS_MS = [5_000, 30_000, 120_000, 600_000];

const isWorthAnotherTry = (err: unknown): boolean =>
  err instanceof HookConnectionError ||
  err instanceof HookTimeoutError ||
  (err instanceof HookStatusError && (err.status >= 500 || err.status === 429));
const textOf = (err: unknown): string => (err instanceof Error ? err.message : String(err));

/** Starts telling applications of messages and of what became of theirs. */
export function startMessageIntake(options: MessageIntakeOptions): MessageIntake {
  const intake = new Intake(options);
  const { redis, queue, logger } = options;
  const worker = startQueueWorker({
    redis,
    queue,
    logger,
    concurrency: CONCURRENCY,
    leaseMs: LEASE_MS,
    handle: (taken) => intake.handle(taken),
  });
  return {
    drain: () => worker.close(DRAIN_MS),
    async close() {
      intake.stop();
      await worker.close();
    },
  };
}

class Intake {
  readonly #closing = new AbortController();
  readonly #active = new Map<string, number>();
  readonly #counted;
  readonly #receipts: WorkQueue<ClientReceipt>;

  constructor(private readonly options: MessageIntakeOptions) {
    this.#counted = options.counters.counter({
      name: 'ringwire_messages_in_total',
      help: 'Inbound messages by what became of them',
      labelNames: ['outcome'],
    });
    this.#receipts = clientReceiptQueue(options.redis);
  }

  stop(): void {
    this.#closing.abort();
  }

  handle(taken: TakenItem<ApplicationNotice>): Promise<void> {
    const { item } = taken;
    switch (item.kind) {
      case 'parts':
        return this.#joinParts(taken, item);
      case 'inbound': {
        const owner = findMessageOwner(this.options.snapshot(), item);
        const key = owner.account?.accountSid ?? item.voipCarrierSid ?? '';
        return this.#inTurn(key, taken, () => this.#inbound(taken, item, owner));
      }
      case 'status':
        return this.#inTurn(item.accountSid, taken, () => this.#status(taken, item));
    }
  }

  async #inTurn(key: string, taken: TakenItem<ApplicationNotice>, work: () => Promise<void>): Promise<void> {
    const active = this.#active.get(key) ?? 0;
    if (active >= PER_ACCOUNT) {
      await this.options.queue.update(taken, taken.item, CROWDED_MS);
      return;
    }
    this.#active.set(key, active + 1);
    try {
      await work();
    } finally {
      const left = (this.#active.get(key) ?? 1) - 1;
      if (left > 0) this.#active.set(key, left);
      else this.#active.delete(key);
    }
  }

  /** The rest of a long message has not come: what is there goes on. */
  async #joinParts(hold: ItemHold, { partsKey, voipCarrierSid, from, to, receiptOf }: Parts): Promise<void> {
    const { redis, queue, logger, snapshot } = this.options;
    const parts = await readParts(redis, partsKey);
    if (parts !== undefined && hold.id === `parts/${parts.messageSid}`) {
      logger.warn(
        { messageSid: parts.messageSid, voipCarrierSid },
        'parts of a message have not come; it goes on without them',
      );
      const { messageSid, text, come } = parts;
      const messageIds = come.map((part) => partIdOf(messageSid, part));
      const outcome = await takeInbound(queue, {
        ...{ messageSid, voipCarrierSid, from, to, text, media: [] },
        carrierAccountSid: snapshot().carriersBySid.get(voipCarrierSid)?.accountSid ?? null,
        rememberMs: PARTS_SID_MS,
        ...(receiptOf !== undefined && { receipt: { of: receiptOf, messageIds } }),
      });
      if (outcome === 'full') throw new Error('no room for a message whose parts are joined');
      await forgetParts(redis, partsKey, parts);
    }
    await queue.done(hold);
  }

  async #inbound(hold: ItemHold, item: Inbound, owner: MessageOwner): Promise<void> {
    const { queue } = this.options;
    const { account, application, trouble } = owner;
    if (item.attempts === 0) this.#record(item, owner, { status: 'received' });
    const hook = asHook(application?.messagingHook ?? null);
    if (trouble !== undefined || !account || !application || !hook) {
      this.#record(item, owner, { status: 'failed', reason: 'no-application', detail: trouble ?? null });
      await queue.done(hold);
      await this.#tellSender(item, 'failed');
      return;
    }
    const { messageSid } = item;
    const journal = this.#journal(messageSid, account.accountSid, account.serviceProviderSid);
    const client = this.#client(messageSid, journal, hook, account.webhookSecret);
    try {
      await this.#tell(hold, item, owner, { account, application, client, hook, journal });
    } finally {
      client.close();
    }
  }

  /** Tells an application of a message, and does what it answers. */
  async #tell(
    hold: ItemHold,
    item: Inbound,
    owner: MessageOwner,
    to: { account: Account; application: ApplicationRow; client: Application; hook: Hook; journal: Journal },
  ): Promise<void> {
    const { queue } = this.options;
    const { account, application, client, hook, journal } = to;
    const { messageSid } = item;
    const payload = {
      direction: 'inbound',
      messageSid,
      accountSid: account.accountSid,
      serviceProviderSid: account.serviceProviderSid,
      applicationSid: application.applicationSid,
      carrier: owner.carrier?.name,
      from: item.from,
      to: item.to,
      cc: [],
      text: item.text,
      media: item.media,
    };
    let reply: HookReply;
    try {
      reply = await client.request('session:new', hook, payload, this.#closing.signal);
    } catch (err) {
      if (this.#closing.signal.aborted) throw err;
      if (await this.#again(hold, item, err)) return;
      this.#record(item, owner, { status: 'failed', reason: 'application-failed', detail: textOf(err) });
      await queue.done(hold);
      await this.#tellSender(item, 'failed');
      return;
    }
    // From here on the application has it: whatever becomes of its answer, it is not asked a second time.
    await queue.done(hold);
    this.#record(item, owner, { status: 'delivered' });
    await this.#tellSender(item, 'delivered');
    const messages = new SessionMessages(this.options.outbox, {
      accountSid: account.accountSid,
      serviceProviderSid: account.serviceProviderSid,
      applicationSid: application.applicationSid,
      sidOf: (count) => sidFrom(messageSid, String(count)),
      ...(item.voipCarrierSid === null && account.sipRealm !== null
        ? { user: { name: item.from, aor: aorText({ user: item.from, realm: account.sipRealm }) } }
        : {}),
    });
    await runMessageVerbs({
      verbs: verbsOf(reply, item),
      application: client,
      payload,
      defaults: new SessionDefaults(speechOf(application)),
      messages,
      registry: this.options.registry,
      journal,
      signal: this.#closing.signal,
    });
  }

  /** Leaves a receipt for a client of our SMPP server that asked for one. Never rejects: the message is done with. */
  async #tellSender(item: Inbound, state: 'delivered' | 'failed'): Promise<void> {
    const { messageSid, voipCarrierSid, receipt, from, to, text, receivedAt } = item;
    if (receipt === undefined || voipCarrierSid === null) return;
    if (receipt.of === 'failure' && state === 'delivered') return;
    const { messageIds } = receipt;
    const facts = { voipCarrierSid, messageIds, from, to, text, state, receivedAt, doneAt: Date.now(), attempts: 0 };
    try {
      const outcome = await this.#receipts.put(messageSid, voipCarrierSid, facts);
      if (outcome === 'full') this.options.logger.warn({ messageSid, voipCarrierSid }, 'no room for a receipt');
    } catch (err) {
      this.options.logger.warn({ err, messageSid, voipCarrierSid }, 'a receipt was not left for its client');
    }
  }

  async #status(hold: ItemHold, item: Status): Promise<void> {
    const { queue, snapshot } = this.options;
    const account = snapshot().accountsBySid.get(item.accountSid);
    if (account === undefined) {
      await queue.done(hold);
      return;
    }
    // Sids are the account's own words, and may be those of a call.
    const journal = this.#journal(
      sidFrom(item.accountSid, item.messageSid),
      item.accountSid,
      account.serviceProviderSid,
    );
    const hook: Hook = { url: item.statusHook };
    const client = this.#client(item.messageSid, journal, hook, account.webhookSecret);
    const payload = {
      messageSid: item.messageSid,
      accountSid: item.accountSid,
      applicationSid: item.applicationSid ?? undefined,
      messageStatus: item.status,
      messageFailureReason: item.reason ?? undefined,
      messageFailureDetail: item.detail ?? undefined,
      carrier: item.carrier ?? undefined,
      carrierMessageIds: item.carrierMessageIds,
      from: item.from,
      to: item.to,
    };
    try {
      await client.request('call:status', hook, payload, this.#closing.signal);
    } catch (err) {
      if (this.#closing.signal.aborted) throw err;
      if (await this.#again(hold, item, err)) return;
    } finally {
      client.close();
    }
    await queue.done(hold);
  }

  /** Puts a notice back whose application was not reached; false when that has been done often enough. */
  async #again(hold: ItemHold, item: Inbound | Status, err: unknown): Promise<boolean> {
    const { queue, retryDelaysMs = RETRY_DELAYS_MS } = this.options;
    const delayMs = retryDelaysMs[item.attempts];
    if (delayMs === undefined || !isWorthAnotherTry(err)) return false;
    await queue.update(hold, { ...item, attempts: item.attempts + 1 }, delayMs);
    return true;
  }

  #client(sid: string, journal: Journal, hook: Hook, webhookSecret: string | null): Application {
    return openApplication(this.options.applications, {
      ...{ hook, journal, webhookSecret, callSid: sid },
      traceId: randomBytes(16).toString('hex'),
    });
  }

  #journal(sid: string, accountSid: string, serviceProviderSid: string): Journal {
    const { sink, logger } = this.options;
    return createJournal(sink, logger, { callSid: sid, accountSid, serviceProviderSid });
  }

  #record(
    item: Inbound,
    { account, application, carrier }: MessageOwner,
    what: Pick<MessageRecord, 'status'> & Partial<MessageRecord>,
  ): void {
    const { sink, logger } = this.options;
    const { messageSid, voipCarrierSid } = item;
    if (what.status !== 'received') this.#counted.inc({ outcome: what.reason ?? what.status });
    if (what.status === 'failed') logger.warn({ messageSid, voipCarrierSid, ...what }, 'inbound message failed');
    if (account === undefined) return;
    const { encoding, segments } = segmentText(item.text);
    const { accountSid, serviceProviderSid } = account;
    sink.emit(
      'message.changed',
      {
        messageSid,
        accountSid,
        serviceProviderSid,
        applicationSid: application?.applicationSid ?? null,
        direction: 'inbound',
        from: item.from,
        to: item.to,
        text: item.text,
        media: item.media,
        statusHook: null,
        voipCarrierSid,
        carrier: carrier?.name ?? null,
        encoding,
        segments: segments.length,
        carrierMessageIds: [],
        reason: null,
        detail: null,
        createdAt: item.receivedAt,
        sentAt: null,
        finishedAt: what.status === 'received' ? null : Date.now(),
        ...what,
      },
      { accountSid },
    );
  }
}

/** An application may answer with verbs, or with an object that has the text of a reply. */
function verbsOf(reply: HookReply, { from, to }: Inbound): VerbSpec[] {
  if (reply.kind === 'verbs') return reply.verbs;
  const text = reply.object?.text;
  if (typeof text !== 'string' || text === '') return [];
  return [{ verb: 'message', from: to, to: from, text }];
}
