import { timingSafeEqual } from 'node:crypto';
import {
  type Database,
  decryptSecret,
  HttpError,
  isEncrypted,
  isFlushed,
  MESSAGE_VENDORS,
  type MessageVendorName,
  sidFrom,
  takeInbound,
} from '@ringwire/common';
import { type Router, urlencoded } from 'express';
import type { ApiContext } from '../api-server.js';
import { pathParam } from '../http/input.js';

/** Longest body of a vendor's form; messages are short. */
const FORM_LIMIT = '64kb';

interface GatewayRow {
  vendor: MessageVendorName;
  inbound_token: string;
}

const isSame = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

async function findGateway(db: Database, carrierSid: string): Promise<GatewayRow | undefined> {
  const [row] = await db.query<GatewayRow>(
    `SELECT g.vendor, g.inbound_token FROM http_message_gateways g JOIN voip_carriers c ON c.voip_carrier_sid = g.voip_carrier_sid
     WHERE g.voip_carrier_sid = ? AND g.is_active = 1 AND c.is_active = 1`,
    [carrierSid],
  );
  return row;
}

/**
 * `/messaging/{voip_carrier_sid}/{token}`: where HTTP vendors post messages and what became of ours. It needs no API key; the token in
 * the URL is the carrier's. A vendor that is answered with 5xx posts again.
 */
export function vendorRoutes(router: Router, { db, encryptionSecret, messages }: ApiContext): void {
  const form = urlencoded({ extended: false, limit: FORM_LIMIT });
  router.post('/messaging/:voip_carrier_sid/:token', form, async (req, res) => {
    const carrierSid = pathParam(req, 'voip_carrier_sid');
    const gateway = await findGateway(db, carrierSid);
    const token = gateway?.inbound_token ?? '';
    const plain = isEncrypted(token) ? decryptSecret(token, encryptionSecret) : token;
    // Nobody learns which carriers there are.
    if (gateway === undefined || plain === '' || !isSame(plain, pathParam(req, 'token'))) {
      throw new HttpError(404, 'there is no such carrier, or the token is wrong');
    }
    const vendor = MESSAGE_VENDORS[gateway.vendor];
    const body: unknown = req.body;
    const isFields = typeof body === 'object' && body !== null && !Array.isArray(body);
    const event = vendor?.readEvent(isFields ? (body as Record<string, unknown>) : {});
    if (event?.kind === 'message') {
      const { id, ...message } = event;
      const outcome = await takeInbound(messages.notices, {
        ...message,
        // The vendor may post it again.
        messageSid: sidFrom(carrierSid, id),
        voipCarrierSid: carrierSid,
      }).catch((err: unknown) => {
        throw new HttpError(503, 'messages cannot be taken: redis is away', { err });
      });
      if (outcome === 'full') throw new HttpError(503, 'too many messages wait; try again later');
    } else if (event?.kind === 'receipt' && event.state !== 'pending') {
      const { carrierMessageId, detail, state } = event;
      messages.sink.emit('message.receipt', { voipCarrierSid: carrierSid, carrierMessageId, state, detail });
      if (!(await isFlushed(messages.sink))) throw new HttpError(503, 'receipts cannot be taken: redis is away');
    }
    // What is none of these is not worth another attempt either.
    const { contentType, body: answer } = vendor?.reply ?? { contentType: 'text/plain', body: '' };
    res.status(200).type(contentType).send(answer);
  });
}
