import type { DeliveryState } from '../delivery-receipt.js';
import { isSignedByTelnyx, telnyxKey } from './telnyx-signature.js';
import { jsonOf, type MessageVendor, objectOf, resultOfStatus, textOf, withPlus } from './vendor.js';

/** "Invalid 'to' address", "not a mobile number": developers.telnyx.com/docs/overview/errors (40310, 40300 is opted out). */
const INVALID_NUMBER = new Set(['40310']);
const STATES: Record<string, DeliveryState> = {
  delivered: 'delivered',
  delivery_failed: 'failed',
  sending_failed: 'failed',
  expired: 'failed',
};

const firstOf = (value: unknown): Readonly<Record<string, unknown>> =>
  objectOf(Array.isArray(value) ? value[0] : value);
const troubleOf = (errors: unknown): { code: string; detail: string } => {
  const error = firstOf(errors);
  const code = textOf(error.code);
  const words = textOf(error.detail) || textOf(error.title);
  return { code, detail: [code, words].filter((part) => part !== '').join(' ') };
};

/** Telnyx's messaging API, version 2 (developers.telnyx.com/api/messaging). `password` is the API key. */
export const telnyx: MessageVendor = {
  request(message, account, callbackUrl) {
    const body = {
      from: withPlus(message.from),
      to: withPlus(message.to),
      text: message.text,
      ...(message.media.length > 0 && { media_urls: message.media }),
      ...(callbackUrl !== undefined && { webhook_url: callbackUrl }),
    };
    return {
      url: `${account.baseUrl ?? 'https://api.telnyx.com'}/v2/messages`,
      headers: { authorization: `Bearer ${account.password ?? ''}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
  },
  readAnswer(status, body) {
    const answer = jsonOf(body);
    if (status >= 200 && status < 300) {
      const id = textOf(objectOf(answer.data).id);
      return { kind: 'accepted', carrierMessageIds: id === '' ? [] : [id] };
    }
    const { code, detail } = troubleOf(answer.errors);
    if (INVALID_NUMBER.has(code)) return { kind: 'invalid', detail };
    return resultOfStatus(status, detail);
  },
  readEvent(body) {
    const data = objectOf(body.data);
    const payload = objectOf(data.payload);
    const id = textOf(payload.id);
    if (id === '') return undefined;
    const to = firstOf(payload.to);
    switch (data.event_type) {
      case 'message.sent':
      case 'message.finalized': {
        const status = textOf(to.status);
        const detail = [status, troubleOf(payload.errors).detail].filter((part) => part !== '').join(' ');
        return { kind: 'receipt', carrierMessageId: id, state: STATES[status] ?? 'pending', detail };
      }
      case 'message.received': {
        const from = textOf(objectOf(payload.from).phone_number);
        const called = textOf(to.phone_number);
        if (from === '' || called === '') return undefined;
        const media = Array.isArray(payload.media) ? payload.media.slice(0, 10) : [];
        return {
          kind: 'message',
          id,
          from,
          to: called,
          text: textOf(payload.text, 10_000),
          media: media.map((entry) => textOf(objectOf(entry).url, 2_048)).filter((url) => url !== ''),
        };
      }
      default:
        return undefined;
    }
  },
  isGenuine: isSignedByTelnyx,
  secretProblem: (secret) =>
    telnyxKey(secret) === undefined ? "must be the account's public key, 32 octets in base64" : undefined,
  reply: { contentType: 'application/json', body: '{}' },
};
