import {
  type ClientReceipt,
  clientReceiptQueue,
  deliveryReceiptText,
  type Logger,
  type Redis,
  startQueueWorker,
  type TakenItem,
  type WorkQueue,
} from '@ringwire/common';
import type { MessageLink } from './smpp-link.js';

/** What {@link startClientReceipts} needs. */
export interface ClientReceiptsOptions {
  redis: Redis;
  logger: Logger;
  /** Connections of a carrier's clients that are bound here. */
  clientsOf: (carrierSid: string) => readonly MessageLink[];
  /** Before a receipt is tried again for which no client is bound here; doubled up to a minute. @defaultValue 500 */
  backoffMs?: number;
}

/** Sends receipts until it is closed. */
export interface ClientReceipts {
  close(): Promise<void>;
}

const CONCURRENCY = 100;
const LEASE_MS = 60_000;
const MAX_BACKOFF_MS = 60_000;
const WINDOW_WAIT_MS = 2_000;
/** Receipts of one carrier's clients in hand at a time that there is always room for. */
const PER_CARRIER = 10;
/** How long a receipt waits whose carrier has its share in hand. */
const CROWDED_MS = 250;
/** A client that is away for longer hears no more of its messages. */
const KEEP_MS = 3_600_000;
/** `esm_class` of a receipt and values of `message_state` (SMPP 3.4 §5.2.12, §5.2.28). */
const RECEIPT = 0x04;
const STATES = { delivered: 2, failed: 5 } as const;

/**
 * Tells the clients of our SMPP server what became of their messages. Receipts wait in Redis, so that they reach the process to which the client is
 * bound; one that is not there an hour long is not told.
 */
export function startClientReceipts(options: ClientReceiptsOptions): ClientReceipts {
  const { redis, logger, clientsOf, backoffMs = 500 } = options;
  const queue: WorkQueue<ClientReceipt> = clientReceiptQueue(redis);

  /** Receipts in hand, by carrier. */
  const active = new Map<string, number>();
  let inHand = 0;

  /** Half of the room that is left, so that clients that are slow leave room for others', and those that are alone have more. */
  const share = (): number => Math.max(PER_CARRIER, (CONCURRENCY - inHand) / 2);

  const handle = async (taken: TakenItem<ClientReceipt>): Promise<void> => {
    const { voipCarrierSid } = taken.item;
    const own = active.get(voipCarrierSid) ?? 0;
    if (own >= share()) {
      await queue.update(taken, taken.item, CROWDED_MS);
      return;
    }
    active.set(voipCarrierSid, own + 1);
    inHand += 1;
    try {
      await tell(taken);
    } finally {
      inHand -= 1;
      const left = (active.get(voipCarrierSid) ?? 1) - 1;
      if (left > 0) active.set(voipCarrierSid, left);
      else active.delete(voipCarrierSid);
    }
  };

  const tell = async (taken: TakenItem<ClientReceipt>): Promise<void> => {
    let { item } = taken;
    for (const messageId of item.messageIds) {
      const [client] = [...clientsOf(item.voipCarrierSid)].sort((a, b) => a.load - b.load);
      const result = await client?.submit(fieldsOf(item, messageId), WINDOW_WAIT_MS, async () => true);
      // What it does not want, or may have taken, is not sent twice.
      if (result !== undefined && result !== 'given up' && result.kind !== 'busy') {
        item = { ...item, messageIds: item.messageIds.filter((id) => id !== messageId) };
        if (item.messageIds.length > 0 && !(await queue.update(taken, item, LEASE_MS))) return;
        continue;
      }
      if (Date.now() - item.doneAt > KEEP_MS) {
        logger.warn({ voipCarrierSid: item.voipCarrierSid, messageId }, 'a receipt reached no client in time');
        break;
      }
      const delayMs = Math.min(backoffMs * 2 ** Math.min(item.attempts, 10), MAX_BACKOFF_MS);
      await queue.update(taken, { ...item, attempts: item.attempts + 1 }, delayMs);
      return;
    }
    await queue.done(taken);
  };

  const worker = startQueueWorker({ redis, queue, logger, concurrency: CONCURRENCY, leaseMs: LEASE_MS, handle });
  return { close: () => worker.close() };
}

/** A receipt goes back the way that its message came: from its receiver to its sender. */
function fieldsOf(item: ClientReceipt, messageId: string) {
  return {
    source_addr: item.to,
    destination_addr: item.from,
    ...(/^\d{7,}$/.test(item.to) && { source_addr_ton: 1, source_addr_npi: 1 }),
    ...(/^\d{7,}$/.test(item.from) && { dest_addr_ton: 1, dest_addr_npi: 1 }),
    esm_class: RECEIPT,
    short_message: Buffer.from(deliveryReceiptText({ ...item, messageId }), 'latin1'),
    receipted_message_id: messageId,
    message_state: STATES[item.state],
  };
}
