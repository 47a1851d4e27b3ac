import { randomUUID } from 'node:crypto';
import { isSendable, MAX_SEGMENTS, type OutboundMessage, readNumber, readSender } from '@ringwire/common';
import { badField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

/** What a client says of a message; the rest is known of the account. */
export type MessageInput = Omit<OutboundMessage, 'accountSid' | 'serviceProviderSid'>;

const FIELDS = ['from', 'to', 'text', 'media', 'carrier', 'message_sid', 'application_sid', 'status_hook'];
const MAX_MEDIA = 10;
const MAX_URL = 1_024;

const isWebUrl = (text: string): boolean =>
  text.length <= MAX_URL && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);

function readText(fields: Fields): string {
  const { text } = fields;
  if (text === undefined || text === null) return '';
  if (typeof text !== 'string') throw badField('text', 'must be a text');
  if (!isSendable(text)) throw badField('text', `is too long: it would take more than ${MAX_SEGMENTS} segments`);
  return text;
}

function readMedia(fields: Fields): string[] {
  const { media } = fields;
  if (media === undefined || media === null) return [];
  const urls: unknown[] = Array.isArray(media) ? media : [media];
  if (urls.length > MAX_MEDIA || urls.some((url) => typeof url !== 'string' || !isWebUrl(url))) {
    throw badField('media', `must be an http or https URL, or at most ${MAX_MEDIA} of them`);
  }
  return urls as string[];
}

/** Reads the body of `POST …/Messages`. @throws HttpError 400 that names the field */
export function readMessageInput(fields: Fields, now: number = Date.now()): MessageInput {
  rejectUnknown(fields, FIELDS);
  const from = readSender(textField(fields, 'from', 64));
  if (from === undefined) throw badField('from', 'must be a number, or a name of at most 11 letters and digits');
  const to = readNumber(textField(fields, 'to', 64));
  if (to === undefined) throw badField('to', 'must be a number');
  const text = readText(fields);
  const media = readMedia(fields);
  if (text === '' && media.length === 0) throw badField('text', 'or media must be given');
  const messageSid = optionalTextField(fields, 'message_sid', 64) ?? randomUUID();
  if (!/^[\w.:-]+$/.test(messageSid)) throw badField('message_sid', 'must be letters, digits, and . : _ -');
  const statusHook = optionalTextField(fields, 'status_hook', MAX_URL);
  if (statusHook !== null && !isWebUrl(statusHook)) throw badField('status_hook', 'must be an http or https URL');
  return {
    messageSid,
    from,
    to,
    text,
    media,
    statusHook,
    carrier: optionalTextField(fields, 'carrier', 64),
    applicationSid: optionalTextField(fields, 'application_sid', 36),
    createdAt: now,
  };
}
