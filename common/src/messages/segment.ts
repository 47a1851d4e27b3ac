import { gsm7Septets } from './gsm7.js';

/** How a text goes over the air. */
export type MessageEncoding = 'gsm7' | 'ucs2';

/** A text cut into what carriers send one by one. */
export interface SegmentedText {
  encoding: MessageEncoding;
  /** User data without header: septets in octets, or UTF-16 in network order. At least one, which may be empty. */
  segments: Buffer[];
}

/** Characters of a text and their codes, which must not be torn apart. */
type Unit = readonly number[];

/** Units of one message that stands alone, and of each part of a longer one, whose header takes 6 octets (3GPP TS 23.040 §9.2.3.24.1). */
const LIMITS: Record<MessageEncoding, { single: number; part: number }> = {
  gsm7: { single: 160, part: 153 },
  ucs2: { single: 70, part: 67 },
};

/** A text longer than this makes more parts than carriers take. */
export const MAX_SEGMENTS = 20;
/** No text that is longer fits into {@link MAX_SEGMENTS}. */
export const MAX_TEXT_LENGTH = MAX_SEGMENTS * LIMITS.gsm7.part;

/** UTF-16 code units of each code point, so that surrogate pairs stay together. */
const ucs2Units = (text: string): Unit[] =>
  Array.from(text, (char) => Array.from({ length: char.length }, (_, index) => char.charCodeAt(index)));

function cut(units: readonly Unit[], limits: { single: number; part: number }): number[][] {
  const total = units.reduce((sum, unit) => sum + unit.length, 0);
  const max = total <= limits.single ? limits.single : limits.part;
  const parts: number[][] = [[]];
  for (const unit of units) {
    let part = parts.at(-1) as number[];
    if (part.length + unit.length > max) {
      part = [];
      parts.push(part);
    }
    part.push(...unit);
  }
  return parts;
}

/**
 * Cuts a text into segments: GSM 7-bit when all of its characters are in that alphabet, else UCS-2. Neither an escape sequence nor a
 * surrogate pair is divided. May give more than {@link MAX_SEGMENTS}.
 */
export function segmentText(text: string): SegmentedText {
  const septets = gsm7Septets(text);
  if (septets !== undefined) {
    return { encoding: 'gsm7', segments: cut(septets, LIMITS.gsm7).map((part) => Buffer.from(part)) };
  }
  const segments = cut(ucs2Units(text), LIMITS.ucs2).map((part) => {
    const octets = Buffer.alloc(part.length * 2);
    for (const [index, unit] of part.entries()) octets.writeUInt16BE(unit, index * 2);
    return octets;
  });
  return { encoding: 'ucs2', segments };
}

/** Whether a text is not too long to be sent. */
export const isSendable = (text: string): boolean =>
  text.length <= MAX_TEXT_LENGTH && segmentText(text).segments.length <= MAX_SEGMENTS;

/** The user data header of a part: concatenation with an 8-bit reference (3GPP TS 23.040 §9.2.3.24.1). `part` counts from 1. */
export const concatenationHeader = (reference: number, total: number, part: number): Buffer =>
  Buffer.from([5, 0, 3, reference & 0xff, total, part]);
