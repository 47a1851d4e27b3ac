import { randomInt } from 'node:crypto';
import { concatenationHeader, type OutboundMessage, type SubmitResult, segmentText } from '@ringwire/common';
import type { PduFields } from './smpp-library.js';
import type { MessageLink } from './smpp-link.js';

/** How far a message is at its carrier. */
export interface SegmentProgress {
  /** Of the parts' header. */
  reference: number;
  /** The carrier's ids of the parts that it has taken. */
  carrierMessageIds: readonly string[];
}

/** How long a part waits for a place in the carrier's window before others of the carrier's links, or later times, get a chance. */
const WINDOW_WAIT_MS = 2_000;
/** Ids are how parts are counted; a carrier that gives none gets one of ours, which no receipt will name. */
const noId = (message: OutboundMessage, part: number): string => `-${message.messageSid}.${part}`;

/** Type of number and numbering plan (SMPP 3.4 §5.2.5): international, alphanumeric, or unknown for short codes. */
function addressOf(address: string, withPlus: boolean): { ton: number; npi: number; address: string } {
  if (!/^\d+$/.test(address)) return { ton: 5, npi: 0, address };
  if (address.length < 7) return { ton: 0, npi: 1, address };
  return { ton: 1, npi: 1, address: withPlus ? `+${address}` : address };
}

function fieldsOf(
  message: OutboundMessage,
  withPlus: boolean,
  { encoding, segments }: ReturnType<typeof segmentText>,
  reference: number,
  index: number,
): PduFields {
  const from = addressOf(message.from, withPlus);
  const to = addressOf(message.to, withPlus);
  const body = segments[index] ?? Buffer.alloc(0);
  const isPart = segments.length > 1;
  return {
    source_addr_ton: from.ton,
    source_addr_npi: from.npi,
    source_addr: from.address,
    dest_addr_ton: to.ton,
    dest_addr_npi: to.npi,
    destination_addr: to.address,
    esm_class: isPart ? 0x40 : 0,
    data_coding: encoding === 'gsm7' ? 0 : 8,
    // A receipt of the final outcome.
    registered_delivery: 1,
    short_message: isPart ? Buffer.concat([concatenationHeader(reference, segments.length, index + 1), body]) : body,
  };
}

/**
 * Sends the parts of a message that the carrier has not taken yet, one after the other.
 *
 * @param before - called before each part is sent, with how far it is; false gives it up
 * @returns what the carrier said last, and how far it has come
 */
export async function submitSegments(options: {
  message: OutboundMessage;
  withPlus: boolean;
  link: () => MessageLink | undefined;
  progress: SegmentProgress | null;
  before: (progress: SegmentProgress) => Promise<boolean>;
}): Promise<{ result: SubmitResult | 'given up'; progress: SegmentProgress }> {
  const { message, withPlus, link, before } = options;
  const text = segmentText(message.text);
  let progress = options.progress ?? { reference: randomInt(256), carrierMessageIds: [] };
  while (progress.carrierMessageIds.length < text.segments.length) {
    const index = progress.carrierMessageIds.length;
    const current = link();
    if (current === undefined) return { result: { kind: 'busy', detail: 'the carrier has no SMPP gateway' }, progress };
    if (!current.isBound && current.isLoginRefused) {
      return { result: { kind: 'refused', detail: current.trouble, isConfiguration: true }, progress };
    }
    const now = progress;
    const fields = fieldsOf(message, withPlus, text, now.reference, index);
    const result = await current.submit(fields, WINDOW_WAIT_MS, () => before(now));
    if (result === 'given up' || result.kind !== 'accepted') return { result, progress };
    const id = result.carrierMessageIds[0] ?? noId(message, index + 1);
    progress = { ...progress, carrierMessageIds: [...progress.carrierMessageIds, id] };
  }
  return { result: { kind: 'accepted', carrierMessageIds: progress.carrierMessageIds }, progress };
}
