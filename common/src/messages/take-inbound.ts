import type { PutOutcome, WorkQueue } from '../redis/work-queue.js';
import type { ApplicationNotice, MessageOwnerSids, ReceiptRequest } from './types.js';

/** A message that a carrier, or a user, brought. */
export interface IncomingMessage {
  messageSid: string;
  /** Null: a user of the account sends it; then `owner` says which. */
  voipCarrierSid: string | null;
  owner?: MessageOwnerSids;
  /** The account of the carrier, in whose share of the queue the message waits; null or absent: the carrier is shared, and has one of its own. */
  carrierAccountSid?: string | null;
  from: string;
  to: string;
  text: string;
  media: readonly string[];
  /** What the sender wants to be told. */
  receipt?: ReceiptRequest;
  /** How long its sid is known, where the message cannot come again under it for as long as others can. */
  rememberMs?: number;
}

/**
 * In whose share of the queue it waits what comes in: carriers of one account have one together, its users one of their own.
 */
export const shareOf = (message: Pick<IncomingMessage, 'voipCarrierSid' | 'carrierAccountSid' | 'owner'>): string =>
  message.voipCarrierSid === null
    ? `users/${message.owner?.accountSid ?? ''}`
    : (message.carrierAccountSid ?? message.voipCarrierSid);

const MAX_ADDRESS = 64;
const plain = (address: string): string => address.trim().replace(/^\+/, '').slice(0, MAX_ADDRESS);

/**
 * Hands a message to the feature servers, which find its application. The carrier may be told that it is taken once this has resolved with
 * `queued` or `known`. Rejects while Redis is away.
 */
export function takeInbound(queue: WorkQueue<ApplicationNotice>, message: IncomingMessage): Promise<PutOutcome> {
  const { rememberMs, carrierAccountSid: _, ...fields } = message;
  const { messageSid, from, to } = fields;
  const notice: ApplicationNotice = {
    ...fields,
    kind: 'inbound',
    from: plain(from),
    to: plain(to),
    receivedAt: Date.now(),
    attempts: 0,
  };
  return queue.put(messageSid, shareOf(message), notice, rememberMs === undefined ? {} : { rememberMs });
}
