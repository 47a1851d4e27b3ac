/** What became of a message that a carrier accepted. `pending` says no more than that it is on its way. */
export type DeliveryState = 'delivered' | 'failed' | 'pending';

/** A delivery receipt, read. */
export interface DeliveryReceipt {
  /** The carrier's id of the message. */
  carrierMessageId: string;
  state: DeliveryState;
  /** The carrier's word and error code: `UNDELIV 011`. */
  detail: string;
}

/** Words of the text (SMPP 3.4 appendix B) and of the TLV `message_state` (§5.2.28). */
const STATES: ReadonlyArray<readonly [word: string, code: number, state: DeliveryState]> = [
  ['ENROUTE', 1, 'pending'],
  ['DELIVRD', 2, 'delivered'],
  ['EXPIRED', 3, 'failed'],
  ['DELETED', 4, 'failed'],
  ['UNDELIV', 5, 'failed'],
  ['ACCEPTD', 6, 'pending'],
  ['UNKNOWN', 7, 'pending'],
  ['REJECTD', 8, 'failed'],
];

/** Longest id that is kept; SMPP allows 65 octets. */
const MAX_ID_LENGTH = 128;

/**
 * Reads a receipt: its TLVs where the carrier sends them, else its text, whose form SMPP leaves to the carrier; fields are found by
 * name in any order and case. Undefined when it names no message or no state that is known.
 */
export function readDeliveryReceipt(
  text: string,
  tlvs: { receiptedMessageId?: string | undefined; messageState?: number | undefined } = {},
): DeliveryReceipt | undefined {
  const field = (name: string): string | undefined => new RegExp(`(?:^|\\s)${name}:(\\S+)`, 'i').exec(text)?.[1];
  const id = (tlvs.receiptedMessageId || field('id'))?.slice(0, MAX_ID_LENGTH);
  const word = field('stat')?.toUpperCase();
  const known = STATES.find(([name, code]) =>
    tlvs.messageState === undefined ? name === word?.slice(0, 7) : code === tlvs.messageState,
  );
  if (!id || known === undefined) return undefined;
  const error = field('err');
  return { carrierMessageId: id, state: known[2], detail: error === undefined ? known[0] : `${known[0]} ${error}` };
}

/** A moment as receipts have it: `YYMMDDhhmm`, in UTC. */
const shortTime = (atMs: number): string =>
  new Date(atMs)
    .toISOString()
    .replace(/^..|[-T:]/g, '')
    .slice(0, 10);

/** The text of a receipt in the usual form (SMPP 3.4 appendix B), which {@link readDeliveryReceipt} reads. */
export function deliveryReceiptText(receipt: {
  messageId: string;
  state: 'delivered' | 'failed';
  /** Ms since the epoch. */
  receivedAt: number;
  doneAt: number;
  /** Of the message; its beginning is repeated. */
  text: string;
}): string {
  const { messageId, state, receivedAt, doneAt, text } = receipt;
  const isDelivered = state === 'delivered';
  // Characters that are the same in ASCII and in the GSM alphabet, whichever the client reads it by.
  const start = text.replace(/[^A-Za-z0-9 !"#%&'()*+,./:;<=>?-]/g, '?').slice(0, 20);
  return [
    `id:${messageId}`,
    'sub:001',
    `dlvrd:${isDelivered ? '001' : '000'}`,
    `submit date:${shortTime(receivedAt)}`,
    `done date:${shortTime(doneAt)}`,
    `stat:${isDelivered ? 'DELIVRD' : 'UNDELIV'}`,
    `err:${isDelivered ? '000' : '001'}`,
    `text:${start}`,
  ].join(' ');
}
