import { isSendable, MAX_SEGMENTS } from './segment.js';

/** Most pictures, sounds and videos of one message. */
export const MAX_MEDIA = 10;
/** Longest URL of one of them, and of a hook of a message, in characters. */
export const MAX_MESSAGE_URL = 1_024;
/** Longest name or sid of a carrier, in characters. */
export const MAX_CARRIER_NAME = 64;

/** What a message says, and by which carrier. */
export interface MessageContent {
  /** Empty when there is none. */
  text: string;
  media: readonly unknown[];
  /** Null when it names none. */
  carrier: string | null;
}

/** A field of a message that cannot be taken, and why. */
export interface BadContent {
  field: keyof MessageContent;
  problem: string;
}

/** Whether a text is an http or https URL of bearable length. */
export const isMessageUrl = (text: unknown): text is string =>
  typeof text === 'string' &&
  text.length <= MAX_MESSAGE_URL &&
  URL.canParse(text) &&
  /^https?:$/.test(new URL(text).protocol);

/** What is wrong with a message, whoever sends it; undefined: nothing. */
export function findBadContent({ text, media, carrier }: MessageContent): BadContent | undefined {
  if (!isSendable(text)) {
    return { field: 'text', problem: `is too long: it would take more than ${MAX_SEGMENTS} segments` };
  }
  if (media.length > MAX_MEDIA || !media.every(isMessageUrl)) {
    return { field: 'media', problem: `must be an http or https URL, or at most ${MAX_MEDIA} of them` };
  }
  if (text === '' && media.length === 0) return { field: 'text', problem: 'or media must be given' };
  if (carrier !== null && carrier.length > MAX_CARRIER_NAME) {
    return { field: 'carrier', problem: `must be a text of 1 to ${MAX_CARRIER_NAME} characters` };
  }
  return undefined;
}
