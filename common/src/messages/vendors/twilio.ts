import type { DeliveryState } from '../delivery-receipt.js';
import { isSignedByTwilio } from './twilio-signature.js';
import { jsonOf, type MessageVendor, resultOfStatus, textOf, withPlus } from './vendor.js';

/** Error codes that say that the number does not exist or is no mobile one: www.twilio.com/docs/api/errors (21211, 21214, 21217, 21614). */
const INVALID_NUMBER = new Set(['21211', '21214', '21217', '21614']);
/** Too many requests, or the sender's queue is full (20429, 14107, 30001): not accepted. */
const TOO_MANY = new Set(['20429', '14107', '30001']);
const STATES: Record<string, DeliveryState> = { delivered: 'delivered', undelivered: 'failed', failed: 'failed' };
/** Twilio's own limit. */
const MAX_MEDIA = 10;

const basic = (username: string | null, password: string | null): string =>
  `Basic ${Buffer.from(`${username ?? ''}:${password ?? ''}`).toString('base64')}`;

/** Twilio's Messaging API (www.twilio.com/docs/messaging/api/message-resource) and whatever speaks it. `username` is the Account SID. */
export const twilio: MessageVendor = {
  request(message, account, callbackUrl) {
    const base = account.baseUrl ?? 'https://api.twilio.com';
    const form = new URLSearchParams({ To: withPlus(message.to), From: withPlus(message.from) });
    if (message.text !== '') form.set('Body', message.text);
    for (const url of message.media.slice(0, MAX_MEDIA)) form.append('MediaUrl', url);
    if (callbackUrl !== undefined) form.set('StatusCallback', callbackUrl);
    return {
      url: `${base}/2010-04-01/Accounts/${encodeURIComponent(account.username ?? '')}/Messages.json`,
      headers: {
        authorization: basic(account.username, account.password),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form.toString(),
    };
  },
  readAnswer(status, body) {
    const answer = jsonOf(body);
    if (status >= 200 && status < 300) {
      const id = textOf(answer.sid);
      return { kind: 'accepted', carrierMessageIds: id === '' ? [] : [id] };
    }
    const code = textOf(answer.code);
    const detail = [code, textOf(answer.message)].filter((part) => part !== '').join(' ');
    if (INVALID_NUMBER.has(code)) return { kind: 'invalid', detail };
    if (TOO_MANY.has(code)) return { kind: 'busy', detail };
    return resultOfStatus(status, detail);
  },
  readEvent(body) {
    const id = textOf(body.MessageSid) || textOf(body.SmsSid);
    if (id === '') return undefined;
    // Inbound messages bring a MessageStatus or SmsStatus too: "received".
    const status = textOf(body.MessageStatus) || textOf(body.SmsStatus);
    if (status !== '' && status !== 'received') {
      const code = textOf(body.ErrorCode);
      const detail = code === '' ? status : `${status} ${code}`;
      return { kind: 'receipt', carrierMessageId: id, state: STATES[status] ?? 'pending', detail };
    }
    const from = textOf(body.From);
    const to = textOf(body.To);
    if (from === '' || to === '') return undefined;
    const count = Math.min(Number(textOf(body.NumMedia)) || 0, MAX_MEDIA);
    const media = Array.from({ length: count }, (_, index) => textOf(body[`MediaUrl${index}`], 2_048));
    return {
      kind: 'message',
      id,
      from,
      to,
      text: textOf(body.Body, 10_000),
      media: media.filter((url) => url !== ''),
    };
  },
  isGenuine: (request, secret) => isSignedByTwilio(request, secret),
  secretProblem: () => undefined,
  reply: { contentType: 'text/xml', body: '<Response/>' },
};
