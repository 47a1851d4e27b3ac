import { randomUUID } from 'node:crypto';
import {
  type ApplicationNotice,
  addPart,
  type ClosableEventSink,
  type Concatenation,
  forgetParts,
  isFlushed,
  type Logger,
  MAX_INBOUND_TEXT,
  type Metrics,
  PARTS_SID_MS,
  PARTS_WAIT_MS,
  type ProvisioningSnapshot,
  partIdOf,
  partsKeyOf,
  type ReceiptRequest,
  type Redis,
  readDeliveryReceipt,
  readUserData,
  shareOf,
  takeInbound,
  type WorkQueue,
} from '@ringwire/common';
import type { PDU } from './smpp-library.js';
import type { DeliverAnswer } from './smpp-link.js';

/** `esm_class` (SMPP 3.4 §5.2.12): kind of message, and whether a user data header leads the text. */
const TYPE_MASK = 0x3c;
const TYPE_RECEIPT = 0x04;
const TYPE_INTERMEDIATE = 0x20;
const HAS_HEADER = 0x40;
/** Octets of a part with its header: what `short_message` holds (SMPP 3.4 §5.2.22). */
const MAX_PART_BYTES = 255;

/** What {@link createReceiver} needs. */
export interface ReceiverOptions {
  redis: Redis;
  snapshot: () => ProvisioningSnapshot;
  queue: WorkQueue<ApplicationNotice>;
  sink: ClosableEventSink;
  logger: Logger;
  metrics: Metrics;
}

/** By whom something is delivered. */
export interface MessageSource {
  voipCarrierSid: string;
  /** For logs. */
  name: string;
  /** Whether messages are taken, not only receipts. */
  inbound: boolean;
}

/** Of which outcomes the sender wants to be told. */
export type WantedReceipt = ReceiptRequest['of'];

/** What became of something that was delivered. */
export interface Received {
  answer: DeliverAnswer;
  /** Ours, by which a receipt will name it; empty when it has none. */
  messageId: string;
}

/** Takes what carriers deliver over SMPP, whoever has connected to whom. */
export type Receive = (source: MessageSource, pdu: PDU, wanted: WantedReceipt | null) => Promise<Received>;

const without = (answer: DeliverAnswer): Received => ({ answer, messageId: '' });

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** Text octets: `message_payload` where the carrier uses it for long texts. */
function octetsOf(pdu: PDU): Buffer {
  const { short_message: short, message_payload: payload } = pdu;
  if (Buffer.isBuffer(short) && short.length > 0) return short;
  return Buffer.isBuffer(payload) ? payload : Buffer.alloc(0);
}

/** The place of a part that the carrier gives in TLVs instead of a header (SMPP 3.4 §5.3.2.22 and following). */
function placeByTlv(pdu: PDU): Concatenation | null {
  const reference = number(pdu.sar_msg_ref_num);
  const total = number(pdu.sar_total_segments);
  const part = number(pdu.sar_segment_seqnum);
  if (reference === undefined || total === undefined || part === undefined) return null;
  return total > 1 && part >= 1 && part <= total ? { reference, total, part } : null;
}

/**
 * Makes the receiver: receipts go to the workers, messages to the feature servers, long ones when all parts are there. The carrier is
 * told that something is taken when it is in Redis.
 */
export function createReceiver(options: ReceiverOptions): Receive {
  const { redis, snapshot, queue, sink, logger, metrics } = options;
  const counted = metrics.counter({
    name: 'ringwire_messages_delivered_to_us_total',
    help: 'What carriers delivered over SMPP',
    labelNames: ['kind'],
  });

  const accountOf = (voipCarrierSid: string): string | null =>
    snapshot().carriersBySid.get(voipCarrierSid)?.accountSid ?? null;

  const takeReceipt = async (source: MessageSource, pdu: PDU): Promise<DeliverAnswer> => {
    const { text: words } = readUserData(octetsOf(pdu), number(pdu.data_coding) ?? 0, false);
    const receipt = readDeliveryReceipt(words, {
      receiptedMessageId: text(pdu.receipted_message_id) || undefined,
      messageState: number(pdu.message_state),
    });
    if (receipt === undefined) {
      counted.inc({ kind: 'broken receipt' });
      logger.warn({ source: source.name, words: words.slice(0, 200) }, 'receipt cannot be read');
      return 'taken';
    }
    counted.inc({ kind: 'receipt' });
    if (receipt.state === 'pending') return 'taken';
    sink.emit('message.receipt', { ...receipt, state: receipt.state, voipCarrierSid: source.voipCarrierSid });
    return (await isFlushed(sink)) ? 'taken' : 'later';
  };

  const takeWhole = async (
    { voipCarrierSid }: MessageSource,
    message: {
      from: string;
      to: string;
      text: string;
      messageSid: string;
      rememberMs: number;
      receipt?: ReceiptRequest;
    },
  ): Promise<DeliverAnswer> => {
    const outcome = await takeInbound(queue, {
      ...message,
      voipCarrierSid,
      carrierAccountSid: accountOf(voipCarrierSid),
      media: [],
    });
    if (outcome === 'full') counted.inc({ kind: 'refused' });
    return outcome === 'full' ? 'later' : 'taken';
  };

  const takePart = async (
    source: MessageSource,
    { from, to, text: words }: { from: string; to: string; text: string },
    place: Concatenation,
    wanted: WantedReceipt | null,
  ): Promise<Received> => {
    const { voipCarrierSid } = source;
    const key = partsKeyOf(voipCarrierSid, from, to, place);
    const share = shareOf({ voipCarrierSid, carrierAccountSid: accountOf(voipCarrierSid) });
    const added = await addPart(redis, key, share, place, words);
    if (added.kind === 'full' || added.kind === 'too long') {
      counted.inc({ kind: 'refused' });
      return without(added.kind === 'full' ? 'later' : 'never');
    }
    const { messageSid } = added.kind === 'complete' ? added.parts : added;
    const as = (answer: DeliverAnswer): Received => ({ answer, messageId: partIdOf(messageSid, place.part) });
    if (added.kind === 'known') return as('taken');
    if (added.kind === 'open') {
      // Somebody looks after what is missing, from the first part on; put again with each part, in case that failed.
      const notice: ApplicationNotice = {
        ...{ kind: 'parts', voipCarrierSid, from, to, partsKey: key },
        ...(wanted !== null && { receiptOf: wanted }),
      };
      const outcome = await queue.put(`parts/${messageSid}`, share, notice, {
        delayMs: PARTS_WAIT_MS,
        rememberMs: PARTS_SID_MS,
      });
      return as(outcome === 'full' ? 'later' : 'taken');
    }
    // Clients ask the same of all parts of a message.
    const messageIds = added.parts.come.map((part) => partIdOf(messageSid, part));
    const answer = await takeWhole(source, {
      ...{ from, to, text: added.parts.text, messageSid, rememberMs: PARTS_SID_MS },
      ...(wanted !== null && { receipt: { of: wanted, messageIds } }),
    });
    if (answer === 'taken') {
      await forgetParts(redis, key, added.parts);
      await queue.remove(`parts/${messageSid}`);
    }
    return as(answer);
  };

  return async (source, pdu, wanted) => {
    const esmClass = number(pdu.esm_class) ?? 0;
    const type = esmClass & TYPE_MASK;
    if (type === TYPE_RECEIPT || type === TYPE_INTERMEDIATE || text(pdu.receipted_message_id) !== '') {
      return without(await takeReceipt(source, pdu));
    }
    if (!source.inbound) return without('never');
    const octets = octetsOf(pdu);
    const { text: words, concatenation } = readUserData(
      octets,
      number(pdu.data_coding) ?? 0,
      (esmClass & HAS_HEADER) !== 0,
    );
    const parties = { from: text(pdu.source_addr), to: text(pdu.destination_addr) };
    const place = concatenation ?? placeByTlv(pdu);
    if (words.length > MAX_INBOUND_TEXT || (place !== null && octets.length > MAX_PART_BYTES)) {
      counted.inc({ kind: 'refused' });
      return without('never');
    }
    counted.inc({ kind: place === null ? 'message' : 'part' });
    if (place !== null) return takePart(source, { ...parties, text: words }, place, wanted);
    // Nothing else will ever come under a sid that is made up here.
    const messageSid = randomUUID();
    const answer = await takeWhole(source, {
      ...{ ...parties, text: words, messageSid, rememberMs: 0 },
      ...(wanted !== null && { receipt: { of: wanted, messageIds: [messageSid] } }),
    });
    return { answer, messageId: messageSid };
  };
}
