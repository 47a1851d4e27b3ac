import { createHash } from 'node:crypto';
import type { EventSink } from '../events/types.js';
import type { Redis } from '../redis/connection.js';
import { messageOutcomeKey } from '../redis/keys.js';
import { type PutOutcome, WorkQueue } from '../redis/work-queue.js';
import { segmentText } from './segment.js';
import type {
  ApplicationNotice,
  ClientReceipt,
  MessageFailure,
  MessageRecord,
  OutboundItem,
  OutboundMessage,
} from './types.js';

/** How long a sid that a tenant has chosen is known in Redis after its message is done with. */
const SID_MS = 24 * 3_600_000;

/** Messages that wait for a carrier; worked on by sbc-outbound. */
export const outboundQueue = (redis: Redis): WorkQueue<OutboundItem> =>
  new WorkQueue({ redis, name: 'messages-out', rememberMs: SID_MS });
/** What applications are to be told; worked on by feature servers. With a capacity of its own for each owner where anybody's device may fill it. */
export const applicationQueue = (redis: Redis, limits: { ownerCapacity?: number } = {}): WorkQueue<ApplicationNotice> =>
  new WorkQueue({ redis, name: 'messages-in', ...limits });

/** What is kept free in it for status hooks, which nobody brings again. */
export const STATUS_RESERVE = 20_000;

/** Receipts for clients of our SMPP server; worked on by the sbc-outbound to which they are bound. A client that is away has so many kept for it. */
export const clientReceiptQueue = (redis: Redis): WorkQueue<ClientReceipt> =>
  new WorkQueue({ redis, name: 'smpp-receipts', ownerCapacity: 5_000, rememberMs: 0 });

/** How long the outcome of a message is kept for whoever waits for it. */
const OUTCOME_TTL_SEC = 300;

/** What a sender that waits is told. */
export interface MessageOutcome {
  status: 'sent' | 'failed';
  reason: MessageFailure | null;
  detail: string | null;
  /** Name of the carrier. */
  carrier: string | null;
  carrierMessageIds: readonly string[];
}

/** The record of a message that nothing has happened to yet. */
export function newRecord(message: OutboundMessage): MessageRecord {
  const { encoding, segments } = segmentText(message.text);
  return {
    ...message,
    direction: 'outbound',
    voipCarrierSid: null,
    carrier: null,
    encoding,
    segments: segments.length,
    carrierMessageIds: [],
    status: 'queued',
    reason: null,
    detail: null,
    sentAt: null,
    finishedAt: null,
  };
}

/** The id under which a message is queued: sids are the tenants' own words, which may be alike. */
export const queueId = ({ accountSid, messageSid }: Pick<OutboundMessage, 'accountSid' | 'messageSid'>): string =>
  `${accountSid}/${messageSid}`;

/**
 * Hands a message to whoever sends it, and reports it as queued. The same sid of the same account is taken once, so that a request that is
 * made again sends nothing twice. Rejects while Redis is away.
 *
 * @param isMadeUp - whether nobody can come with this sid again, so that it need not be known when the message is done with
 */
export async function submitMessage(
  { queue, sink }: { queue: WorkQueue<OutboundItem>; sink: EventSink },
  message: OutboundMessage,
  { isMadeUp = false }: { isMadeUp?: boolean } = {},
): Promise<PutOutcome> {
  const item: OutboundItem = { message, rounds: 0, refusedBy: [], trying: null, progress: null, lastTrouble: null };
  const outcome = await queue.put(queueId(message), message.accountSid, item, isMadeUp ? { rememberMs: 0 } : {});
  if (outcome === 'queued') {
    sink.emit('message.changed', newRecord(message), { accountSid: message.accountSid, at: message.createdAt });
  }
  return outcome;
}

/** A sid that is the same for the same words, so that what comes twice is known again; formed as a UUID (RFC 9562, version 8). */
export function sidFrom(...words: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(words)).digest('hex');
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Leaves a message's outcome for {@link readOutcome}. */
export async function tellOutcome(
  redis: Redis,
  message: Pick<OutboundMessage, 'accountSid' | 'messageSid'>,
  outcome: MessageOutcome,
): Promise<void> {
  await redis.set(messageOutcomeKey(queueId(message)), JSON.stringify(outcome), 'EX', OUTCOME_TTL_SEC);
}

/** What became of a message lately; undefined while it is on its way. */
export async function readOutcome(
  redis: Redis,
  message: Pick<OutboundMessage, 'accountSid' | 'messageSid'>,
): Promise<MessageOutcome | undefined> {
  const json = await redis.get(messageOutcomeKey(queueId(message)));
  return json === null ? undefined : (JSON.parse(json) as MessageOutcome);
}
