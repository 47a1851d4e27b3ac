import { randomUUID } from 'node:crypto';
import {
  findBadContent,
  isMessageUrl,
  MAX_CARRIER_NAME,
  MAX_MESSAGE_URL,
  type OutboundMessage,
  readRecipient,
  readSender,
  readUserPart,
} from '@ringwire/common';
import { badField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

/** What a client says of a message; the rest is known of the account. */
export type MessageInput = Omit<OutboundMessage, 'accountSid' | 'serviceProviderSid'>;

const FIELDS = ['from', 'to', 'text', 'media', 'carrier', 'message_sid', 'application_sid', 'status_hook'];

function readText(fields: Fields): string {
  const { text } = fields;
  if (text === undefined || text === null) return '';
  if (typeof text !== 'string') throw badField('text', 'must be a text');
  return text;
}

/** What it has is checked with the rest of the content. */
function readMedia({ media }: Fields): string[] {
  if (media === undefined || media === null) return [];
  return (Array.isArray(media) ? media : [media]) as string[];
}

/** Reads the body of `POST …/Messages`. @throws HttpError 400 that names the field */
export function readMessageInput(fields: Fields, now: number = Date.now()): MessageInput {
  rejectUnknown(fields, FIELDS);
  const to = readRecipient(textField(fields, 'to', 255));
  if (to === undefined) throw badField('to', 'must be a number, or user@realm of a user of the account');
  const sender = textField(fields, 'from', 64);
  const from = to.includes('@') ? readUserPart(sender) : readSender(sender);
  if (from === undefined) throw badField('from', 'must be a number, or a name of at most 11 letters and digits');
  const text = readText(fields);
  const media = readMedia(fields);
  const carrier = optionalTextField(fields, 'carrier', MAX_CARRIER_NAME);
  const bad = findBadContent({ text, media, carrier });
  if (bad) throw badField(bad.field, bad.problem);
  const messageSid = optionalTextField(fields, 'message_sid', 64) ?? randomUUID();
  if (!/^[\w.:-]+$/.test(messageSid)) throw badField('message_sid', 'must be letters, digits, and . : _ -');
  const statusHook = optionalTextField(fields, 'status_hook', MAX_MESSAGE_URL);
  if (statusHook !== null && !isMessageUrl(statusHook)) throw badField('status_hook', 'must be an http or https URL');
  return {
    messageSid,
    from,
    to,
    text,
    media,
    statusHook,
    carrier,
    applicationSid: optionalTextField(fields, 'application_sid', 36),
    createdAt: now,
  };
}
